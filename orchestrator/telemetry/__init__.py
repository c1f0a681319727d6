"""What the daemon tells: logs, metrics, the service manager."""
