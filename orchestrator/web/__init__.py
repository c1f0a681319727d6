"""Health, metrics and the API over HTTP. This is the only package of the daemon that uses FastAPI."""
