"""Notes on items that read the same data: one file as both mates, and one set of files in two items."""

import re
from collections.abc import Generator

from orchestrator.domain.kinds import Kind
from orchestrator.domain.messages.mistake import Path, spell
from orchestrator.domain.messages.note import Notes
from orchestrator.intake.directory.temporary_files import TemporaryFiles
from orchestrator.intake.validation.duplicate_keys import Keys
from orchestrator.intake.validation.entries import Entry

MOST = 1000
"""Maximum items with the data of another one that are reported."""
_PAIR = 2


class SameData:
    """The data that the items of one job read, as far as their kind says how data are named."""

    def __init__(self, kind: Kind | None, scratch: TemporaryFiles, notes: Notes, table: str | None) -> None:
        self._data = re.compile(kind.data.encode()) if kind is not None and kind.data else None
        self._seen = Keys(scratch.file()) if self._data else None
        self._notes = notes
        self._table = table

    def see(self, request: bytes, entry: Entry, job: Path) -> None:
        """The next item, as it will be sent."""
        if self._data is None or self._seen is None:
            return
        data = self._data.findall(request)
        if len(data) < _PAIR:
            return
        different = set(data)
        if len(different) < len(data):
            twice = next(each for each in data if data.count(each) > 1).decode()
            message = "names the same data twice"
            self._notes.add(message, place=self._place(entry.seq, job), line=entry.line, example=twice)
        if len(different) >= _PAIR:
            self._seen.add(b"\n".join(sorted(different)).decode(), entry.seq, entry.line)

    def note(self, job: Path) -> Generator[None, None, None]:
        """Note the items whose data an earlier item reads too; yields now and then."""
        if self._seen is None:
            return
        for first, again in (yield from self._seen.twice(most=MOST)):
            earlier = f"line {first.line}" if self._table else spell((*job, "items", first.seq - 1))
            message = f"reads the same data as {earlier}"
            self._notes.add(message, place=self._place(again.seq, job), line=again.line)

    def _place(self, seq: int, job: Path) -> str:
        return self._table or spell((*job, "items", seq - 1))
