"""When each poll of an account is due, and what starts it."""
