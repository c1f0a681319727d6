"""Files: read, listed, and changed in bulk."""

from collections.abc import Mapping
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.sevenbridges.api.file_view import show_file
from orchestrator.simulator.sevenbridges.protocol.bulk import bulk, rows_of
from orchestrator.simulator.sevenbridges.protocol.call import Asked, known
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, UNAVAILABLE, Refusal
from orchestrator.simulator.sevenbridges.protocol.pages import page
from orchestrator.simulator.sevenbridges.work.naming import Outcome, fate_of
from orchestrator.simulator.sevenbridges.work.things import File
from orchestrator.simulator.sevenbridges.world import World

_NO_FILE = 5002
_SUMMARY = ("href", "id", "name", "project", "parent", "type")


class Files:
    """What can be asked of files; their contents are none of the simulator's business."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get(self, asked: Asked) -> Reply:
        """GET /files/{file}."""
        return asked.json(show_file(self._find(asked.ids["file"], asked), asked))

    def bulk_get(self, asked: Asked) -> Reply:
        """POST /bulk/files/get."""
        rows = rows_of(asked, self._world, "file_ids")
        return bulk(asked, self._world, rows, lambda row: show_file(self._find(str(row), asked), asked))

    def bulk_update(self, asked: Asked) -> Reply:
        """POST /bulk/files/update: what is left out is erased."""
        return self._change(asked, erase=True)

    def bulk_edit(self, asked: Asked) -> Reply:
        """POST /bulk/files/edit: what is left out is kept; metadata is merged, null removes a key."""
        return self._change(asked, erase=False)

    def listing(self, asked: Asked) -> Reply:
        """GET /files: by project or parent, name, tag and metadata."""
        if asked.query("project") is None and asked.query("parent") is None:
            raise Refusal(BAD_REQUEST, "project or parent is needed.")
        rows = [file for file in self._world.files.values() if self._wanted(file, asked)]
        return page(asked, self._world, rows, lambda file: self._row(file, asked))

    def _row(self, file: File, asked: Asked) -> Mapping[str, Any]:
        document = show_file(file, asked)
        return document if asked.query("fields") else {name: document[name] for name in _SUMMARY}

    def _wanted(self, file: File, asked: Asked) -> bool:
        names, tags = asked.all_of("name"), asked.all_of("tag")
        metadata = {
            name.removeprefix("metadata."): values
            for name, values in asked.arrival.request.query.items()
            if name.startswith("metadata.")
        }
        return (
            file.exists(asked.at - self._world.knobs.list_lag)
            and asked.query("project") in (None, file.project)
            and asked.query("parent") in (None, file.parent)
            and (not names or file.name in names)
            and tags <= set(file.tags)
            and all(str(file.metadata.get(key)) in values for key, values in metadata.items())
        )

    def _change(self, asked: Asked, *, erase: bool) -> Reply:
        def change(row: object) -> Mapping[str, Any]:
            if not isinstance(row, Mapping):
                raise Refusal(BAD_REQUEST, "An item must be an object.")
            file = self._find(str(row.get("id")), asked)
            match fate_of(file.id, file.name).outcome:
                case Outcome.BUSY:
                    raise Refusal(UNAVAILABLE)
                case Outcome.BAD | Outcome.FAIL:
                    raise Refusal(BAD_REQUEST, "The metadata are not valid.", 5014)
                case _:
                    pass
            _changed(file, row, erase=erase)
            self._world.add_file(file)
            self._world.record("update", file.id, file.project, file.id, asked.now)
            return show_file(file, asked)

        return bulk(asked, self._world, rows_of(asked, self._world, "items"), change)

    def _find(self, file_id: str, asked: Asked) -> File:
        unknown = fate_of(file_id).outcome is Outcome.UNKNOWN
        file = None if unknown else self._world.file(file_id, asked.now)
        return known(file, "Requested file does not exist.", _NO_FILE)


def _changed(file: File, row: Mapping[str, Any], *, erase: bool) -> None:
    file.name = str(row.get("name") or file.name)
    if erase or row.get("tags") is not None:
        file.tags = list(row.get("tags") or ())
    given = row.get("metadata") or {}
    merged = {**({} if erase else file.metadata), **given}
    file.metadata = {key: value for key, value in merged.items() if value is not None}
