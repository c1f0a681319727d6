"""Imports: files of volumes become files of a project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch
from orchestrator.domain.submission import Resend
from orchestrator.platforms.sevenbridges import kinds, wire
from orchestrator.platforms.sevenbridges.protocol import sent


@dataclass(frozen=True, slots=True)
class Imports:
    """The direction of `Transfers`; an item without a destination goes into the job's project."""

    kind: Kind = kinds.IMPORT
    collection: str = "imports"

    def body_of(self, request: dict[str, Any], project: str) -> sent.Sent:
        destination = dict(request.get("destination") or {})
        if not destination.get("project") and not destination.get("parent"):
            destination["project"] = project
        return {**request, "destination": destination}

    def params_of(self, batch: Batch) -> Mapping[str, str]:
        del batch
        return _NO_PARAMS

    def resend_of(self, items: Sequence[sent.Sent]) -> Resend:
        """An import that renames itself would be made twice, under two names, and neither would show it."""
        return Resend.NEVER if any(item.get("autorename") for item in items) else Resend.FIND_FIRST

    def matches(self, asked: sent.Sent, transfer: wire.Transfer) -> bool | None:
        source, destination = transfer.source, transfer.destination
        if source is None or destination is None:
            return None
        where = asked["destination"]
        pairs = [
            (asked["source"]["volume"], source.volume),
            (asked["source"]["location"], source.location),
            (where.get("project"), destination.project),
            (where.get("parent"), destination.parent),
            (where.get("name"), destination.name),
        ]
        return all(ours == theirs for ours, theirs in pairs if ours is not None and theirs is not None) and (
            source.location is not None or None
        )


_NO_PARAMS: Final[Mapping[str, str]] = {}
