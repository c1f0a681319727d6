"""Logs, metrics, and notifications to the service manager."""
