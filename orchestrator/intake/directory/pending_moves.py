"""The journal of moves in progress, by which the next start completes those that a crash interrupted.

It holds only bare names, one of two folders, and the identity of each file. So a forged journal could only make the
daemon move files of incoming/ into a folder for such files.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from orchestrator.domain.errors import OrchestratorError
from orchestrator.durable import write_whole
from orchestrator.intake.directory.open_file import NotReadableError, open_source

_LARGEST = 64 * 1024 * 1024
_LONGEST_NAME = 255


class NoPendingMoveError(OrchestratorError):
    """The file is no journal of moves."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file that is being moved."""

    name: str
    """In incoming/."""
    target: str
    """What it is to be called."""
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class PendingMoves:
    """The moves that belong together."""

    folder: Literal["accepted", "rejected"]
    steps: tuple[Step, ...]

    def write(self, path: Path) -> None:
        """Make it durable. Raises OSError."""
        write_whole(path, json.dumps(asdict(self)).encode(), private=True)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            NoPendingMoveError: the file holds something else.
            OSError: it cannot be read; FileNotFoundError: there is none.
        """
        try:
            source = open_source(path, max_bytes=_LARGEST)
        except NotReadableError as error:
            raise NoPendingMoveError(str(error)) from error
        try:
            return cls._parsed(json.loads(source.file.read(_LARGEST)))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise NoPendingMoveError(f"{type(error).__name__}: {error}") from error
        finally:
            source.close()

    @classmethod
    def _parsed(cls, document: Any) -> Self:  # noqa: ANN401 - any JSON value
        steps = tuple(
            Step(_bare(step["name"]), _bare(step["target"]), _number(step["device"]), _number(step["inode"]))
            for step in document["steps"]
        )
        match document["folder"]:
            case "accepted" | "rejected" as folder:
                return cls(folder, steps)
            case other:
                raise ValueError(f"{other!r} is none of the folders")


def _bare(name: object) -> str:
    if not isinstance(name, str) or name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is no bare name")
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise ValueError("a name is longer than names are")
    return name


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no number")
    return value
