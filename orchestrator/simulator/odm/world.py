"""What the operations of the simulated ODM share: its studies, tasks, import jobs and audit log."""

from dataclasses import dataclass, field

from orchestrator.simulator.ledger import Effect
from orchestrator.simulator.odm.knobs import Knobs
from orchestrator.simulator.odm.work.naming import Fate, Outcome, fate_of
from orchestrator.simulator.odm.work.objects import AuditEvent, Execution, Instance, Study, Task
from orchestrator.simulator.outcomes.timeline import Timeline, pace
from orchestrator.simulator.platform_state import PlatformState

_FIRST_ACCESSION = 500_000
_FIRST_JOB = 10_000


@dataclass(slots=True)
class World(PlatformState[Knobs]):
    """One simulated ODM."""

    studies: dict[str, Study] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    instances: dict[tuple[str, ...], Instance] = field(default_factory=dict)
    """By type and links."""
    executions: dict[int, Execution] = field(default_factory=dict)
    events: list[AuditEvent] = field(default_factory=list)
    """The oldest first."""
    _accessions: int = _FIRST_ACCESSION
    _jobs: int = _FIRST_JOB

    def new_accession(self) -> str:
        self._accessions += 1
        return f"GSF{self._accessions}"

    def new_job_id(self) -> int:
        self._jobs += 1
        return self._jobs

    def study(self, accession: str) -> Study | None:
        """A study by its accession; one that nobody has named before has changes to publish."""
        outcome = fate_of(accession).outcome
        if outcome is Outcome.UNKNOWN:
            return None
        new = Study(accession=accession, changed=outcome is not Outcome.UNCHANGED)
        return self.studies.setdefault(accession, new)

    def add_task(self, name: str, user: str, course: Timeline, now: float, task_id: str | None = None) -> Task:
        """A task that begins now."""
        task = Task(
            id=task_id or self.new_accession(),
            name=name,
            user=user,
            course=course,
            created=now,
            wall=self.clock.now(),
        )
        self.tasks[task.id] = task
        return task

    def seconds(self, usual: float, name: str, fate: Fate) -> float:
        """How long a thing of that name takes that usually takes `usual`."""
        return usual * pace(self.seed, name, self.knobs.jitter, slow=fate.slow)

    def record(self, kind: str, thing_id: str, name: str, at: float) -> None:
        """Write an effect into the ledger."""
        self.ledger.record([Effect(kind, thing_id, "", name, (), at, None)])
