"""Which row of an ended job is about which file, where the rows themselves do not say it.

The order of the rows is not documented. A copy without a name of its own has that of its original, and a file that was
deleted is gone: so the platform is asked for the files of the job before its rows are matched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from orchestrator.domain.errors import Transient
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.sevenbridges import wire
from orchestrator.platforms.sevenbridges.protocol.matching import match
from orchestrator.platforms.sevenbridges.protocol.sent import Sent

_NOT_FOUND = 404

FileRow = wire.Row[wire.File]
IsOf = Callable[[Sent, wire.File], bool | None]


class FilesThere(msgspec.Struct, frozen=True):
    """The names of those files of a job that are there, by id."""

    names: dict[str, str | None]

    @classmethod
    def read(cls, answer: Answer) -> "FilesThere":
        """From a bulk answer; raises Transient where it leaves the fate of one of the files open."""
        rows = wire.FILE_ROWS.read(answer)
        if any(row.resource is None and (row.error is None or row.error.status != _NOT_FOUND) for row in rows):
            raise Transient("the platform did not say of every file of a job whether it is there", status=answer.status)
        return cls({row.resource.id: row.resource.name for row in rows if row.resource is not None and row.resource.id})


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Matches the rows of one kind of job."""

    is_of: IsOf
    copies: bool = False
    """The new files have the names of their originals, where they were given none."""
    removes: bool = False
    """What succeeded is no longer there."""

    def need_files(self, asked: Sequence[Sent], rows: Sequence[FileRow]) -> bool:
        """Whether the rows can only be matched once it is known which files are there."""
        if len(asked) == 1:
            return False
        if self.copies:
            return any(each.get("name") is None for each in asked) and any(row.resource is not None for row in rows)
        return self.removes and len({row.outcome for row in rows}) > 1

    def match(self, asked: Sequence[Sent], rows: Sequence[FileRow], there: FilesThere | None) -> Mapping[int, FileRow]:
        """The row of each file, by the file's place in `asked`; files of which no row is certain are left out."""
        if self.removes and there is not None:
            return _removed(asked, rows, there)
        if there is not None:
            asked = [{**each, "name": each.get("name") or there.names.get(each["file"])} for each in asked]
        matched = match(asked, rows, self.is_of)
        unmatched = [place for place in range(len(asked)) if place not in matched]
        left = [row for row in rows if not any(row is used for used in matched.values())]
        return {**matched, **_alike(unmatched, left)}


def _removed(asked: Sequence[Sent], rows: Sequence[FileRow], there: FilesThere) -> Mapping[int, FileRow]:
    """By order where it agrees with what is there; else what is there failed, and what is gone was removed."""
    gone = [each["file"] not in there.names for each in asked]
    if len(asked) == len(rows) and all(_is_gone(row) == is_gone for row, is_gone in zip(rows, gone, strict=True)):
        return dict(enumerate(rows))
    left = [place for place, is_gone in enumerate(gone) if not is_gone]
    removed = [place for place, is_gone in enumerate(gone) if is_gone]
    failures, successes = [row for row in rows if not _is_gone(row)], [row for row in rows if _is_gone(row)]
    if (len(left), len(removed)) != (len(failures), len(successes)):
        return {}
    return {**_alike(left, failures), **_alike(removed, successes)}


def _is_gone(row: FileRow) -> bool:
    return row.resource is not None or (row.error is not None and row.error.status == _NOT_FOUND)


def _alike(places: Sequence[int], rows: Sequence[FileRow]) -> Mapping[int, FileRow]:
    """These rows for these files, in whatever order: all failed, or all succeeded without it being said as what."""
    if not rows or len(places) != len(rows):
        return {}
    if all(row.error is not None and row.error.lasting for row in rows):
        reasons = list(dict.fromkeys(str(row.error) for row in rows))
        row = wire.Row(error=wire.Problem(message=" or ".join(reasons))) if len(reasons) > 1 else rows[0]
    elif all(row.resource is not None for row in rows):
        row = rows[0] if all(row is rows[0] for row in rows) else wire.Row(wire.File())
    else:
        return {}
    return dict.fromkeys(places, row)
