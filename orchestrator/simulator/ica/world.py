"""What the operations of the simulated ICA share: its analyses, batches, jobs and cursors."""

from dataclasses import dataclass, field

from orchestrator.simulator.ica.knobs import Knobs
from orchestrator.simulator.ica.protocol.paging import Cursors
from orchestrator.simulator.ica.work.entities import Batch, Job, Sample
from orchestrator.simulator.ica.work.index import Analyses
from orchestrator.simulator.ica.work.lifecycle import Timeline
from orchestrator.simulator.ica.work.workflow_sessions import WorkflowSessions
from orchestrator.simulator.platform_state import PlatformState


@dataclass(slots=True)
class World(PlatformState[Knobs]):
    """One simulated ICA."""

    cursors: Cursors = field(default_factory=Cursors)
    analyses: Analyses = field(default_factory=Analyses)
    sessions: WorkflowSessions = field(default_factory=WorkflowSessions)
    batches: dict[str, Batch] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    samples: dict[str, Sample] = field(default_factory=dict)

    def start_job(
        self, subject_type: str, subject_id: str, owner: str, user: str, timeline: Timeline, *, in_bundle: bool = False
    ) -> Job:
        job = Job(
            id=self.new_id(),
            number=len(self.jobs),
            subject_type=subject_type,
            subject_id=subject_id,
            owner=owner,
            in_bundle=in_bundle,
            user=user,
            timeline=timeline,
            wall=self.wall_at(timeline.begins),
        )
        self.jobs[job.id] = job
        return job
