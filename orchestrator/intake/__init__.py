"""The queue directory and the formats of what is dropped into it."""
