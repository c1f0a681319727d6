"""The files among the inputs of a task: each names one id, whatever the app calls the input."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.queue_file.cells import no_id
from orchestrator.domain.queue_file.validation_messages import mismatch
from orchestrator.platforms.sevenbridges.items import FILE_ID, PATTERNS

FILE_KEYS: Final = frozenset({"path"})
"""Where an object of an input names its file."""
_OF_FILES = frozenset({"File", "Directory"})


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
    elif no_id(given) is not None or not re.fullmatch(FILE_ID, given):
        message, remedy = mismatch(given, PATTERNS[FILE_ID], is_id=True)
        yield Mistake(message, remedy, (*path, "path"))
