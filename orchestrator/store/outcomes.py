"""How a job's state and needs are written, with their event, their news, and the result to deliver when it settles.

Only the commit of new jobs (`launching.py`) writes them otherwise: nobody has seen those before.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from orchestrator.domain.model import JobId, JobState, Needs
from orchestrator.store.changes import JobChanged
from orchestrator.store.ledger import Ledger, chunks
from orchestrator.store.memory import why_paused
from orchestrator.store.rows import Row
from orchestrator.store.schema import jobs, outbox

_WITHDRAW = sa.delete(outbox).where(
    outbox.c.job == sa.bindparam("of_job"), outbox.c.round == sa.bindparam("of_round"), outbox.c.kind == "result"
)
_ANNOUNCE = sa.insert(outbox)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job comes to: its row as it was read, and what is to be written."""

    row: Row
    state: JobState
    needs: Needs | None = None
    detail: str | None = None
    more: Mapping[str, object] = field(default_factory=dict)
    """Whatever else goes with it, by column."""


async def set_job(
    ledger: Ledger, row: Row, state: JobState, *, needs: Needs | None = None, detail: str | None = None, **more: object
) -> None:
    """Write the state and needs of the job in `row`, and whatever else goes with them."""
    await set_jobs(ledger, [Outcome(row, state, needs, detail, more)])


async def set_jobs(ledger: Ledger, outcomes: Sequence[Outcome]) -> None:
    """`set_job` for many at a time: there may be ten thousand, and meanwhile nothing else is written."""
    opened = [each for each in outcomes if _opens(each)]
    paused = {each.row.account: await why_paused(ledger.connection, each.row.account) for each in _per_account(opened)}
    by_columns: defaultdict[tuple[str, ...], list[dict[str, object]]] = defaultdict(list)
    for each in outcomes:
        job = JobId(each.row.id)
        values: dict[str, object] = {"state": each.state, "needs": each.needs, "detail": each.detail, **each.more}
        if each.state.settled:
            values |= {"settled_at": ledger.now, "paused": None, "stopped": None}
        elif _opens(each):  # what holds new jobs back holds it back too
            values["paused"] = paused[each.row.account]
            ledger.touched_jobs[job] = None
        by_columns[tuple(sorted(values))].append({"in_job": job} | {f"to_{name}": values[name] for name in values})
        _tell(ledger, each)
    for columns, changes in by_columns.items():
        update = sa.update(jobs).where(jobs.c.id == sa.bindparam("in_job"))
        await ledger.connection.execute(update.values({name: sa.bindparam(f"to_{name}") for name in columns}), changes)
    await _announce(ledger, [each.row for each in outcomes if each.state.settled])


def needs_of(row: Row) -> Needs | None:
    return Needs(row.needs) if row.needs else None


def _opens(outcome: Outcome) -> bool:
    return JobState(outcome.row.state).settled and not outcome.state.settled


def _per_account(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    return list({each.row.account: each for each in outcomes}.values())


def _tell(ledger: Ledger, outcome: Outcome) -> None:
    row, job = outcome.row, JobId(outcome.row.id)
    if outcome.state != row.state:
        ledger.event(job, "job", old=row.state, new=outcome.state, detail=outcome.detail)
    elif outcome.needs != row.needs:
        ledger.event(job, "needs", old=row.needs, new=outcome.needs, detail=outcome.detail)
    ledger.job_changes[job] = JobChanged(job, row.name, row.account, outcome.state, outcome.needs, outcome.detail)


async def _announce(ledger: Ledger, settled: Sequence[Row]) -> None:
    """The result of this round is to be delivered, once."""
    if not settled:
        return
    same = [{"of_job": row.id, "of_round": row.round} for row in settled]
    await ledger.connection.execute(_WITHDRAW, same)
    new = [{"id": ledger.new_id(), "at": ledger.now, "kind": "result", "job": row.id} for row in settled]
    await ledger.connection.execute(
        _ANNOUNCE, [each | {"round": row.round} for each, row in zip(new, settled, strict=True)]
    )


async def withdraw(ledger: Ledger, gone_on: Sequence[JobId]) -> None:
    """The jobs go on: a result that was not delivered yet would be that of a job that is not settled."""
    for portion in chunks(gone_on):
        await ledger.connection.execute(sa.delete(outbox).where(outbox.c.job.in_(portion)))
