"""What really happened, whatever the answers said: for tests in the same process, and for the ledger endpoint."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from orchestrator.simulator.evidence import Evidence
from orchestrator.simulator.ica.data_endpoints import DataFamilies
from orchestrator.simulator.ica.world import World
from orchestrator.simulator.ledger import Effect


class LinkTruth(NamedTuple):
    """A link of data into a project."""

    status: str | None
    """None when no attempt was valid."""
    sent: int
    """How many items asked for it; linking the same twice is harmless."""


class Truth(Evidence):
    """Judges one world."""

    def __init__(self, world: World, data: DataFamilies) -> None:
        super().__init__(world.ledger)
        self._world = world
        self._data = data

    def status(self, kind: str, name: str) -> str | None:
        """Of the latest `analysis` of that userReference, or the latest `link`, `copy`, `sample`… of that name."""
        now, effect = self._world.clock.monotonic(), self._world.ledger.latest(kind, name)
        if effect is None:
            return None
        if kind in self._data.effects:
            return self._data.status(kind, effect.project, name, now)
        row = self._world.analyses.get(effect.project, effect.id)
        return row.status(now) if row is not None else None

    def analyses(self) -> dict[str, str]:
        """The status of each analysis that was asked for, now, by id."""
        now = self._world.clock.monotonic()
        return {row.id: row.status(now) for row in self._world.analyses if row.session is None}

    def orchestrated(self) -> dict[str, str]:
        """The status of each analysis that a workflow session has begun, now, by id."""
        now = self._world.clock.monotonic()
        rows = (row for row in self._world.analyses if row.session is not None and row.exists(now))
        return {row.id: row.status(now) for row in rows}

    def workflow_sessions(self) -> dict[str, str]:
        """The status of each workflow session that has begun, by id."""
        now = self._world.clock.monotonic()
        return {row.id: row.status(now) for row in self._world.sessions if row.exists(now)}

    def by_reference(self, project: str | None = None) -> dict[str, list[str]]:
        """The statuses now of all analyses of each userReference, in the order of creation."""
        now, found = self._world.clock.monotonic(), dict[str, list[str]]()
        for row in self._world.analyses:
            if project in (None, row.project) and row.session is None:
                found.setdefault(row.user_reference, []).append(row.status(now))
        return found

    def duplicates(self) -> dict[tuple[str, str], int]:
        """How often each (project, userReference) was created, where more than once."""
        created = Counter((effect.project, effect.name) for effect in self._world.ledger.effects("analysis"))
        return {name: count for name, count in created.items() if count > 1}

    def duplicate_tags(self) -> dict[tuple[str, tuple[str, ...]], int]:
        """The same by (project, technical tags), for analyses that have tags: items sent twice in one form."""
        created = Counter(
            (effect.project, tuple(sorted(effect.tags)))
            for effect in self._world.ledger.effects("analysis")
            if effect.tags
        )
        return {name: count for name, count in created.items() if count > 1}

    def links(self) -> dict[tuple[str, str], LinkTruth]:
        """Each (project, dataId) that was ever asked for."""
        now = self._world.clock.monotonic()
        sent = Counter((effect.project, effect.name) for effect in self._world.ledger.effects("link"))
        return {name: LinkTruth(self._data.status("link", *name, now), count) for name, count in sent.items()}

    def summary(self) -> dict[str, Any]:
        """Counts only, as JSON."""
        links = self.links()
        return {
            "analyses": len(self._world.ledger.effects("analysis")),
            "analysis_statuses": Counter(self.analyses().values()),
            "duplicates": [
                {"project": project, "userReference": name, "created": count}
                for (project, name), count in self.duplicates().items()
            ],
            "duplicate_tags": [
                {"project": project, "technicalTags": tags, "created": count}
                for (project, tags), count in self.duplicate_tags().items()
            ],
            "links": len(links),
            "link_statuses": Counter(link.status or "NONE" for link in links.values()),
            "links_sent": sum(link.sent for link in links.values()),
            "aborts": len(self._world.ledger.effects("abort")),
            "data": Counter(effect.kind for effect in self._data_effects()),
            "batches": len(self._world.batches),
        }

    def report(self) -> dict[str, Any]:
        """Everything, as JSON: each analysis, link and abort, and all other work on data."""
        statuses = self.analyses()
        return {
            "summary": self.summary(),
            "analyses": [
                {**effect._asdict(), "status": statuses[effect.id]} for effect in self._world.ledger.effects("analysis")
            ],
            "links": [
                {"project": project, "dataId": data_id, "status": link.status, "sent": link.sent}
                for (project, data_id), link in self.links().items()
            ],
            "aborts": [effect._asdict() for effect in self._world.ledger.effects("abort")],
            "data": [effect._asdict() for effect in self._data_effects()],
        }

    def _data_effects(self) -> Iterator[Effect]:
        """All other work on data than links, kind by kind."""
        for kind in self._data.effects:
            if kind != "link":
                yield from self._world.ledger.effects(kind)
