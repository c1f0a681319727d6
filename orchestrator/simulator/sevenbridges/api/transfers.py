"""Imports from volumes and exports to volumes, one by one and in bulk: one id for each item."""

from collections.abc import Mapping
from typing import Any, ClassVar

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.sevenbridges.api.file_view import show_file
from orchestrator.simulator.sevenbridges.protocol.bulk import bulk, rows_of
from orchestrator.simulator.sevenbridges.protocol.call import Asked, known, time_or_none
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, NOT_FOUND, UNAVAILABLE, Refusal
from orchestrator.simulator.sevenbridges.protocol.pages import page
from orchestrator.simulator.sevenbridges.work import courses
from orchestrator.simulator.sevenbridges.work.naming import Fate, Outcome
from orchestrator.simulator.sevenbridges.work.things import Transfer
from orchestrator.simulator.sevenbridges.world import World

NO_VOLUME, NO_JOB, NO_LOCATION, NOT_EXPORTABLE, LOCATION_TAKEN, FILE_EXISTS = 9007, 9008, 9105, 9006, 9107, 9108
_PAGE = 25


class Transfers:
    """What imports and exports have in common."""

    kind: ClassVar[str]
    collection: ClassVar[str]
    """Of its path, and of the ids in a bulk read: `imports`, `import_ids`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, asked: Asked) -> Reply:
        """POST /storage/imports, POST /storage/exports."""
        return asked.json(self._started(asked.body(), asked), self._world.knobs.post_status)

    def bulk_create(self, asked: Asked) -> Reply:
        """POST /bulk/storage/…/create."""
        rows = rows_of(asked, self._world, "items")
        return bulk(asked, self._world, rows, lambda row: self._started(row, asked))

    def get(self, asked: Asked) -> Reply:
        """GET /storage/…/{transfer}."""
        return asked.json(self._show(self._find(asked.ids["transfer"]), asked))

    def bulk_get(self, asked: Asked) -> Reply:
        """POST /bulk/storage/…/get."""
        rows = rows_of(asked, self._world, f"{self.kind}_ids")
        return bulk(asked, self._world, rows, lambda row: self._show(self._find(str(row)), asked))

    def listing(self, asked: Asked) -> Reply:
        """GET /storage/…: the user's own, the latest first."""
        knobs, states = self._world.knobs, asked.all_of("state")
        rows = [
            transfer
            for transfer in reversed(self._world.transfers.values())
            if transfer.kind == self.kind
            and transfer.user == asked.user
            and transfer.created <= asked.at - knobs.list_lag
            and asked.query("project") in (None, transfer.project)
            and asked.query("volume") in (None, transfer.volume)
            and (not states or transfer.course.status(asked.at) in states)
        ]
        return page(asked, self._world, rows, lambda row: self._row(row, asked), default=_PAGE)

    def _row(self, transfer: Transfer, asked: Asked) -> Mapping[str, Any]:
        document = self._show(transfer, asked)
        return document if asked.query("fields") else {name: document[name] for name in ("href", "id", "state")}

    def _started(self, body: object, asked: Asked) -> Mapping[str, Any]:
        if not isinstance(body, Mapping):
            raise Refusal(BAD_REQUEST, "An item must be an object.")
        source, destination = body.get("source"), body.get("destination")
        if not isinstance(source, Mapping) or not isinstance(destination, Mapping):
            raise Refusal(BAD_REQUEST, "source and destination are needed.", 9000)
        transfer = self.start(body, source, destination, asked)
        self._world.transfers[transfer.id] = transfer
        return self._show(transfer, asked)

    def start(
        self, body: Mapping[str, Any], source: Mapping[str, Any], destination: Mapping[str, Any], asked: Asked
    ) -> Transfer:
        """Begin one; raises Refusal for what cannot begin."""
        raise NotImplementedError

    def _begun(
        self, body: Mapping[str, Any], asked: Asked, fate: Fate, *, name: str, volume: str, project: str
    ) -> Transfer:
        """A transfer with its course, and its effect in the ledger; fails where `fate` says so."""
        world = self._world
        transfer = Transfer(
            id=world.new_id().replace("-", ""),
            number=len(world.transfers),
            kind=self.kind,
            user=asked.user,
            asked=body,
            volume=volume,
            project=project,
            course=courses.transfer(asked.now, world.seconds(world.knobs.transfer_seconds, name, fate), fate),
            created=asked.now,
            wall=world.clock.now(),
        )
        if fate.outcome is Outcome.FAIL:
            transfer.error = Refusal(BAD_REQUEST, f"{name} could not be read.", NO_LOCATION).body()
        world.record(self.kind, transfer.id, project, name, asked.now, volume)
        return transfer

    def _find(self, transfer_id: str) -> Transfer:
        transfer = self._world.transfers.get(transfer_id)
        right = transfer is not None and transfer.kind == self.kind
        return known(transfer if right else None, f"There is no such {self.kind}.", NO_JOB)

    def _show(self, transfer: Transfer, asked: Asked) -> dict[str, Any]:
        state, course = transfer.course.status(asked.at), transfer.course
        ended = courses.ended(course, asked.at)
        finished = transfer.wall + round((course.instants[-1] - transfer.created) * 1_000_000)
        return {
            "href": asked.href(f"/storage/{self.collection}/{transfer.id}"),
            "id": transfer.id,
            "state": state,
            "overwrite": bool(transfer.asked.get("overwrite", False)),
            "source": transfer.asked["source"],
            "destination": transfer.asked["destination"],
            "started_on": time_or_none(transfer.wall),
            "finished_on": time_or_none(finished if ended else None),
            "error": transfer.error if state == "FAILED" else None,
            "result": show_file(transfer.file, asked) if state == "COMPLETED" and transfer.file is not None else None,
        }


def refuse_by_name(fate: Fate, name: str) -> None:
    """Raises what the word in a name asks for."""
    match fate.outcome:
        case Outcome.BAD:
            raise Refusal(BAD_REQUEST, f"{name} is not valid.", 9000)
        case Outcome.BUSY:
            raise Refusal(UNAVAILABLE)
        case Outcome.UNKNOWN:
            raise Refusal(NOT_FOUND, f"{name} does not exist.", NO_LOCATION)
        case _:
            pass
