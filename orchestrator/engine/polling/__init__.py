"""When each poll of an account is due, what starts it, and the poller, which runs it."""
