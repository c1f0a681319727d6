"""Messages for users: mistakes, notes, problems of the configuration, and text that prints safely."""
