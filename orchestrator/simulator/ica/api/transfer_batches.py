"""Copies, moves and changes of data."""

from collections.abc import Sequence
from typing import Any

from orchestrator.simulator.ica.api.data_batches import DataBatches
from orchestrator.simulator.ica.protocol import data_wire
from orchestrator.simulator.ica.protocol.bodies import Row, read
from orchestrator.simulator.ica.protocol.call import Asked
from orchestrator.simulator.ica.protocol.data_bodies import (
    CopyBatch,
    MoveBatch,
    UpdateBatch,
    check_folder,
    data_rows,
    update_rows,
)
from orchestrator.simulator.ica.work import words
from orchestrator.simulator.ica.work.entities import Item
from orchestrator.simulator.ica.work.outcomes import Fate, Outcome
from orchestrator.simulator.ica.world import World

_ENDED_BADLY = frozenset({Outcome.FAIL, Outcome.STUCK})


class CopyBatches(DataBatches):
    """`dataCopyBatch`. A folder is copied again whatever `actionOnExist` says, which is about files."""

    effect = "copy"
    subject = "ProjectDataCopyBatch"
    words = words.COPYING
    complaint = "The data could not be copied"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._copies: dict[tuple[str, str | None, str], str] = {}
        """By project, folder and source: the id of the copy."""
        self._kept: set[str] = set()
        """Items that found their copy there, and left it."""

    def read(self, asked: Asked) -> tuple[Sequence[Row], dict[str, Any]]:
        batch = read(asked.request.body, CopyBatch)
        check_folder(batch.destination_folder_id)
        return data_rows(batch.items), batch.echo()

    def begin(self, item: Item, row: Row, fate: Fate, asked: Asked, echo: dict[str, Any]) -> None:
        super().begin(item, row, fate, asked, echo)
        if fate.outcome in _ENDED_BADLY:
            return
        place = asked.owner, echo.get("destinationFolderId"), row.name
        there = self._copies.get(place) if row.name.startswith("fil.") else None
        if there is not None and echo["actionOnExist"] == "SKIP":
            self._kept.add(item.id)
        if there is None or echo["actionOnExist"] == "RENAME":
            there = f"{row.name[:4]}{self._world.new_id().replace('-', '')}"
        item.made = self._copies[place] = there

    def counts(self, item: Item) -> bool:
        return super().counts(item) and item.id not in self._kept

    def created(self, item: Item, asked: Asked) -> dict[str, Any]:
        return data_wire.project_data(item.made or item.name, asked.owner)


class MoveBatches(DataBatches):
    """`dataMoveBatch`."""

    effect = "move"
    subject = "ProjectDataMoveBatch"
    words = words.MOVING
    complaint = "The data could not be moved"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._places: dict[str, tuple[str, str | None]] = {}
        """By data: the project and folder that it was moved to."""

    def read(self, asked: Asked) -> tuple[Sequence[Row], dict[str, Any]]:
        batch = read(asked.request.body, MoveBatch)
        check_folder(batch.destination_folder_id)
        return data_rows(batch.items), batch.echo()

    def fate(self, row: Row, asked: Asked, echo: dict[str, Any]) -> Fate:
        there = self._places.get(row.name) == (asked.owner, echo.get("destinationFolderId"))
        return Fate(Outcome.FAIL) if there and self._world.knobs.move_again == "failed" else row.fate

    def begin(self, item: Item, row: Row, fate: Fate, asked: Asked, echo: dict[str, Any]) -> None:
        if fate is row.fate:
            super().begin(item, row, fate, asked, echo)
        if fate.outcome not in _ENDED_BADLY:
            self._places[row.name] = asked.owner, echo.get("destinationFolderId")

    def created(self, item: Item, asked: Asked) -> dict[str, Any]:
        return data_wire.project_data(item.name, asked.owner)


class UpdateBatches(DataBatches):
    """`dataUpdateBatch`: changes in groups."""

    effect = "update"
    subject = "ProjectDataUpdateBatch"
    words = words.UPDATING
    complaint = "The data could not be updated"

    def read(self, asked: Asked) -> tuple[Sequence[Row], dict[str, Any]]:
        return update_rows(read(asked.request.body, UpdateBatch).data_update_groups), {}
