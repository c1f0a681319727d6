"""What is done to a platform beside polling it, one step at a time."""
