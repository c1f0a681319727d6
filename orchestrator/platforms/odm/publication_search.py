"""Finds a publication whose answer was lost: by our mark in the message of a version, or in the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from orchestrator.clock import Micros
from orchestrator.domain.errors import Refused
from orchestrator.domain.identity import batch_key, batch_tag
from orchestrator.domain.model import Batch
from orchestrator.domain.units import SECOND
from orchestrator.platforms.http.json_bodies import read
from orchestrator.platforms.odm import wire
from orchestrator.platforms.odm.session import Session
from orchestrator.platforms.pages import ListingGuard
from orchestrator.platforms.times import for_filter

_PAGE: Final = 1000
_SLACK: Micros = 600 * SECOND
"""An event may seem to be that much older than its request: ODM's clock and ours differ."""
_DEFAULT: Final = "Published by orchestrator"


def in_message(message: str | None, batch: Batch) -> str:
    """The message of a version with the mark behind it."""
    return f"{message or _DEFAULT} ({batch_tag(batch.key)})"


@dataclass(frozen=True, slots=True)
class PublicationSearch:
    """Searches the versions of studies, and the audit log where the user may read it."""

    session: Session
    instance: str

    def marks_of(self, batch: Batch) -> Sequence[str]:
        """Of this attempt and of those before it: a publication that was given up may have been late."""
        earlier = (batch_key(self.instance, batch.job_name, batch.lineage, attempt) for attempt in range(batch.attempt))
        return [batch_tag(key) for key in (batch.key, *earlier)]

    async def version(self, study: str, marks: Sequence[str]) -> str | None:
        """The version of a study whose message has one of these marks; None where there is none.

        Raises:
            Refused: the study is not there, or its versions may not be read.
        """
        path = f"/api/v1/as-curator/studies/{quote(study, safe='')}/versions"
        answer = await self.session.get(path, "as-curator/studies/versions")
        for version in wire.versions_in(answer):
            if any(mark in str(version.message) for mark in marks):
                return str(version.version)
        return None

    async def published(self, batch: Batch, since: Micros) -> Sequence[str] | None:
        """The studies of which the audit log has events with the mark of this batch; None where it has none.

        A log that is not there, or may not be read, has none.

        Raises:
            EndlessListingError: the log has too many events since then, or repeats them.
        """
        marks = [mark.encode() for mark in self.marks_of(batch)]
        studies: dict[str, None] = {}
        found, cursor, read_before, guard = False, None, set[str](), ListingGuard("the audit log of ODM")
        while True:
            params = [("from", for_filter(since - _SLACK)), ("pageLimit", str(_PAGE))]
            params += [("cursor", cursor)] if cursor is not None else []
            try:
                answer = await self.session.get("/api/v1/audit/events", "audit/events", params)
            except Refused:
                return None
            page = read(answer, wire.AUDIT_PAGE)
            for event in page.events or ():
                if any(mark in bytes(event) for mark in marks):
                    found = True
                    studies |= dict.fromkeys(filter(None, [wire.study_in(event)]))
            cursor = page.cursor
            if not cursor or not page.events or cursor in read_before:
                return list(studies) if found else None
            guard.check(map(bytes, page.events))
            read_before.add(cursor)
