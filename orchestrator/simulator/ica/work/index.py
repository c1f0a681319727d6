"""All analyses, findable by id, by tag, by reference, and by whether they have ended: 100,000 are no burden."""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence

from orchestrator.simulator.ica.protocol.bodies import Search
from orchestrator.simulator.ica.work.entities import Analysis
from orchestrator.simulator.ica.work.lifecycle import FINAL_ANALYSIS, Timeline


class Analyses:
    """The analyses of all projects."""

    def __init__(self) -> None:
        self._by_id: dict[str, Analysis] = {}
        self._projects: dict[str, _Project] = {}

    def __iter__(self) -> Iterator[Analysis]:
        return iter(self._by_id.values())

    def count(self, project: str) -> int:
        return len(self._projects[project].rows) if project in self._projects else 0

    def add(self, row: Analysis) -> None:
        self._by_id[row.id] = row
        self._projects.setdefault(row.project, _Project()).add(row)

    def get(self, project: str, analysis_id: str) -> Analysis | None:
        row = self._by_id.get(analysis_id)
        return row if row is not None and row.project == project else None

    def has(self, project: str, user_reference: str) -> bool:
        """Whether an analysis of this reference was created before."""
        return project in self._projects and self._projects[project].has(user_reference)

    def change(self, row: Analysis, timeline: Timeline) -> None:
        """Give an analysis another course."""
        self._projects[row.project].change(row, timeline)

    def candidates(self, project: str, search: Search, tag_filter: str, at: float) -> Sequence[Analysis]:
        """Rows that may match, oldest first: a superset of those that do, as small as the indexes can make it."""
        held = self._projects.get(project)
        return held.candidates(search, tag_filter, at) if held is not None else ()


class _Project:
    """The analyses of one project."""

    def __init__(self) -> None:
        self.rows: list[Analysis] = []
        self._ends: list[tuple[float, int]] = []
        self._tags: dict[str, list[Analysis]] = {}
        self._tag_names: list[str] = []
        self._references: dict[str, list[Analysis]] = {}

    def add(self, row: Analysis) -> None:
        self.rows.append(row)
        insort(self._ends, (row.timeline.ends, row.number))
        self._references.setdefault(row.user_reference, []).append(row)
        for tag in set(row.tags.technical):
            if tag not in self._tags:
                self._tags[tag] = []
                insort(self._tag_names, tag)
            self._tags[tag].append(row)

    def has(self, user_reference: str) -> bool:
        return user_reference in self._references

    def change(self, row: Analysis, timeline: Timeline) -> None:
        del self._ends[bisect_left(self._ends, (row.timeline.ends, row.number))]
        row.timeline, row.rendered = timeline, None
        insort(self._ends, (timeline.ends, row.number))

    def candidates(self, search: Search, tag_filter: str, at: float) -> Sequence[Analysis]:
        if search.user_reference is not None:
            return self._references.get(search.user_reference, ())
        if search.technical_tags:
            return self._tagged(search.technical_tags, tag_filter)
        if search.status and not FINAL_ANALYSIS.intersection(search.status):
            return self._living(at)
        return self.rows

    def _tagged(self, tags: Sequence[str], tag_filter: str) -> Sequence[Analysis]:
        if tag_filter == "all":
            return min((self._tags.get(tag, []) for tag in tags), key=len)
        names = set(tags) if tag_filter == "any" else {name for tag in tags for name in self._beginning(tag)}
        return sorted({row for name in names for row in self._tags.get(name, ())}, key=_number)

    def _beginning(self, prefix: str) -> Sequence[str]:
        first = bisect_left(self._tag_names, prefix)
        return self._tag_names[first : bisect_right(self._tag_names, prefix + "\U0010ffff")]

    def _living(self, at: float) -> Sequence[Analysis]:
        first = bisect_right(self._ends, (at, math.inf))
        return [self.rows[number] for number in sorted(number for _, number in self._ends[first:])]


def _number(row: Analysis) -> int:
    return row.number
