"""Numbers of things in messages."""


def plural(count: int, noun: str) -> str:
    """The noun for that many: `job` for 1, otherwise `jobs` and `batches`."""
    if count == 1:
        return noun
    return f"{noun}{'es' if noun.endswith(('ch', 's')) else 's'}"


def counted(count: int, noun: str) -> str:
    """`1 job`, `2 jobs`, `3 batches`."""
    return f"{count} {plural(count, noun)}"
