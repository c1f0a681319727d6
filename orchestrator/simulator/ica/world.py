"""What the operations of the simulated ICA share: time, knobs, memory, evidence."""

import random
import uuid
from dataclasses import dataclass, field

from orchestrator.clock import Clock
from orchestrator.simulator.ica.config import Config
from orchestrator.simulator.ica.entities import Batch, Job
from orchestrator.simulator.ica.index import Analyses
from orchestrator.simulator.ica.knobs import Knobs
from orchestrator.simulator.ica.lifecycle import Timeline
from orchestrator.simulator.ica.paging import Cursors
from orchestrator.simulator.ledger import Ledger


@dataclass(slots=True)
class World:
    """One simulated ICA."""

    config: Config
    clock: Clock
    knobs: Knobs
    ledger: Ledger = field(default_factory=Ledger)
    cursors: Cursors = field(default_factory=Cursors)
    analyses: Analyses = field(default_factory=Analyses)
    batches: dict[str, Batch] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.config.seed)  # noqa: S311 - ids that repeat themselves, no secret

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def wall_at(self, instant: float) -> int:
        """Wall microseconds at an instant of the monotonic clock."""
        return self.clock.now() + round((instant - self.clock.monotonic()) * 1_000_000)

    def start_job(self, subject_type: str, subject_id: str, project: str, user: str, timeline: Timeline) -> Job:
        job = Job(
            id=self.new_id(),
            number=len(self.jobs),
            subject_type=subject_type,
            subject_id=subject_id,
            project=project,
            user=user,
            timeline=timeline,
            wall=self.wall_at(timeline.begins),
        )
        self.jobs[job.id] = job
        return job

    def order(self, seed: str) -> random.Random:
        """The generator of a shuffled order: the same for the same seed and thing."""
        return random.Random(f"{self.config.seed}:{seed}")  # noqa: S311 - an order that repeats itself, no secret
