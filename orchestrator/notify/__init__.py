"""Calls the webhooks of jobs. Nothing here passes through an account's rate limiter: receivers are no platforms."""
