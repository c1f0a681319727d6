"""Exports: files of a project become objects of a volume."""

from collections.abc import Mapping
from typing import Any

from orchestrator.simulator.sevenbridges.api.transfers import (
    LOCATION_TAKEN,
    NO_VOLUME,
    NOT_EXPORTABLE,
    Transfers,
    refuse_by_name,
)
from orchestrator.simulator.sevenbridges.protocol.call import Asked, known
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, NOT_FOUND, Refusal
from orchestrator.simulator.sevenbridges.work.naming import Fate, Outcome, fate_of
from orchestrator.simulator.sevenbridges.work.things import Transfer
from orchestrator.simulator.sevenbridges.world import World

_NO_FILE = 5002


class Exports(Transfers):
    """A location that is taken fails with 9107 unless `overwrite` is set; a file is exported once, or only copied."""

    kind, collection = "export", "exports"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._locations: set[tuple[str, str]] = set()

    def start(
        self, body: Mapping[str, Any], source: Mapping[str, Any], destination: Mapping[str, Any], asked: Asked
    ) -> Transfer:
        """Begin an export; the bulk call takes `copy_only` in the item too."""
        volume, location = str(destination.get("volume", "")), str(destination.get("location", ""))
        if not volume or not location or not source.get("file"):
            raise Refusal(BAD_REQUEST, "file, volume and location are needed.", 9000)
        if fate_of(volume).outcome is Outcome.UNKNOWN:
            raise Refusal(NOT_FOUND, f"Volume {volume} does not exist.", NO_VOLUME)
        file_id = str(source["file"])
        unknown = fate_of(file_id).outcome is Outcome.UNKNOWN
        file = known(
            None if unknown else self._world.file(file_id, asked.now), "Requested file does not exist.", _NO_FILE
        )
        fate = fate_of(location, file_id)
        refuse_by_name(fate, location)
        copy_only = asked.flag("copy_only") or bool(body.get("copy_only"))
        error = None
        if (volume, location) in self._locations and not body.get("overwrite"):
            error = Refusal(BAD_REQUEST, f"There is a file at {location} already.", LOCATION_TAKEN).body()
        elif file.exported and not copy_only:
            error = Refusal(BAD_REQUEST, "The file cannot be exported: it lies on a volume.", NOT_EXPORTABLE).body()
        transfer = self._begun(
            body,
            asked,
            Fate(Outcome.FAIL, fate.slow) if error is not None else fate,
            name=location,
            volume=volume,
            project=file.project,
        )
        transfer.error = error or transfer.error
        if transfer.error is None:
            transfer.file = file
            file.exported = file.exported or not copy_only
            self._locations.add((volume, location))
        return transfer
