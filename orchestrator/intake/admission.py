"""From a report without mistakes to durable jobs and carried-out controls.

Every step may be cut by a crash and taken again: jobs with the same content are known and left alone, and a control
carries a token under which it is done once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from orchestrator.clock import Clock
from orchestrator.crashpoints import Point, reach
from orchestrator.domain.mistake import Mistakes
from orchestrator.domain.model import ItemState, JobId, NewItem
from orchestrator.domain.plan import AccountLimits
from orchestrator.domain.queuefile import Adopt, CancelJob, GiveUp, Pause, Resume, RetryJob
from orchestrator.intake.check import Control, Report
from orchestrator.intake.circles import circles
from orchestrator.intake.jobcheck import CheckedJob
from orchestrator.intake.portions import MOST_BYTES, MOST_ENTRIES
from orchestrator.intake.ports import Controls, Jobs, Known
from orchestrator.intake.wishes import scope_of, told, user_of
from orchestrator.store.errors import ControlRefusedError
from orchestrator.telemetry.events import ControlDone, Event

_CONTENT = "`retry` sends its items again; other content needs a new name"
_NOTED = 10
"""Controls that a note tells of; each has its own line in the log."""


@dataclass(slots=True)
class Admitted:
    """What became of a file that the database has."""

    new: list[str] = field(default_factory=list)
    """Names of the jobs that are durable now."""
    items: int = 0
    known: list[str] = field(default_factory=list)
    """Names of jobs with the same content: nothing changed."""
    replaced: list[str] = field(default_factory=list)
    """Those of the new ones that took the place of one never sent."""
    controls: list[str] = field(default_factory=list)
    """What was carried out, in words."""

    @property
    def note(self) -> str | None:
        """One line about what is not plain from names and numbers."""
        parts = [
            f"known already, nothing changed: {', '.join(self.known)}" if self.known else "",
            f"replaced before anything was sent: {', '.join(self.replaced)}" if self.replaced else "",
            ", ".join(self.controls[:_NOTED]),
            f"and {more} more controls" if (more := len(self.controls) - _NOTED) > 0 else "",
        ]
        return "; ".join(part for part in parts if part) or None


class Admission:
    """Puts what files ask for into the store."""

    def __init__(
        self,
        jobs: Jobs,
        controls: Controls,
        accounts: Mapping[str, AccountLimits],
        clock: Clock,
        *,
        step: Callable[[], None] = lambda: None,
        publish: Callable[[Event], None] = lambda _: None,
    ) -> None:
        """`step` is called after each thing that was written: a large file takes its time."""
        self._jobs = jobs
        self._controls = controls
        self._accounts = accounts
        self._clock = clock
        self._step = step
        self._publish = publish
        self._left: list[JobId] = []
        """Loaded in part, when something of ours failed."""

    async def forget_partial_loads(self) -> None:
        """At start: what a process that is gone had loaded in part."""
        await self._jobs.abandon_all_loading()

    async def admit(self, report: Report, token: str, dropped_by: str | None = None) -> Admitted | Mistakes:
        """Make a report's jobs durable, then carry out its controls; or tell what the database has against it.

        `token` tells this very drop of the file from any other. Raises what the store raises; then nothing of the file
        is durable but controls that were carried out, and the same call may be made again.
        """
        known = await self._jobs.known([*(job.spec.name for job in report.jobs), *_named(report.controls)])
        new = [job for job in report.jobs if not _same(job, known)]
        mistakes = Mistakes()
        self._refuse_conflicts(report.jobs, known, mistakes)
        self._refuse_controls(report, known, mistakes)
        await self._refuse_cycles(report.jobs, new, mistakes)
        if mistakes:
            return mistakes
        replaced = {name: known[name] for job in new if (name := job.spec.name.casefold()) in known}
        await self._make_durable(new, list(replaced.values()))
        names = {job.spec.name.casefold(): job.spec.name for job in new} | {key: job.name for key, job in known.items()}
        done: list[str] = []
        for index, control in enumerate(report.controls):
            try:
                fresh = await self._carry_out(control, f"{token}:{index}", dropped_by)
            except ControlRefusedError as error:
                text = "what stands before it in this file was done" if index or new else None
                mistakes.add(str(error), text, path=("controls", index))
                return mistakes
            self._step()
            reach(Point.CONTROL_DONE)
            kind, target, words = told(control, names)
            done.append(words)
            if fresh:
                self._publish(ControlDone(kind, target, words, report.file, dropped_by))
        return Admitted(
            new=[job.spec.name for job in new],
            items=sum(job.items for job in new),
            known=[job.spec.name for job in report.jobs if _same(job, known)],
            replaced=[old.name for old in replaced.values()],
            controls=done,
        )

    async def _make_durable(self, new: Sequence[CheckedJob], replaced: Sequence[Known]) -> None:
        if self._left:
            await self._jobs.abandon(self._left)
            self._left = []
        if not new:
            return
        loads: list[JobId] = []
        try:
            loads += await self._jobs.load_all([job.spec for job in new], self._clock.now())
            for portion in _portions(zip(loads, new, strict=True)):
                await self._jobs.add_all(portion)
                self._step()
            reach(Point.ROWS_LOADED)
            await self._jobs.commit(loads, self._clock.now(), replaces=[old.id for old in replaced])
        except BaseException:
            self._left = loads
            raise
        reach(Point.FILE_DURABLE)

    # ------------------------------------------------------------ what the database has against it

    def _refuse_conflicts(self, jobs: Sequence[CheckedJob], known: Mapping[str, Known], mistakes: Mistakes) -> None:
        for index, job in enumerate(jobs):
            old = known.get(job.spec.name.casefold())
            if old is not None and old.digest != job.spec.digest and old.sent:
                message = f"a job named {old.name!r} was sent already, with other content"
                mistakes.add(message, _CONTENT, path=("jobs", index, "name"))

    def _refuse_controls(self, report: Report, known: Mapping[str, Known], mistakes: Mistakes) -> None:
        here = {job.spec.name.casefold() for job in report.jobs}
        for index, control in enumerate(report.controls):
            job, account = scope_of(control)
            if job is not None and job.casefold() not in here and job.casefold() not in known:
                mistakes.add(f"no job is named {job!r}", "`orchestrator jobs` lists them", path=("controls", index))
            if account is not None and account not in self._accounts:
                names = "known are " + ", ".join(self._accounts)
                mistakes.add(f"{account!r} is no account of the configuration", names, path=("controls", index))

    async def _refuse_cycles(self, jobs: Sequence[CheckedJob], new: Sequence[CheckedJob], mistakes: Mistakes) -> None:
        after = {
            job.spec.name.casefold(): tuple(name.casefold() for name in job.spec.after.jobs) if job.spec.after else ()
            for job in new
        }
        names = {name for waits in after.values() for name in waits} - after.keys()
        while names:
            found = await self._jobs.after_of(names)
            after |= {name: tuple(found.get(name, ())) for name in names}
            names = {other for waits in found.values() for other in waits} - after.keys()
        for mistake in circles([job.spec.name for job in jobs], after):
            mistakes.append(mistake)

    # ------------------------------------------------------------ controls

    async def _carry_out(self, control: Control, token: str, dropped_by: str | None) -> bool:
        """Returns False when this very control was carried out before."""
        now = self._clock.now()
        match control:
            case CancelJob(cancel=name):
                done = await self._controls.cancel(name, now=now, token=token)
            case RetryJob(retry=name, items=items, state=state):
                chosen = ItemState(state) if state else None
                done = await self._controls.retry(name, now=now, keys=items or (), state=chosen, token=token)
            case Pause():
                job, account = scope_of(control)
                done = await self._controls.pause(now=now, name=job, account=account, token=token)
            case Resume():
                job, account = scope_of(control)
                done = await self._controls.resume(now=now, name=job, account=account, token=token)
            case Adopt(adopt=it):
                done = await self._controls.adopt(it.job, it.batch, it.remote_id, now=now, token=token)
            case GiveUp(give_up=name, items=items):
                user = user_of(dropped_by)
                done = await self._controls.give_up(name, now=now, user=user, keys=items or (), token=token)
            case _:
                assert_never(control)
        if done is None:
            raise ControlRefusedError(f"no job is named {scope_of(control)[0]!r}")
        return not done.repeated


def _portions(new: Iterable[tuple[JobId, CheckedJob]]) -> Iterator[list[tuple[JobId, list[NewItem]]]]:
    """The items of many jobs, about as many at a time as one job hands on."""
    portion: list[tuple[JobId, list[NewItem]]] = []
    items = size = 0
    for load, job in new:
        for chunk in job.chunks():
            portion.append((load, chunk))
            items += len(chunk)
            size += sum(len(item.request) for item in chunk)
            if items >= MOST_ENTRIES or size >= MOST_BYTES:
                yield portion
                portion, items, size = [], 0, 0
    if portion:
        yield portion


def _same(job: CheckedJob, known: Mapping[str, Known]) -> bool:
    old = known.get(job.spec.name.casefold())
    return old is not None and old.digest == job.spec.digest


def _named(controls: Sequence[Control]) -> list[str]:
    return [job for control in controls if (job := scope_of(control)[0]) is not None]
