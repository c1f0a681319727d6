"""The platforms: their adapters, HTTP transport and rate limiter."""
