"""What is written beside a rejected file: NAME.error.json."""

import os
from typing import Any

import msgspec

from orchestrator.clock import Micros
from orchestrator.domain.messages.mistake import Mistake, Mistakes, spell
from orchestrator.domain.messages.printable import printable
from orchestrator.domain.units import rfc3339
from orchestrator.intake.directory.moves import Moving, token_of


def error_document(file: Moving, mistakes: Mistakes, *, now: Micros, dropped_by: str | None) -> bytes:
    """The mistakes as a JSON document for people and programs.

    Keys: `file`, `rejected_at`, `dropped_by` (user id), `token` (which file it speaks of), `mistakes`, and `more`, the
    number of mistakes beyond those listed.
    """
    document = {
        "file": os.fsencode(file.name).decode("utf-8", "backslashreplace"),
        "rejected_at": rfc3339(now),
        "dropped_by": dropped_by,
        "token": token_of(file),
        "mistakes": [as_object(mistake) for mistake in mistakes],
        "more": mistakes.more,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def as_object(mistake: Mistake) -> dict[str, Any]:
    """One mistake as in `NAME.error.json` and `validate --json`."""
    return {
        "where": mistake.where,
        "table": mistake.file,
        "line": mistake.line,
        "column": printable(mistake.column) if mistake.column is not None else None,
        "path": printable(spell(mistake.path)) or None,
        "field": printable(mistake.field) if mistake.field is not None else None,
        "message": printable(mistake.message),
        "remedy": printable(mistake.remedy) if mistake.remedy is not None else None,
    }
