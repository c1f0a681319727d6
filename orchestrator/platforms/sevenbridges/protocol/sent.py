"""What a batch sends, read from the bytes that were stored: the platform's answers are matched with it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from orchestrator.domain.errors import Transient, Unconfirmed
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, BatchKey, ItemReport, ItemState
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import HOUR, Micros
from orchestrator.platforms.json_objects import as_json, object_in
from orchestrator.platforms.prepared import prepared
from orchestrator.platforms.sevenbridges.session import submission_headers
from orchestrator.platforms.sevenbridges.wire import Problem, Resource, Row

Sent = Mapping[str, Any]


def options_of(batch: Batch) -> Mapping[str, Any]:
    """What the job says of all its items."""
    return object_in(batch.options) if batch.options else {}


def submission(path: str, body: object, resend: Resend, *, search_delay: Micros = HOUR) -> Submission:
    """A POST of this body. A repeat is harmless for an hour: later, others may have changed what it would change."""
    return Submission(
        method="POST",
        path=path,
        headers=submission_headers(),
        body=as_json(body),
        resend=resend,
        key_life=HOUR if resend is Resend.HARMLESS else None,
        search_delay=search_delay,
    )


def body_of(batch: Batch) -> Sent:
    """The body that was, or is to be, sent; raises ValueError where there is none."""
    return object_in(prepared(batch).body)


def items_of(batch: Batch) -> Sequence[Sent]:
    """The items in the body of a bulk call, in their order."""
    items: Sequence[Sent] = body_of(batch)["items"]
    return items


def key_of(kind: Kind, sent: Sent) -> str:
    """The key of the item that was sent as this."""
    key = kind.key_of(sent)
    if key is None:
        raise ValueError(f"an item of {kind.name} was sent without {kind.key}")
    return key


def may_repeat(batch: Batch) -> bool:
    """Whether something of this batch may have been sent before."""
    return batch.attempt > 0 or batch.sends > 1 or batch.in_doubt or not batch.lineage.isdecimal()


def undecided(rows: Sequence[Row[Resource]]) -> Transient | Unconfirmed:
    """The error of an answer none of whose rows says what became of its item.

    Where all of them are refusals for the moment nothing was done; anything else has to be reconciled.
    """
    if rows and all(row.error is not None for row in rows):
        return Transient(f"the platform declined all {len(rows)} items for the moment: {rows[0].error}", status=503)
    return Unconfirmed(f"the platform answered with {len(rows)} rows, none of which could be read")


def declined(batch: BatchKey, kind: Kind, key: str, problem: Problem) -> ItemReport:
    """An item that the platform refused for good, in an answer that accepted others."""
    return ItemReport(batch=batch, stage=kind.stage, state=ItemState.FAILED, status=None, key=key, detail=str(problem))


def unended(report: ItemReport) -> ItemReport:
    """What is open whatever its status: a poll finds out how it ends."""
    if not report.state.final:
        return report
    return msgspec.structs.replace(report, state=ItemState.RUNNING, finished_at=None, detail=None, facts=None)
