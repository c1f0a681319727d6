"""From a report without mistakes to durable jobs and carried-out controls.

Every step may be cut by a crash and taken again: jobs with the same content are known and left alone, and a control
carries a token under which it is done once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import assert_never

import anyio
import structlog

from orchestrator.clock import Clock
from orchestrator.crash_points import CrashPoint, crash_point
from orchestrator.domain.messages.mistake import Mistakes
from orchestrator.domain.model import ItemState, JobId, NewItem
from orchestrator.domain.queue_file.control_models import Adopt, CancelJob, GiveUp, Pause, Resume, RetryJob
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.domain.queue_file.meant_values import meant_scope
from orchestrator.intake.control_reports import described, kind_of, scope_of, user_of
from orchestrator.intake.ports import Controls, Done, Jobs, Known
from orchestrator.intake.reading.spill import MOST_BYTES, MOST_ENTRIES
from orchestrator.intake.same_work import notes_on_same_work
from orchestrator.intake.validated_job import ValidatedJob
from orchestrator.intake.validation.check import Control, Report
from orchestrator.intake.validation.dependency_cycles import dependency_cycles
from orchestrator.intake.validation.known_names import conflict, same_content
from orchestrator.store.errors import ControlRefusedError
from orchestrator.telemetry.events import ControlDone, Event

_NOTED = 10
"""Controls that a note names; each has its own line in the log."""

log = structlog.get_logger(__name__)


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
    """Descriptions of the controls that were carried out."""
    notes: list[str] = field(default_factory=list)
    """Which of the new jobs were asked for before under another name."""

    @property
    def note(self) -> str | None:
        """One line about what is not plain from names and numbers."""
        parts = [
            f"known already, nothing changed: {', '.join(self.known)}" if self.known else "",
            f"replaced before anything was sent: {', '.join(self.replaced)}" if self.replaced else "",
            "; ".join(self.controls[:_NOTED]),
            f"and {more} more controls" if (more := len(self.controls) - _NOTED) > 0 else "",
        ]
        return "; ".join(part for part in parts if part) or None


@dataclass(frozen=True, slots=True)
class Drop:
    """One file without mistakes."""

    report: Report
    token: str
    """Identifies this file, so that its controls are carried out once."""
    dropped_by: str | None = None


@dataclass(slots=True)
class _Plan:
    """What to do with some files, given the database; a plan equals an earlier one if nothing has changed."""

    known: Mapping[str, Known]
    mistakes: list[Mistakes] = field(default_factory=list)
    """Of each file."""
    new: list[list[ValidatedJob]] = field(default_factory=list)
    """The jobs of each file that are to be made."""


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
        self._turn = anyio.Lock()
        self._commits = 0
        """How often jobs were made: while it stays the same, a plan holds."""
        self._left: list[JobId] = []
        """Loads that failed, or were not committed: they are removed before the next one."""

    async def forget_partial_loads(self) -> None:
        """At start: remove what an earlier process had loaded in part."""
        await self._jobs.abandon_all_loading()

    async def admit(self, report: Report, token: str, dropped_by: str | None = None) -> Admitted | Mistakes:
        """Make a report's jobs durable, then carry out its controls; or return the mistakes that the database shows.

        `token` identifies this file, so that its controls are carried out once. Raises what the store raises; then
        nothing of the file is durable but controls that were carried out, and the same call may be made again.
        """
        drop = Drop(report, token, dropped_by)
        (verdict,) = await self._make_jobs([drop])
        return await self._with_controls(drop, verdict) if isinstance(verdict, Admitted) else verdict

    async def admit_all(self, drops: Sequence[Drop]) -> list[Admitted | Mistakes | Exception]:
        """Admit many files in few transactions; what one of them raises is its own result, and no matter to others."""
        verdicts: list[Admitted | Mistakes | Exception] = []
        for group in _together(drops):
            try:
                if len(group) > 1:
                    verdicts += await self._make_jobs(group)
                    continue
            except Exception:  # noqa: BLE001 - one of them is the cause: each alone finds out which
                log.info("files_admitted_singly", files=len(group))
            for drop in group:
                try:
                    verdicts.append(await self.admit(drop.report, drop.token, drop.dropped_by))
                except Exception as error:  # noqa: BLE001 - the caller keeps it with the file
                    verdicts.append(error)
        return verdicts

    async def _make_jobs(self, drops: Sequence[Drop]) -> list[Admitted | Mistakes]:
        """The jobs of all files in one commit. Two of the files may not ask for a job of the same name."""
        while True:
            async with self._turn:
                plan = await self._planned(drops)
                commits = self._commits
            new = [job for of_file in plan.new for job in of_file]
            notes = await notes_on_same_work(new, self._jobs.earlier, self._clock.now())
            loads = await self._load(new)
            try:
                async with self._turn:
                    if self._commits != commits and await self._planned(drops) != plan:
                        await self._jobs.abandon(loads)
                        continue
                    await self._commit(loads, plan)
                    self._commits += 1
            except BaseException:
                self._left += loads
                raise
            return [self._admitted(drop, at, plan, notes) for at, drop in enumerate(drops)]

    async def _planned(self, drops: Sequence[Drop]) -> _Plan:
        names = [job.spec.name for drop in drops for job in drop.report.jobs]
        names += [name for drop in drops for name in _named(drop.report.controls)]
        known = await self._jobs.known(names)
        self._step()
        plan = _Plan(known)
        after: dict[str, tuple[str, ...]] = {}
        for drop in drops:
            report, mistakes = drop.report, Mistakes()
            new = [job for job in report.jobs if not same_content(job.spec, known)]
            self._refuse_conflicts(report.jobs, known, mistakes)
            self._refuse_controls(report, known, mistakes)
            waits = await self._refuse_cycles(report.jobs, new, after, mistakes)
            plan.mistakes.append(mistakes)
            plan.new.append([] if mistakes else new)
            if not mistakes:
                after |= waits
        return plan

    def _admitted(self, drop: Drop, at: int, plan: _Plan, notes: Mapping[str, Sequence[str]]) -> Admitted | Mistakes:
        if plan.mistakes[at]:
            return plan.mistakes[at]
        new = plan.new[at]
        return Admitted(
            new=[job.spec.name for job in new],
            items=sum(job.items for job in new),
            known=[job.spec.name for job in drop.report.jobs if same_content(job.spec, plan.known)],
            replaced=[plan.known[key].name for job in new if (key := job.spec.name.casefold()) in plan.known],
            notes=[note for job in new for note in notes.get(job.spec.name.casefold(), ())],
        )

    async def _with_controls(self, drop: Drop, admitted: Admitted) -> Admitted | Mistakes:
        report = drop.report
        if not report.controls:
            return admitted
        known = await self._jobs.known(_named(report.controls))
        names = {key: job.name for key, job in known.items()}
        for index, control in enumerate(report.controls):
            try:
                done = await self._carry_out(control, f"{drop.token}:{index}", drop.dropped_by)
            except ControlRefusedError as error:
                mistakes = Mistakes()
                text = "what stands before it in this file was done" if index or admitted.new else None
                mistakes.add(str(error), text, path=("controls", index))
                return mistakes
            self._step()
            crash_point(CrashPoint.CONTROL_DONE)
            kind, target, words = described(control, names)
            words += f": {done.outcome}" if done.outcome else ""
            admitted.controls.append(words)
            if not done.repeated:
                self._publish(ControlDone(kind, target, words, report.file, drop.dropped_by))
        return admitted

    async def _load(self, new: Sequence[ValidatedJob]) -> list[JobId]:
        await self._abandon_left()
        loads: list[JobId] = []
        if not new:
            return loads
        try:
            loads += await self._jobs.load_all([job.spec for job in new], self._clock.now())
            for portion in _portions(zip(loads, new, strict=True)):
                await self._jobs.add_all(portion)
                self._step()
            crash_point(CrashPoint.ROWS_LOADED)
        except BaseException:
            self._left += loads
            raise
        return loads

    async def _abandon_left(self) -> None:
        """Remove what was loaded in part; other files may fail, and leave more, while this runs."""
        left, self._left = self._left, []
        try:
            if left:
                await self._jobs.abandon(left)
        except BaseException:
            self._left += left
            raise

    async def _commit(self, loads: Sequence[JobId], plan: _Plan) -> None:
        if not loads:
            return
        replaces = [plan.known[key].id for job in chain(*plan.new) if (key := job.spec.name.casefold()) in plan.known]
        await self._jobs.commit(loads, self._clock.now(), replaces=replaces)
        crash_point(CrashPoint.FILE_DURABLE)

    # ------------------------------------------------------------ mistakes that the database shows

    def _refuse_conflicts(self, jobs: Sequence[ValidatedJob], known: Mapping[str, Known], mistakes: Mistakes) -> None:
        for index, job in enumerate(jobs):
            if (mistake := conflict(job.spec, known, index)) is not None:
                mistakes.append(mistake)

    def _refuse_controls(self, report: Report, known: Mapping[str, Known], mistakes: Mistakes) -> None:
        here = {job.spec.name.casefold() for job in report.jobs}
        for index, control in enumerate(report.controls):
            job, _ = scope_of(control)
            if job is not None and job.casefold() not in here and job.casefold() not in known:
                kind = kind_of(control)
                meant = meant_scope(kind, job, self._accounts) or "`orchestrator jobs` lists them"
                mistakes.add(f"no job is named {job!r}", meant, path=("controls", index))

    async def _refuse_cycles(
        self,
        jobs: Sequence[ValidatedJob],
        new: Sequence[ValidatedJob],
        pending: Mapping[str, tuple[str, ...]],
        mistakes: Mistakes,
    ) -> Mapping[str, tuple[str, ...]]:
        """Returns what the new jobs wait for; `pending` is the same of jobs that are about to be committed."""
        own = {job.spec.name.casefold(): tuple(name.casefold() for name in job.spec.waits_for) for job in new}
        if not any(own.values()):
            return own
        after = dict(pending) | own
        names = {name for waits in after.values() for name in waits} - after.keys()
        while names:
            found = await self._jobs.after_of(names)
            after |= {name: tuple(found.get(name, ())) for name in names}
            names = {other for waits in found.values() for other in waits} - after.keys()
        of_rows = {job.spec.name.casefold() for job in jobs if job.spec.rows_of and not job.spec.after}
        for mistake in dependency_cycles([job.spec.name for job in jobs], after, of_rows):
            mistakes.append(mistake)
        return own

    # ------------------------------------------------------------ controls

    async def _carry_out(self, control: Control, token: str, dropped_by: str | None) -> Done:
        """Carry out one control; raises ControlRefusedError."""
        now = self._clock.now()
        match control:
            case CancelJob(cancel=name):
                done = await self._controls.cancel(name, now=now, token=token, actor=dropped_by)
            case RetryJob(retry=name, items=items, state=state):
                chosen = ItemState(state) if state else None
                most = {account: limits.batch_bytes for account, limits in self._accounts.items()}
                done = await self._controls.retry(
                    name, now=now, keys=items or (), state=chosen, token=token, actor=dropped_by, batch_bytes=most
                )
            case Pause():
                job, account = scope_of(control)
                done = await self._controls.pause(
                    now=now, name=job, account=account, user=user_of(dropped_by), token=token, actor=dropped_by
                )
            case Resume():
                job, account = scope_of(control)
                done = await self._controls.resume(now=now, name=job, account=account, token=token, actor=dropped_by)
            case Adopt(adopt=it):
                done = await self._controls.adopt(
                    it.job, it.batch, it.remote_id, now=now, token=token, actor=dropped_by
                )
            case GiveUp(give_up=name, items=items):
                user = user_of(dropped_by)
                done = await self._controls.give_up(
                    name, now=now, user=user, keys=items or (), token=token, actor=dropped_by
                )
            case _:
                assert_never(control)
        if done is None:
            raise ControlRefusedError(f"no job is named {scope_of(control)[0]!r}")
        return done


def _together(drops: Iterable[Drop]) -> Iterator[list[Drop]]:
    """Neighbours that may be committed at once: no controls, and no job of the same name twice."""
    group: list[Drop] = []
    names: set[str] = set()
    for drop in drops:
        own = {job.spec.name.casefold() for job in drop.report.jobs}
        if group and (drop.report.controls or group[0].report.controls or own & names):
            yield group
            group, names = [], set()
        group.append(drop)
        names |= own
    if group:
        yield group


def _portions(new: Iterable[tuple[JobId, ValidatedJob]]) -> Iterator[list[tuple[JobId, list[NewItem]]]]:
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


def _named(controls: Sequence[Control]) -> list[str]:
    return [job for control in controls if (job := scope_of(control)[0]) is not None]
