"""`sampleCreationBatch`, and the search for samples."""

from collections.abc import Sequence
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.ica.api.data_batches import DataBatches
from orchestrator.simulator.ica.protocol import data_wire, wire
from orchestrator.simulator.ica.protocol.bodies import Row, read
from orchestrator.simulator.ica.protocol.call import Asked
from orchestrator.simulator.ica.protocol.data_bodies import SampleSearch, sample_rows
from orchestrator.simulator.ica.protocol.paging import spoilt
from orchestrator.simulator.ica.protocol.sorting import sort_rows
from orchestrator.simulator.ica.work import words
from orchestrator.simulator.ica.work.entities import Item, Sample
from orchestrator.simulator.ica.work.outcomes import Fate, Outcome

_NOT_MADE = frozenset({Outcome.FAIL, Outcome.STUCK, Outcome.ABORT})


class SampleBatches(DataBatches):
    """Creates samples; a sample is there once its item has ended well, or in part."""

    effect = "sample"
    subject = "SampleCreationBatch"
    words = words.SAMPLING
    complaint = "The sample could not be created"

    def read(self, asked: Asked) -> tuple[Sequence[Row], dict[str, Any]]:
        return sample_rows(asked.request.body), {"sequencingRunId": None}

    def fate(self, row: Row, asked: Asked, echo: dict[str, Any]) -> Fate:
        del echo
        unique = self._world.knobs.sample_names == "unique"
        taken = unique and any(
            each.name == row.name and each.project == asked.owner for each in self._world.samples.values()
        )
        return Fate(Outcome.FAIL) if taken else row.fate

    def begin(self, item: Item, row: Row, fate: Fate, asked: Asked, echo: dict[str, Any]) -> None:
        if fate is row.fate:
            super().begin(item, row, fate, asked, echo)
        if fate.outcome in _NOT_MADE or item.echo is None:
            return
        world = self._world
        item.sample = Sample(
            id=world.new_id(),
            project=asked.owner,
            name=row.name,
            asked=item.echo["sampleToCreate"],
            timeline=item.timeline,
            complete=item.echo["completeSample"],
            wall=world.wall_at(item.timeline.ends),
        )
        world.samples[item.sample.id] = item.sample

    def created(self, item: Item, asked: Asked) -> dict[str, Any]:
        del asked
        return data_wire.created_sample(item.sample) if item.sample is not None else {}

    def search(self, asked: Asked) -> Reply:
        """POST samples:search, by technical tags."""
        search, knobs = read(asked.request.body, SampleSearch), self._world.knobs
        tags = [tag for tag in search.tech_tags or () if tag is not None]
        at = asked.at - knobs.search_lag

        def wanted(row: Sample) -> bool:
            there = row.project == asked.project and row.timeline.ends <= at
            return there and self._tagged(tags, row.tags["technicalTags"], search.tech_tag_match_mode)

        def find() -> Sequence[Sample]:
            rows = [row for row in self._world.samples.values() if wanted(row)]
            if knobs.page_order == "shuffled":
                self._world.order(asked.project).shuffle(rows)
            return sort_rows(rows, asked.request, {"name": lambda row: row.name, "timeCreated": lambda row: row.wall})

        place = f"samples/{asked.project}/{asked.request.body!r}"
        page = self._world.cursors.page(asked.request, place, find, knobs, asked.now).only(wanted)
        page = spoilt(page, asked.fault)
        rows = (data_wire.project_sample(row) for row in page.rows)
        return asked.json(wire.page(rows, page.rest, null_empty=knobs.null_lists))

    def _tagged(self, asked: Sequence[str], present: Sequence[str | None], mode: str | None) -> bool:
        if not asked:
            return True
        if mode == "EXCLUDE":
            return not any(tag in present for tag in asked)
        if mode == "FUZZY" or self._world.knobs.tag_filter == "prefix":
            return any(tag is not None and tag.startswith(prefix) for prefix in asked for tag in present)
        if self._world.knobs.tag_filter == "any":
            return any(tag in present for tag in asked)
        return all(tag in present for tag in asked)
