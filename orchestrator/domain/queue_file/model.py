"""The queue file, version 1: what users and programs may write, checked key by key.

`items` are not looked into here: there may be a hundred thousand of them, and what they hold depends on the kind of the
job (`kinds.py`). `editor_schema.py` describes the same document to editors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, ValidationError

from orchestrator.domain.fields import Count
from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.model import After, JobState, RetryPolicy
from orchestrator.domain.queue_file.control_models import CONTROLS, SCOPES, Adoption, AnyControl, Control, RetryJob
from orchestrator.domain.queue_file.meant_values import TABLE_NAME, meant_value
from orchestrator.domain.queue_file.names import JOB_NAME, STRICT, JobName, Text
from orchestrator.domain.queue_file.nearest import nearest
from orchestrator.domain.queue_file.validation_messages import TAG, mistakes_of
from orchestrator.domain.webhook import MOST_CHARACTERS, Notice, Notify

LABEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$"
PATTERNS = {
    JOB_NAME: "is no job name: A-Z a-z 0-9 `.` `_` `-`, the first a letter or digit, at most 100",
    LABEL_NAME: "is no label: A-Z a-z 0-9 `.` `_` `/` `-`, the first a letter or digit, at most 63",
    TABLE_NAME: "is no table: name a .csv, .tsv, .jsonl or .ndjson file dropped beside this one, without its folder",
}
MOST_JOBS = 10_000
"""Jobs that one file may ask for; items are not limited."""

DEFAULT_PRIORITY = 5

MOST_LABELS = 20
"""Labels that a job may have."""

LabelName = Annotated[str, StringConstraints(pattern=LABEL_NAME)]
LabelValue = Annotated[str, StringConstraints(max_length=200)]


class _Strict(BaseModel):
    model_config = STRICT


class AfterJobs(_Strict):
    """The jobs to wait for, and the ends of theirs that are good enough."""

    jobs: Annotated[list[JobName], Field(min_length=1)]
    """Names of jobs, in this file, known already, or not dropped yet."""
    accept: Annotated[list[Literal["succeeded", "partial", "failed", "cancelled", "skipped"]], Field(min_length=1)] = [
        "succeeded"
    ]
    """States in which each of them may end; otherwise this job is skipped."""


class StopAfter(_Strict):
    """When to submit no more until `resume`."""

    failed: Count
    """Failed items of the job."""


class Retry(_Strict):
    """Which outcomes are tried again."""

    attempts: Annotated[int, Field(ge=1, le=100)]
    """Attempts in all, the first one included."""
    on: Annotated[list[Text], Field(min_length=1)]
    """The platform's own statuses to try again after."""


class Webhook(_Strict):
    """Whom to notify, and of what."""

    webhook: Annotated[str, StringConstraints(min_length=1, max_length=MOST_CHARACTERS)]
    """URL of the receiver; its host must be in `notify.allowed_hosts` of the configuration."""
    on: Annotated[list[Literal["settled", "blocked", "attention", "stopped"]], Field(min_length=1)] = ["settled"]
    """Events to notify of: the job has settled, or needs an operator."""


class JobRows(_Strict):
    """The items of an earlier job, in place of a table: each of them is a row."""

    job: JobName
    """The job that is waited for; it may be dropped later than this file."""
    states: Annotated[list[Literal["succeeded", "partial", "failed", "aborted", "cancelled"]], Field(min_length=1)] = [
        "succeeded"
    ]
    """The states of the items that become rows."""


def _shape(value: object) -> str:
    return f"{TAG}list" if isinstance(value, list) else f"{TAG}object"


def _table_shape(value: object) -> str:
    return f"{TAG}object" if isinstance(value, dict | JobRows) else f"{TAG}file"


class QueuedJob(_Strict):
    """One kind of work, on one account, over N items."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["items"]}, {"required": ["table"]}]},
    )

    name: JobName
    """Unique among all jobs, past ones included, without regard to case."""
    kind: Text
    """What is done: the platform, a dot, and what is done there."""
    account: Text
    """An account of the configuration."""
    project: Text | None = None
    """The platform's id of the project; left out for kinds of work that belong to none."""
    engine: Text | None = None
    """For kinds that have several: which one, such as the kind of pipeline of an analysis."""
    options: dict[str, Any] | None = None
    """What the kind lets a job say of all its items at once."""
    after: (
        Annotated[
            Annotated[list[JobName], Field(min_length=1), Tag(f"{TAG}list")]
            | Annotated[AfterJobs, Tag(f"{TAG}object")],
            Discriminator(_shape),
        ]
        | None
    ) = None
    """Jobs that must have succeeded before this one starts."""
    priority: Annotated[int, Field(ge=0, le=9)] = DEFAULT_PRIORITY
    """0 goes first, 9 last."""
    max_open: Count | None = None
    """Items of this job on the platform at a time."""
    stop_after: StopAfter | None = None
    """Submit no more after so many failures."""
    retry: Retry | None = None
    """Try items again that ended in one of these statuses."""
    notify: Webhook | None = None
    """Call a webhook at certain events."""
    labels: Annotated[dict[LabelName, LabelValue], Field(min_length=1, max_length=MOST_LABELS)] | None = None
    """Texts to search jobs by, such as the run or the cohort."""
    template: dict[str, Any] | None = None
    """Merged under every item, or filled from every row of the table: `${column}`; `$$` is a dollar sign."""
    items: Annotated[list[dict[str, Any]], Field(json_schema_extra={"minItems": 1})] | None = None
    """The platform's own objects, with its own field names."""
    table: (
        Annotated[
            Annotated[str, StringConstraints(pattern=TABLE_NAME), Tag(f"{TAG}file")]
            | Annotated[JobRows, Tag(f"{TAG}object")],
            Discriminator(_table_shape),
        ]
        | None
    ) = None
    """A CSV, TSV or JSON lines file dropped into the same folder, or the rows of an earlier job."""
    group_by: Text | None = None
    """A column of the table: rows with equal cells in it are one item, and what differs between them is a list."""
    count: Count | None = None
    """Items or rows that there must be; guards against a file that was cut."""

    @property
    def waits_for(self) -> After | None:
        """`after` in either of its spellings."""
        match self.after:
            case None:
                return None
            case AfterJobs(jobs=jobs, accept=accept):
                return After(tuple(jobs), frozenset(JobState(state) for state in accept))
            case jobs:
                return After(tuple(jobs))

    @property
    def rows(self) -> JobRows | None:
        """The earlier job that its rows come from; None where it names items or a file."""
        return self.table if isinstance(self.table, JobRows) else None

    @property
    def retry_policy(self) -> RetryPolicy | None:
        return RetryPolicy(self.retry.attempts, frozenset(self.retry.on)) if self.retry else None

    @property
    def notifies(self) -> Notify | None:
        return Notify(self.notify.webhook, frozenset(map(Notice, self.notify.on))) if self.notify else None


class QueueFile(_Strict):
    """A document dropped into the queue directory: jobs, controls, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": [key], "properties": {key: {"minItems": 1}}} for key in ("jobs", "controls")]
        },
    )

    version: Literal[1]
    """Of this format."""
    jobs: Annotated[list[QueuedJob], Field(max_length=MOST_JOBS)] = []
    """What is asked for."""
    controls: Annotated[list[Control], Field(max_length=MOST_JOBS)] = []
    """What is to happen to jobs, in this order, once the jobs of the file are durable."""


# ---------------------------------------------------------------- reading


Model = TypeVar("Model", bound=BaseModel)


class _OneControl(_Strict):
    control: Control


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be made of a document; with mistakes, only part of it."""

    jobs: Sequence[QueuedJob | None]
    """One for each job of the document, None where it could not be understood."""
    controls: Sequence[AnyControl]
    mistakes: Sequence[Mistake]


_OF_A_JOB = frozenset({"name", "kind", "account", "items", "table", "template"})
"""Keys that a document cannot have, but a job."""


def read(document: object) -> Reading:
    """Check everything but the items. Each job is checked by itself, so that one mistake hides no other."""
    if not isinstance(document, dict):
        return Reading((), (), (Mistake("is not an object with `version` and `jobs`", "see `orchestrator schema`"),))
    if "jobs" not in document and len(_OF_A_JOB & document.keys()) > 1:
        remedy = "begin with `version: 1` and `jobs:`, and write the job below, as `  - name: ...`"
        return Reading((), (), (Mistake("is a job, and not a list of jobs", remedy),))
    mistakes: list[Mistake] = []
    jobs = _list_of(document, "jobs", mistakes)
    controls = _list_of(document, "controls", mistakes)
    rest = {key: value for key, value in document.items() if key not in ("jobs", "controls")}
    _validated(QueueFile, rest, (), mistakes)
    if not jobs and not controls and not mistakes:
        mistakes.append(Mistake("asks for nothing", "add `jobs:` or `controls:`"))
    read_jobs = [_read_job(job, ("jobs", index), mistakes) for index, job in enumerate(jobs)]
    mistakes += _same_names(jobs)
    return Reading(read_jobs, _read_controls(controls, mistakes), mistakes)


def _list_of(document: dict[str, Any], key: str, mistakes: list[Mistake]) -> list[Any]:
    value = document.get(key, [])
    if not isinstance(value, list):
        mistakes.append(Mistake("must be a list", f"write `{key}:` and below it `- ...`", (key,)))
        return []
    if len(value) > MOST_JOBS:
        mistakes.append(Mistake(f"has {len(value)} entries, and may have {MOST_JOBS}", "use several files", (key,)))
    return value


def _read_job(raw: object, path: Path, mistakes: list[Mistake]) -> QueuedJob | None:
    before = len(mistakes)
    if isinstance(raw, dict):
        if "<<" in raw:
            return None  # reported already, and so much that it would bring is missing
        unknown = raw.keys() - QueuedJob.model_fields.keys()
        if any(nearest(str(key), ("items", "table")) for key in unknown):
            pass  # reported as misspelt
        elif (raw.get("items") is None) == (raw.get("table") is None):
            which = "neither `items` nor `table`" if raw.get("items") is None else "both `items` and `table`"
            mistakes.append(Mistake(f"has {which}", "exactly one of the two says what the job is made of", path))
        if raw.get("group_by") is not None and not (raw.get("table") and raw.get("template")):
            text = "`group_by` gathers the rows of a `table` for a `template`, and one of the two is missing"
            mistakes.append(Mistake(text, "add it, or leave `group_by` out", (*path, "group_by")))
        if isinstance(raw.get("table"), dict) and not raw.get("template"):
            text = "has rows of an earlier job, and no `template` that makes items of them"
            mistakes.append(Mistake(text, "write a `template` that names their columns, such as `${remote_id}`", path))
    job = _validated(QueuedJob, raw, path, mistakes)
    return job if len(mistakes) == before else None


def _read_controls(raw: Sequence[object], mistakes: list[Mistake]) -> list[AnyControl]:
    controls = []
    for index, value in enumerate(raw):
        path: Path = ("controls", index)
        found = _validated(_OneControl, {"control": value}, path, mistakes)
        if found is None:
            continue
        if isinstance(found.control, RetryJob) and found.control.items and found.control.state:
            mistakes.append(Mistake("has both `items` and `state`", "one of them says what to retry", path))
        controls.append(found.control)
    return controls


def _same_names(jobs: Sequence[object]) -> list[Mistake]:
    first: dict[str, int] = {}
    mistakes = []
    for index, job in enumerate(jobs):
        name = job.get("name") if isinstance(job, dict) else None
        if isinstance(name, str) and (earlier := first.setdefault(name.casefold(), index)) != index:
            text = f"the name {name!r} is taken by jobs[{earlier}] of this file (upper and lower case are the same)"
            mistakes.append(Mistake(text, "give each job its own name", ("jobs", index, "name")))
    return mistakes


def _validated(model: type[Model], raw: object, path: Path, mistakes: list[Mistake]) -> Model | None:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        for mistake in mistakes_of(error, known=lambda below: _known_keys(model, below), patterns=PATTERNS):
            below = mistake.path[1:] if mistake.path[:1] == ("control",) else mistake.path
            remedy = mistake.remedy or meant_value(raw, mistake.path)
            mistakes.append(Mistake(mistake.message, remedy, path + below))
        return None


def _known_keys(model: type[BaseModel], below: Path) -> Sequence[str]:
    """What an unknown key under `below` may have been meant for."""
    if below[:1] == ("control",):
        inner = below[1] if len(below) > 1 else ""
        if inner in ("pause", "resume"):
            return SCOPES
        if inner == "give-up":
            return (*CONTROLS, "items")
        if not inner:
            return CONTROLS
        return tuple(Adoption.model_fields) if inner == "adopt" else (*CONTROLS, "items", "state")
    nested: dict[str | int, type[BaseModel]] = {
        "after": AfterJobs,
        "stop_after": StopAfter,
        "retry": Retry,
        "table": JobRows,
    }
    return tuple((nested.get(below[0], model) if below else model).model_fields)
