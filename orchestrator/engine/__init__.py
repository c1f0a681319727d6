"""The components that run as long as the daemon: one a file."""
