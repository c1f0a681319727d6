"""Health, metrics and the API over HTTP. FastAPI is known here and nowhere else in the daemon."""
