"""What is done to a platform, one step at a time. Nothing else calls platforms."""
