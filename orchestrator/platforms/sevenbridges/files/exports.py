"""Exports: files of a project become objects of a volume."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch
from orchestrator.domain.submission import Resend
from orchestrator.platforms.sevenbridges import kinds, wire
from orchestrator.platforms.sevenbridges.protocol import sent


@dataclass(frozen=True, slots=True)
class Exports:
    """The direction of `Transfers`."""

    kind: Kind = kinds.EXPORT
    collection: str = "exports"

    def body_of(self, request: dict[str, Any], project: str) -> sent.Sent:
        del project
        return request

    def params_of(self, batch: Batch) -> Mapping[str, str]:
        return {"copy_only": "true"} if sent.options_of(batch).get("copy_only") else {}

    def resend_of(self, items: Sequence[sent.Sent]) -> Resend:
        del items
        return Resend.FIND_FIRST

    def matches(self, asked: sent.Sent, transfer: wire.Transfer) -> bool | None:
        source, destination = transfer.source, transfer.destination
        if source is None or destination is None or destination.location is None:
            return None
        pairs = [
            (asked["source"]["file"], source.file),
            (asked["destination"]["volume"], destination.volume),
            (asked["destination"]["location"], destination.location),
        ]
        return all(ours == theirs for ours, theirs in pairs if theirs is not None)
