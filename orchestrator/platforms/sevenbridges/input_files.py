"""The files among the inputs of a task: each names one id, whatever the app calls the input."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.queue_file.validation_messages import mistakes_of
from orchestrator.platforms.sevenbridges.items import IDS, PATTERNS, FileId

FILE_KEYS: Final = frozenset({"path"})
"""Where an object of an input names its file."""
_OF_FILES = frozenset({"File", "Directory"})
_FILE_ID: Final[TypeAdapter[str]] = TypeAdapter(FileId)


def mistakes_of_inputs(item: Mapping[str, Any]) -> Iterator[Mistake]:
    """What is wrong with the files and folders among the inputs of a task, with paths below the item."""
    yield from _mistakes(item.get("inputs"), ("inputs",))


def _mistakes(value: object, path: Path) -> Iterator[Mistake]:
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _mistakes(each, (*path, index))
    elif isinstance(value, dict):
        if value.get("class") in _OF_FILES:
            yield from _mistakes_of_file(value, path)
        for key, each in value.items():
            yield from _mistakes(each, (*path, key))


def _mistakes_of_file(value: Mapping[str, Any], path: Path) -> Iterator[Mistake]:
    given, what = value.get("path"), value["class"]
    if given is None:
        yield Mistake(f"is a {what} without a `path`", "write the id of the file as its `path`", path)
    elif not isinstance(given, str):
        yield Mistake("must be one id, as a text", None, (*path, "path"))
    elif not given:
        yield Mistake("is empty", None, (*path, "path"))
    else:
        yield from _mistakes_of_id(given, (*path, "path"))


def _mistakes_of_id(given: str, path: Path) -> Iterator[Mistake]:
    try:
        _FILE_ID.validate_python(given)
    except ValidationError as error:
        for mistake in mistakes_of(error, known=lambda _: (), patterns=PATTERNS, ids=IDS):
            yield replace(mistake, path=path)
