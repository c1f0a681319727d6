"""Kinds of work: the fields of their items and how an item is named. Each platform defines its kinds."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, get_args

from pydantic import BaseModel, RootModel, ValidationError

from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.model import CREATION, Stage
from orchestrator.domain.queue_file.nearest import did_you_mean, nearest
from orchestrator.domain.queue_file.template import value_at
from orchestrator.domain.queue_file.validation_messages import mismatch, mistakes_of

NO_ENGINE = None
_OF_SENDING = ("max_open", "stop_after", "retry")
"""The keys of a job about what is sent, and sent again."""


@dataclass(frozen=True, slots=True)
class Oddity:
    """A value in an item that is sent as it is, and was probably meant otherwise."""

    value: str
    message: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of work."""

    name: str
    """The platform's name, a dot, and what is done there."""
    stage: Stage
    """What the status of its items speaks of."""
    keys: tuple[str, ...]
    """The fields of an item that may be its key, with dots between levels; the first that exists is used."""
    batch_size: int
    """Default number of items per submission."""
    models: Mapping[str | None, type[BaseModel]] = field(repr=False)
    """The model of an item, by the job's engine; a kind without engines has the single key None."""
    project: str | None = None
    """What the project must look like; None: this work belongs to no project."""
    project_of_item: Path = ()
    """Where an item may name its project, which has to be the job's; empty: it may name any, or none."""
    max_batch_size: int | None = None
    """Items that one submission may hold; None: as many as the account says."""
    created_first: bool = False
    """The stage `creation` comes before: an item's own object is created later than its batch, or has not begun."""
    follow_only: bool = False
    """Nothing is sent: the items name what is there, and it is followed."""
    abortable: bool = False
    """Whether the platform can be asked to stop what became of an item."""
    options: type[BaseModel] | None = field(default=None, repr=False)
    """What a job may say of all its items at once; None: nothing."""
    requests: int = 1
    """Requests that one submission takes."""
    patterns: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Regular expression of the models or of `project` → its description for messages."""
    ids: frozenset[str] = field(default=frozenset(), repr=False)
    """Those of the patterns that an id must match."""
    about: str = ""
    """What it does, in one sentence."""
    example: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The fields of a job of this kind beyond `name`, `kind` and `account`, as they could stand in a queue file."""
    data: str | None = field(default=None, repr=False)
    """Matches an id of data inside an item as it is sent, where two items that read the same data are worth a note."""
    repeats: frozenset[str] = frozenset()
    """Keys of objects inside an item that take one text alone: a list of a table makes an object for each value."""
    qualifier: str | None = None
    """The field that is put before the key, with a colon, in a job whose items differ in it; None: no such field."""
    further: Callable[[Mapping[str, Any]], Iterable[Mistake]] | None = field(default=None, repr=False)
    """The mistakes in an item that its model does not see, with paths below the item."""
    odd: Callable[[Mapping[str, Any]], Iterable[Oddity]] | None = field(default=None, repr=False)
    """What is worth a note in an item that is right."""

    @property
    def example_job(self) -> Mapping[str, Any]:
        """A whole job of this kind, with an account named like the platform."""
        name = f"{self.setting.replace('_', '-')}-1"
        return {"name": name, "kind": self.name, "account": self.platform} | dict(self.example)

    @property
    def platform(self) -> str:
        """The name of its platform."""
        return self.name.partition(".")[0]

    @property
    def first_stage(self) -> Stage:
        """What the first report about an item speaks of."""
        return CREATION if self.created_first else self.stage

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines to choose from; empty for a kind without engines."""
        return tuple(engine for engine in self.models if engine is not None)

    @property
    def fields(self) -> frozenset[str]:
        """The fields of an item that are known, whatever the engine."""
        return frozenset(name for model in self.models.values() for name in _fields_of(model))

    @property
    def setting(self) -> str:
        """Its name in an account's settings: without the platform."""
        return self.name.partition(".")[2]

    @property
    def key_paths(self) -> tuple[Path, ...]:
        """`keys` as paths into an item."""
        return tuple(map(_path_of, self.keys))

    @property
    def identity_paths(self) -> tuple[Path, ...]:
        """The paths of the fields that identify an item within its job."""
        return (*(() if self.qualifier is None else (_path_of(self.qualifier),)), *self.key_paths)

    @property
    def key(self) -> str:
        """The key fields, for messages."""
        return " or ".join(self.keys)

    @property
    def identity(self) -> str:
        """The fields that identify an item within its job, for messages."""
        return self.key if self.qualifier is None else f"{self.qualifier} and {self.key}"

    def key_of(self, item: Mapping[str, Any]) -> str | None:
        """The key of an item; None without one, which the model reports."""
        for key in self.keys:
            value = value_at(item, _path_of(key))
            if value is not None:
                return value if isinstance(value, str) and value else None
        return None

    def qualifier_of(self, item: Mapping[str, Any]) -> str | None:
        """What is put before the key of an item where the items of a job differ in it."""
        value = value_at(item, _path_of(self.qualifier)) if self.qualifier is not None else None
        return value if isinstance(value, str) and value else None

    def qualified_key_of(self, item: Mapping[str, Any]) -> str | None:
        """The key of an item in a job whose items differ in the qualifier; None without one."""
        key = self.key_of(item)
        return None if key is None else qualified(key, self.qualifier_of(item))

    def mistakes_of_project(self, project: str) -> Iterator[Mistake]:
        """The mistakes in the job's project."""
        if self.project is None:
            yield Mistake(f"{self.name} belongs to no project", "leave `project` out", ("project",))
        elif not re.fullmatch(self.project, project):
            described = self.patterns.get(self.project, f"does not match {self.project}")
            message, remedy = mismatch(project, described, is_id=False)
            yield Mistake(message, remedy or "take the project's id, not its name", ("project",))

    def mistakes_of_place(self, item: Mapping[str, Any], project: str | None) -> Iterator[Mistake]:
        """The mistake of an item that is to go into another project than its job's."""
        value = value_at(item, self.project_of_item) if self.project_of_item else None
        if isinstance(value, str) and project and value != project:
            message = f"{value!r} is not the project of the job, {project!r}"
            yield Mistake(message, "leave it out, or write a job for each project", self.project_of_item)

    def mistakes_of_engine(self, engine: str | None) -> Iterator[Mistake]:
        """The mistakes in the job's engine."""
        if engine in self.models:
            return
        if not self.engines:
            yield Mistake(f"{self.name} has no engine", "leave `engine` out", ("engine",))
        else:
            text = "is missing" if engine is None else f"{engine!r} is none of this kind"
            meant = did_you_mean(engine, self.engines) if engine else None
            yield Mistake(f"`engine` {text}", meant or "one of " + ", ".join(self.engines), ("engine",))

    def engine_meant(self, engine: str | None) -> str | None:
        """The engine that a wrong one was probably meant for; the given one where none is near."""
        return (nearest(engine, self.engines) or engine) if engine is not None and engine not in self.models else engine

    def mistakes_of_options(self, options: Mapping[str, Any] | None) -> Iterator[Mistake]:
        """What is wrong with what the job says of all its items, with paths below it."""
        if self.options is None:
            if options is not None:
                yield Mistake(f"{self.name} has no options", "leave `options` out", ("options",))
            return
        try:
            self.options.model_validate(options or {})
        except ValidationError as error:
            known = tuple(self.options.model_fields)
            for each in mistakes_of(error, known=lambda below: () if below else known, patterns=self.patterns):
                yield replace(each, path=("options", *each.path))

    def mistakes_of_sending(self, job: Mapping[str, Any]) -> Iterator[Mistake]:
        """What a job says of how its items are sent, where nothing is."""
        for key in _OF_SENDING:
            if self.follow_only and job.get(key) is not None:
                message = f"says how items are sent, and nothing of {self.name} is: it only follows"
                yield Mistake(message, f"leave `{key}` out", (key,))

    def mistakes_of_item(self, item: Mapping[str, Any], engine: str | None) -> tuple[Mistake, ...]:
        """The mistakes in one item, with paths below it. Unknown fields are allowed.

        Where the engine is none of this kind, those that the item has with every one of them.
        """
        model = self.models.get(engine)
        if model is not None:
            further = self.further(item) if self.further is not None else ()
            return (*self._mistakes_by(model, item), *further)
        first, *others = (self._mistakes_by(each, item) for each in self.models.values())
        return tuple(mistake for mistake in first if all(mistake in found for found in others))

    def _mistakes_by(self, model: type[BaseModel], item: Mapping[str, Any]) -> tuple[Mistake, ...]:
        try:
            model.__pydantic_validator__.validate_python(item)  # as `model_validate`, without its options
        except ValidationError as error:
            known = sorted(self.fields)
            of_item = mistakes_of(
                error, known=lambda below: () if below else known, patterns=self.patterns, ids=self.ids
            )
            return tuple(of_item)
        return ()


@cache
def _path_of(field: str) -> Path:
    """The path to a field of an item, which is written with dots."""
    return tuple(field.split("."))


def qualified(key: str, qualifier: str | None) -> str:
    """A key with what qualifies it, as it is stored in a job whose items differ in that."""
    return key if qualifier is None else f"{qualifier}:{key}"


def _fields_of(annotation: object) -> Iterator[str]:
    """The fields of a model; of a union, those of each."""
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        yield from _fields_of(annotation.model_fields["root"].annotation)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from annotation.model_fields
    else:
        for each in get_args(annotation):
            yield from _fields_of(each)


class Kinds(Mapping[str, Kind]):
    """The supported kinds of work by name."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def __getitem__(self, name: str) -> Kind:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def __hash__(self) -> int:
        return hash(frozenset(self._kinds))

    @cached_property
    def engines(self) -> tuple[str, ...]:
        """Every engine of every kind, each once."""
        return tuple(dict.fromkeys(engine for kind in self._kinds.values() for engine in kind.engines))


def find_kind(name: str, kinds: Kinds) -> Kind | Mistake:
    """The kind of that name, or a mistake that says why there is none."""
    if kind := kinds.get(name):
        return kind
    known = did_you_mean(name, kinds) or "known are " + ", ".join(kinds)
    return Mistake(f"{name!r} is no kind of work", known, ("kind",))
