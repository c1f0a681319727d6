"""What runs for ever: one component a file."""
