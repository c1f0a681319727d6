"""`analysisCreationBatch`: many analyses in one request."""

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.ica.api.batches import Batches
from orchestrator.simulator.ica.protocol import wire
from orchestrator.simulator.ica.protocol.bodies import Row, creation_rows
from orchestrator.simulator.ica.protocol.call import Asked
from orchestrator.simulator.ica.work import lifecycle
from orchestrator.simulator.ica.work.entities import Analysis, Item
from orchestrator.simulator.ica.work.outcomes import Outcome
from orchestrator.simulator.ica.world import World
from orchestrator.simulator.ledger import Effect

SUBJECT = "AnalysisCreationBatch"


class AnalysisBatches(Batches):
    """Creates analyses and reports how far their creation is."""

    def __init__(self, world: World) -> None:
        super().__init__(world, SUBJECT, self._show)

    def create(self, asked: Asked) -> Reply:
        """POST."""
        rows = creation_rows(asked.request.body)
        self.refuse_bad(rows)
        items = [self._item(row, asked) for row in rows]
        created = [item.analysis for item in items if item.analysis is not None]
        self._world.ledger.record(
            Effect("analysis", row.id, row.project, row.user_reference, row.tags.technical, asked.now, asked.key)
            for row in created
        )
        return self.start(asked, rows, items, self._world.knobs.creation_seconds)

    def _item(self, row: Row, asked: Asked) -> Item:
        world, knobs = self._world, self._world.knobs
        item_id = world.new_id()
        if row.mistake is not None:
            failed = lifecycle.refused(asked.now)
            return Item(item_id, row.name, failed, row.mistake, pipeline=row.pipeline, tags=row.tags)
        pace = lifecycle.pace_of(row.name, row.fate, knobs, world.seed)
        timeline = lifecycle.creation(asked.now, row.fate, pace, knobs)
        item = Item(item_id, row.name, timeline, pipeline=row.pipeline, tags=row.tags)
        if row.fate.outcome is Outcome.NOT_CREATED:
            item.detail = "The analysis could not be created: its inputs are not available"
            return item
        item.analysis = self._analysis(row, asked, timeline.ends, pace)
        world.analyses.add(item.analysis)
        return item

    def _analysis(self, row: Row, asked: Asked, begins: float, pace: float) -> Analysis:
        world = self._world
        is_first = not world.analyses.has(asked.project, row.name)
        return Analysis(
            id=world.new_id(),
            number=world.analyses.count(asked.project),
            project=asked.project,
            user=asked.user,
            user_reference=row.name,
            pipeline=row.pipeline,
            language=row.language,
            tags=row.tags,
            timeline=lifecycle.analysis(begins, row.fate.of_attempt(is_first=is_first), pace, world.knobs),
            wall=world.wall_at(begins),
        )

    def _show(self, item: Item, asked: Asked) -> bytes:
        return wire.creation_item(
            item, asked.at, self._embedded_at(item, asked), asked.version, null_empty=self._world.knobs.null_lists
        )

    def _embedded_at(self, item: Item, asked: Asked) -> float:
        knobs = self._world.knobs
        match knobs.embedded:
            case "live":
                return asked.at
            case "snapshot":
                return item.timeline.ends
            case "lagging":
                return asked.at - knobs.embedded_lag
