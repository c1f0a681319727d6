"""What a value of a job or a control was probably meant to be, where it has the wrong shape or characters."""

import re
from collections.abc import Collection

from orchestrator.domain.messages.mistake import Path

TABLE_NAME = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,190}\.(csv|tsv|jsonl|ndjson|CSV|TSV|JSONL|NDJSON)$"
"""Names of the files that may be tables."""
_WORKBOOK = re.compile(r".+\.(?:xlsx?|xlsm|xlsb|ods|numbers)", re.IGNORECASE)


_EVERYTHING = frozenset({"all", "any", "everything", "*"})
"""What people write where every job is meant."""
_SCOPED = ("pause", "resume")
"""The controls that may be for more than one job."""
_SCOPES = "write the name of a job, `{account: NAME}` or `{all: true}`"


def meant_scope(control: str, name: str, accounts: Collection[str] = ()) -> str | None:
    """What was probably meant with the name of a job that does not exist: all jobs, or those of an account."""
    scoped = control in _SCOPED
    if name.casefold() in _EVERYTHING:
        if scoped:
            return f"for all jobs write `{control}: {{all: true}}` (`orchestrator {control} --all`)"
        each = f"`{control}` is for one job: write it for each of them"
        return f"{each}; `pause: {{all: true}}` stops the submissions of all"
    if name in accounts:
        if scoped:
            text = f"{name} is an account: for all of its jobs write `{control}: {{account: {name}}}`"
            return f"{text} (`orchestrator {control} --account {name}`)"
        return f"{name} is an account, and `{control}` is for one job: write it for each of them"
    return None


def meant_value(raw: object, below: Path) -> str | None:
    """The suggestion for one value; `below` is its path in `raw`, a job or `{"control": ...}`."""
    match below:
        case ("control", *inner):
            value: object = raw.get("control") if isinstance(raw, dict) else None
            return _of_control(_inner(value, tuple(inner)), tuple(inner))
        case (str(), *_):
            return _of_job(_inner(raw, below), below)
        case _:
            return None


def _inner(value: object, path: Path) -> object:
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
    return value


def _of_job(value: object, below: Path) -> str | None:  # noqa: C901, PLR0911, PLR0912 - a table
    is_number = isinstance(value, int) and not isinstance(value, bool)
    match below:
        case ("name",) if isinstance(value, str) and (name := _plain(value)):
            return f"write `name: {name}`"
        case ("after",) if isinstance(value, str):
            return f"write `after: [{value}]`"
        case ("stop_after",) if is_number:
            return f"write `stop_after: {{failed: {value}}}`"
        case ("retry",) if is_number:
            return f"write `retry: {{attempts: {value}, on: [FAILED]}}`"
        case ("priority",):
            return "write a number from 0 (first) to 9"
        case ("notify",) if isinstance(value, str):
            return f"write `notify: {{webhook: {value}}}`"
        case ("labels",):
            return "write `labels: {NAME: VALUE}`"
        case ("labels", _) if isinstance(value, list | dict):
            return "write one text, or a label for each"
        case ("labels", str() as key):
            return f"write `{_plain(key)}:`" if _plain(key) != key else None
        case ("group_by",) if isinstance(value, list):
            return f"write the name of one column, as `group_by: {value[0] if value else 'COLUMN'}`"
        case ("table", "states") if isinstance(value, str):
            return f"write `states: [{value}]`"
        case ("table",):
            return _table(value)
        case _:
            return None


def _of_control(value: object, below: Path) -> str | None:
    match below:
        case (str() as control,) if isinstance(value, str) and (meant := meant_scope(control, value)):
            return meant
        case ("pause" | "resume",) if not isinstance(value, list):
            return _SCOPES
        case (str() as control,) if isinstance(value, list):
            return f"write a control for each of them: `- {control}: {value[0] if value else 'JOB'}`"
        case ("retry",) if isinstance(value, dict):
            return "write the keys beside each other: `- {retry: JOB, state: failed}`"
        case (str() as control,) if isinstance(value, dict):
            return f"write `- {control}: JOB`"
        case _:
            return None


def _table(value: object) -> str | None:
    if isinstance(value, list):
        return "a job has one table: put the rows into one file, or write a job for each"
    if not isinstance(value, str):
        return None
    base = re.split(r"[/\\]", value)[-1]
    if re.fullmatch(TABLE_NAME, base):
        return f"write `table: {base}`, and drop it beside this file"
    if _WORKBOOK.fullmatch(base):
        return f"save the sheet as CSV UTF-8, and write `table: {_plain(base.rpartition('.')[0]) or 'samples'}.csv`"
    stem, _, ending = base.rpartition(".")
    if re.fullmatch(TABLE_NAME, f"x.{ending}") and (name := _plain(stem)):
        return f"rename the file, and write `table: {name}.{ending}`: no spaces, brackets or accents in its name"
    return None


def _plain(name: str) -> str:
    """A name with `-` in place of what no name may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:100]
