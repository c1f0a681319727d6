"""Tables that arrive under another name: `.t.csv.Ab12Cd` of rsync, `t.csv.filepart` of WinSCP, `t.csv.part`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from orchestrator.intake.directory.open_file import Signature
from orchestrator.intake.reading.tables import SUFFIXES, is_table

MOST_PARTS = 20
"""Parts of a name, between dots, that are looked at."""
_ENDING = re.compile("|".join(map(re.escape, SUFFIXES)), re.IGNORECASE)
_AROUND = ".~#$"
"""What programs put around the name of a file that they write."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is to become a table."""

    name: str
    signature: Signature
    changed_at: float
    """When it was last seen to have changed, on the monotonic clock."""


class Uploads:
    """Remembers the files in incoming/ whose names are those of tables with something around them."""

    def __init__(self) -> None:
        self._by_name: dict[str, Upload] = {}
        self._by_table: dict[str, Upload] = {}

    def observe(self, files: Iterable[tuple[str, Signature]], monotonic: float) -> None:
        """Compare what lies there with what lay there before."""
        found: dict[str, Upload] = {}
        tables: dict[str, Upload] = {}
        for name, signature in files:
            if not _ENDING.search(name):
                continue  # as most: the folder is listed often
            known = self._by_name.get(name)
            for table in tables_in(name):
                upload = known if known and known.signature == signature else Upload(name, signature, monotonic)
                found[name] = upload
                if table not in tables or upload.changed_at > tables[table].changed_at:
                    tables[table] = upload
        self._by_name, self._by_table = found, tables

    def of(self, table: str) -> Upload | None:
        """The file that is to become this table; of several, the one that changed last."""
        return self._by_table.get(table)


def tables_in(name: str) -> Iterator[str]:
    """The names of tables inside a longer name, which is no table's itself."""
    if is_table(name) and name[0] not in _AROUND:
        return
    parts = list(islice(name.strip(_AROUND).split("."), MOST_PARTS))
    for last, part in enumerate(parts):
        if f".{part.lower()}" in SUFFIXES:
            yield from (".".join(parts[first : last + 1]) for first in range(last))
