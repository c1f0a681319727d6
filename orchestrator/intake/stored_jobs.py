"""What the database has of the jobs of a file that is checked: mistakes and notes that its text alone does not show."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from orchestrator.clock import Micros
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.messages.mistake import Mistake
from orchestrator.domain.model import JobSpec
from orchestrator.domain.queue_file.meant_values import meant_scope
from orchestrator.domain.queue_file.nearest import did_you_mean
from orchestrator.intake.control_reports import kind_of, scope_of
from orchestrator.intake.ports import Jobs, Known
from orchestrator.intake.same_work import notes_on_same_work
from orchestrator.intake.validated_job import ValidatedJob
from orchestrator.intake.validation.check import Control, Report
from orchestrator.intake.validation.known_names import conflict, note_known, same_content

OpenJobs = Callable[[], AbstractAsyncContextManager[Jobs | None]]
"""Opens the database; None where there is none yet. Raises OrchestratorError, OSError where it cannot be read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one file asks for."""

    specs: Sequence[JobSpec]
    controls: Sequence[Control]

    @classmethod
    def by(cls, report: Report) -> "Asked":
        return cls(tuple(job.spec for job in report.jobs), report.controls)


@dataclass(slots=True)
class Stored:
    """What the database has of the jobs of some files."""

    open_jobs: OpenJobs
    now: Micros
    known: dict[str, Known] | None = field(default_factory=dict)
    """Those of the same name, those that they wait for, and those that controls name, by folded name; None where the
    database cannot be read."""
    same_work: dict[str, Sequence[str]] = field(default_factory=dict)
    """Notes on work that was asked for before under another name, by folded name."""

    async def compare(self, report: Report) -> Sequence[Mistake]:
        """The mistakes of the jobs of a file whose names were sent with other content."""
        jobs = report.jobs
        await self._read(jobs, [name for each in report.controls if (name := scope_of(each)[0])])
        found = (conflict(job.spec, self.known or {}, at) for at, job in enumerate(jobs))
        return [mistake for mistake in found if mistake is not None]

    async def _read(self, jobs: Sequence[ValidatedJob], named: Sequence[str]) -> None:
        names = {name for job in jobs for name in (job.spec.name, *job.spec.waits_for)} | set(named)
        if not names or self.known is None:
            return
        try:
            async with self.open_jobs() as stored:
                if stored is None:
                    return
                known = await stored.known(names)
                new = [job for job in jobs if not same_content(job.spec, known)]
                self.same_work |= await notes_on_same_work(new, stored.earlier, self.now)
                self.known |= known
        except (OrchestratorError, OSError):
            self.known = None


def notes_on(asked: Asked, stored: Stored, here: Sequence[JobSpec], accounts: Collection[str]) -> list[str]:
    """Notes on jobs that the database has already, and on those that are named and are neither in it nor `here`.

    The latter is no mistake, for such a job may be dropped later. Nothing is noted where the database cannot be read.
    """
    if stored.known is None:
        return []
    names = stored.known.keys() | {spec.name.casefold() for spec in here}
    notes = []
    for spec in asked.specs:
        if (note := note_known(spec, stored.known)) is not None:
            notes.append(note)
        notes += stored.same_work.get(spec.name.casefold(), ())
        unknown = [name for name in spec.waits_for if name.casefold() not in names]
        if unknown:
            others = [each.name for each in here if each.name != spec.name]
            meant = [text for name in unknown if (text := did_you_mean(name, others))]
            hint = f"; {' '.join(meant)}" if meant else ""
            notes.append(f"{spec.name} waits for {', '.join(unknown)}: no such job exists yet{hint}")
    for control in asked.controls:
        job, _ = scope_of(control)
        if job is not None and job.casefold() not in names:
            kind = kind_of(control)
            meant_by = meant_scope(kind, job, accounts) or "the file is rejected if there is none when it is read"
            notes.append(f"{kind} names {job}: no such job exists yet; {meant_by}")
    return notes
