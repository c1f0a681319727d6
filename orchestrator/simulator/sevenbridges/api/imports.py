"""Imports: files of a volume become files of a project."""

from collections.abc import Mapping
from typing import Any

from orchestrator.simulator.sevenbridges.api.transfers import FILE_EXISTS, NO_VOLUME, Transfers, refuse_by_name
from orchestrator.simulator.sevenbridges.protocol.call import Asked
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, NOT_FOUND, Refusal
from orchestrator.simulator.sevenbridges.work import courses
from orchestrator.simulator.sevenbridges.work.naming import Fate, Outcome, fate_of
from orchestrator.simulator.sevenbridges.work.things import File, Transfer


class Imports(Transfers):
    """A name that is taken fails with 9108, unless `overwrite` or `autorename` is set."""

    kind, collection = "import", "imports"

    def start(
        self, body: Mapping[str, Any], source: Mapping[str, Any], destination: Mapping[str, Any], asked: Asked
    ) -> Transfer:
        """Begin an import, and make the file that there will be at its end."""
        volume, location = str(source.get("volume", "")), str(source.get("location", ""))
        place = destination.get("project") or destination.get("parent")
        if not volume or not location or not place:
            raise Refusal(BAD_REQUEST, "volume, location and project or parent are needed.", 9000)
        if fate_of(volume).outcome is Outcome.UNKNOWN:
            raise Refusal(NOT_FOUND, f"Volume {volume} does not exist.", NO_VOLUME)
        fate = fate_of(location)
        refuse_by_name(fate, location)
        name = str(destination.get("name") or location.rpartition("/")[2])
        taken = self._world.named(name, str(place), asked.now) is not None
        if taken and body.get("autorename"):
            name, taken = f"_{len(self._world.files)}_{name}", False
        clash = taken and not body.get("overwrite")
        project = str(destination.get("project", ""))
        transfer = self._begun(
            body,
            asked,
            Fate(Outcome.FAIL, fate.slow) if clash else fate,
            name=location,
            volume=volume,
            project=project,
        )
        if clash:
            transfer.error = Refusal(BAD_REQUEST, f"{name} exists already.", FILE_EXISTS).body()
        elif fate.outcome is not Outcome.FAIL:
            transfer.file = self._file(transfer, name, destination)
        return transfer

    def _file(self, transfer: Transfer, name: str, destination: Mapping[str, Any]) -> File:
        world, there = self._world, courses.end_of(transfer.course)
        file = File(
            id=world.new_file_id(),
            name=name,
            project=transfer.project,
            parent=destination.get("parent"),
            created=there,
            wall=transfer.wall,
        )
        world.add_file(file)
        return file
