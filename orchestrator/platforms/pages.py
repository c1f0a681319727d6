"""Arithmetic of listings."""


def pages(rows: int, size: int) -> int:
    """The number of requests for a list of `rows` rows with pages of `size`; at least 1."""
    return max(1, -(-rows // size))
