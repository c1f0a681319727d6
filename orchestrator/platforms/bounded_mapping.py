"""A mapping of limited size."""

from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """Keeps at most `most` entries, those set last; an entry that is set again counts as new."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[Key, Value] = {}
        self.get = self._held.get
        """The value of a key, or None."""

    def __setitem__(self, key: Key, value: Value) -> None:
        self._held.pop(key, None)
        self._held[key] = value
        if len(self._held) > self._most:
            del self._held[next(iter(self._held))]

    def __contains__(self, key: Key) -> bool:
        return key in self._held

    def __len__(self) -> int:
        return len(self._held)

    def pop(self, key: Key) -> Value | None:
        """Remove an entry; returns its value, if any."""
        return self._held.pop(key, None)
