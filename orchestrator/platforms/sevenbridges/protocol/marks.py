"""The mark by which we find again what we made: our three tags, in a task's description or a run's name."""

import re
from dataclasses import dataclass
from typing import Final

from orchestrator.domain.identity import BATCH_TAG, INSTANCE_TAG, ITEM_TAG, batch_tag, instance_tag, item_tag
from orchestrator.domain.model import BatchKey

_MARK: Final = re.compile(rf"{BATCH_TAG}(?P<key>\S+) {INSTANCE_TAG}(?P<instance>\S*) {ITEM_TAG}(?P<seq>[0-9]{{1,9}})")
_NAME_MARK: Final = re.compile(rf" \({BATCH_TAG}(?P<key>[0-9a-f-]{{36}})\)$")


@dataclass(frozen=True, slots=True)
class Mark:
    """Whose something is."""

    instance: str
    key: BatchKey
    seq: int


def in_description(description: str | None, mark: Mark) -> str:
    """The description with the mark as its last line, in place of any that it had: it may be that of an earlier run."""
    text = _MARK.sub("", description or "").rstrip()
    line = f"{batch_tag(mark.key)} {instance_tag(mark.instance)} {item_tag(mark.seq)}"
    return f"{text}\n\n{line}" if text else line


def read_mark(description: str | None) -> Mark | None:
    """The mark in a description; the last one, where there are several."""
    found = list(_MARK.finditer(description or ""))
    if not found:
        return None
    last = found[-1]
    return Mark(last["instance"], BatchKey(last["key"]), int(last["seq"]))


def in_name(name: str, key: BatchKey) -> str:
    """The name with the mark behind it."""
    return f"{name} ({batch_tag(key)})"


def without_mark(name: str) -> str:
    """The name as it was given."""
    return _NAME_MARK.sub("", name)
