"""What a control did, in one line with numbers; one that changed nothing says why."""

from orchestrator.domain.messages.counting import counted
from orchestrator.domain.model import JobState
from orchestrator.store.reading.rows import Row, counts_of

_NOTHING = "nothing changed: "


def changed_nothing(outcome: str) -> bool:
    """Whether this is the outcome of a control that changed nothing."""
    return outcome.startswith(_NOTHING)


def cancelled(row: Row, ended: int) -> str:
    """`row` as it was before; `ended` items are over now."""
    if JobState(row.state).settled:
        return f"{_NOTHING}it has settled as {row.state}"
    if row.cancelled_at is not None:
        return f"{_NOTHING}it is being cancelled already"
    running = sum(count for state, count in counts_of(row).items() if not state.final) - ended
    aborted = f"{counted(running, 'item')} {'is' if running == 1 else 'are'} still to be aborted on the platform"
    return ", ".join([f"{counted(ended, 'item')} ended", *([aborted] if running else [])])


def retried(row: Row, again: int, blocked: int, *, acted: bool) -> str:
    """So many items, and so many blocked batches, go out again."""
    if not acted:
        states = ", ".join(f"{count} {state}" for state, count in counts_of(row).items()) or "none"
        return f"{_NOTHING}no item failed, was aborted or cancelled, and no batch is blocked (items: {states})"
    parts = []
    if row.state == JobState.SKIPPED:
        parts.append("it does not wait for the jobs that it was skipped for")
    if row.source is not None and not counts_of(row):
        parts.append("it is planned anew from its rows")
    if again or blocked or not parts:
        named = [counted(again, "item")] if again or not blocked else []
        named += [counted(blocked, "blocked batch")] if blocked else []
        parts.append(f"{' and '.join(named)} {'is' if again + blocked == 1 else 'are'} submitted again")
    return "; ".join(parts)


def held(row: Row | None, jobs: int, *, paused: bool) -> str:
    """A job, or (None) so many jobs of an account or of all, were paused or resumed; empty where that is all to say."""
    done = "paused" if paused else "resumed"
    if row is None:
        return f"{counted(jobs, 'job')} {done}"
    if jobs:
        return ""
    if JobState(row.state).settled:
        return f"{_NOTHING}it has settled as {row.state}"
    return f"{_NOTHING}it is {'' if paused else 'neither '}paused{' already' if paused else ' nor stopped'}"


def given_up(row: Row, ended: int) -> str:
    """So many open items ended as failed."""
    if ended:
        return f"{counted(ended, 'item')} ended as failed"
    return f"{_NOTHING}no such item is open ({row.state})"
