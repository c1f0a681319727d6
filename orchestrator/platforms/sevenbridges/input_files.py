"""The files among the inputs of a task: each names one id, whatever the app calls the input."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from orchestrator.domain.kinds import Oddity
from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.queue_file.validation_messages import mistakes_of
from orchestrator.platforms.sevenbridges.items import IDS, PATTERNS, FileId

FILE_KEYS: Final = frozenset({"path"})
"""Where an object of an input names its file."""
_ID_ALONE = re.compile(r"[0-9a-f]{24}")
"""An id as the platform makes them."""
_OF_FILES = frozenset({"File", "Directory"})
_FILE_ID: Final[TypeAdapter[str]] = TypeAdapter(FileId)


def mistakes_of_inputs(item: Mapping[str, Any]) -> Iterator[Mistake]:
    """What is wrong with the files and folders among the inputs of a task, with paths below the item."""
    yield from _mistakes(item.get("inputs"), ("inputs",))


def bare_ids(item: Mapping[str, Any]) -> Iterator[Oddity]:
    """The inputs of a task that are the id of a file as a mere text: the platform takes them for texts."""
    inputs = item.get("inputs")
    for name, value in inputs.items() if isinstance(inputs, dict) else ():
        for text in _texts(value):
            if _ID_ALONE.fullmatch(text):
                message = f"in inputs.{name} looks like the id of a file, and is sent as a text"
                yield Oddity(text, f"{message} - where a file is meant, write `{{class: File, path: ID}}`")
                break


def _texts(value: object) -> Iterator[str]:
    """The texts of an input, and those of a list."""
    match value:
        case str():
            yield value
        case list():
            yield from (each for each in value if isinstance(each, str))


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
