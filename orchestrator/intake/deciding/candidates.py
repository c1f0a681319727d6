"""What goes into a turn of decisions, and what comes out of it."""

from dataclasses import dataclass, field

from orchestrator.intake.directory.arrivals import Entry


@dataclass(frozen=True, slots=True)
class Candidate:
    """A queue file that may be decided."""

    entry: Entry
    sure: bool = True
    """It is complete by all that can be seen from outside; else its text has to prove so."""
    early: bool = False
    """Older files wait: what only the database has against it may change until its turn by age."""
    actor: str | None = None
    """Who queued it, where it came from a page and the owner of the file is the daemon itself."""

    @property
    def dropped_by(self) -> str:
        """Who queued it: `actor`, else the numeric id of the owner of the file."""
        return self.actor or str(self.entry.owner)


@dataclass(slots=True)
class Decided:
    """What became of a group."""

    names: set[str] = field(default_factory=set)
    """Files that were accepted or rejected."""
    large: set[str] = field(default_factory=set)
    """Files that are too large for a group."""
    postponed: set[str] = field(default_factory=set)
    """Files that have to wait until no older one does."""
    failures: dict[str, Exception] = field(default_factory=dict)
    """Files that a local error kept from being decided, with the error."""
