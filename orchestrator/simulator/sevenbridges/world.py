"""What the operations of the simulated Seven Bridges share: its tasks, files, transfers, jobs and runs."""

from dataclasses import dataclass, field

from orchestrator.simulator.ledger import Effect
from orchestrator.simulator.outcomes.timeline import pace
from orchestrator.simulator.platform_state import PlatformState
from orchestrator.simulator.sevenbridges.knobs import Knobs
from orchestrator.simulator.sevenbridges.work.naming import Fate
from orchestrator.simulator.sevenbridges.work.task import Task
from orchestrator.simulator.sevenbridges.work.things import AutomationRun, File, FileJob, Transfer

_FILE_ID = 24


@dataclass(slots=True)
class World(PlatformState[Knobs]):
    """One simulated Seven Bridges."""

    tasks: dict[str, Task] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    jobs: dict[str, FileJob] = field(default_factory=dict)
    runs: dict[str, AutomationRun] = field(default_factory=dict)
    pages_read: int = 0
    _by_name: dict[str, dict[str, File]] = field(default_factory=dict)
    _digits: int = 0

    def new_digits(self) -> str:
        """An id of digits, as file jobs have them."""
        self._digits += 1
        return str(1_000_000 + self._digits)

    def new_file_id(self) -> str:
        return self.new_id().replace("-", "")[:_FILE_ID]

    def seconds(self, usual: float, name: str, fate: Fate) -> float:
        """How long a thing of that name takes that usually takes `usual`."""
        return usual * pace(self.seed, name, self.knobs.jitter, slow=fate.slow)

    def record(self, kind: str, thing_id: str, project: str, name: str, at: float, *tags: str) -> None:
        """Write an effect into the ledger."""
        self.ledger.record([Effect(kind, thing_id, project, name, tags, at, None)])

    def add_file(self, file: File) -> None:
        """Remember a new file, or one that has got another name."""
        self.files[file.id] = file
        self._by_name.setdefault(file.name, {})[file.id] = file

    def named(self, name: str, place: str | None, now: float) -> File | None:
        """A file of that name in a project or folder that is there, or will be at the end of what runs."""
        for file in self._by_name.get(name, {}).values():
            if file.name == name and place in (file.project, file.parent) and now < file.deleted:
                return file
        return None

    def file(self, file_id: str, now: float) -> File | None:
        """A file by id; one that nobody has made is taken as existing under its id as its name."""
        known = self.files.get(file_id)
        if known is not None:
            return known if known.exists(now) else None
        made = File(id=file_id, name=file_id, project="", created=now, wall=self.wall_at(now))
        self.add_file(made)
        return made
