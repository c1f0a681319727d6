"""Arithmetic of listings."""


def pages(rows: int, size: int) -> int:
    """How many requests a list of so many rows takes, with so many in a page: one at least."""
    return max(1, -(-rows // size))
