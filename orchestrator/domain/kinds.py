"""What a kind of work is: what its items must hold, what names an item. Each platform brings its own kinds."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestrator.domain.mistake import Mistake, Path
from orchestrator.domain.queue_file.nearest import did_you_mean
from orchestrator.domain.queue_file.validation_messages import mismatch, mistakes_of

NO_ENGINE = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of work."""

    name: str
    """The platform's name, a dot, and what is done there."""
    keys: tuple[str, ...]
    """The fields of an item that may name it inside its job, dots between the levels: the first that it has does."""
    batch_size: int
    """Items a submission, where the account does not say."""
    models: Mapping[str | None, type[BaseModel]] = field(repr=False)
    """What an item must look like, by the job's engine; a kind without engines has the one key None."""
    project: str | None = None
    """What the project must look like."""
    patterns: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Each regular expression of the models and of `project` → what it asks for, in words."""

    ids: frozenset[str] = field(default=frozenset(), repr=False)
    """Those of the patterns that an id must match."""
    data: str | None = field(default=None, repr=False)
    """Matches an id of data inside an item as it is sent, where two items that read the same data are worth a note."""

    @property
    def platform(self) -> str:
        """The platform that does it."""
        return self.name.partition(".")[0]

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines to choose from; empty when there is nothing to choose."""
        return tuple(engine for engine in self.models if engine is not None)

    @property
    def fields(self) -> frozenset[str]:
        """The fields of an item that are known, whatever the engine."""
        return frozenset(name for model in self.models.values() for name in model.model_fields)

    @property
    def setting(self) -> str:
        """Its name inside an account's settings: without the platform."""
        return self.name.partition(".")[2]

    @property
    def key_paths(self) -> tuple[Path, ...]:
        """`keys` as paths into an item."""
        return tuple(tuple(key.split(".")) for key in self.keys)

    @property
    def key(self) -> str:
        """The fields that may name an item, for messages."""
        return " or ".join(self.keys)

    def key_of(self, item: Mapping[str, Any]) -> str | None:
        """What names this item; None where no field does, which its model reports."""
        for key in self.keys:
            value: Any = item
            for part in key.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
            if value is not None:
                return value if isinstance(value, str) and value else None
        return None

    def mistakes_of_project(self, project: str) -> Iterator[Mistake]:
        """What is wrong with the job's project."""
        if self.project and not re.fullmatch(self.project, project):
            words = self.patterns.get(self.project, f"does not match {self.project}")
            message, remedy = mismatch(project, words, is_id=True)
            yield Mistake(message, remedy or "take the project's id, not its name", ("project",))

    def mistakes_of_engine(self, engine: str | None) -> Iterator[Mistake]:
        """What is wrong with the job's engine."""
        if engine in self.models:
            return
        if not self.engines:
            yield Mistake(f"{self.name} has no engine", "leave `engine` out", ("engine",))
        else:
            text = "is missing" if engine is None else f"{engine!r} is none of this kind"
            meant = did_you_mean(engine, self.engines) if engine else None
            yield Mistake(f"`engine` {text}", meant or "one of " + ", ".join(self.engines), ("engine",))

    def mistakes_of_item(self, item: Mapping[str, Any], engine: str | None) -> tuple[Mistake, ...]:
        """What is wrong with one item, with paths below it; empty for a good one. Unknown fields are none of ours."""
        model = self.models.get(engine)
        if model is None:
            return ()
        try:
            model.__pydantic_validator__.validate_python(item)  # what `model_validate` does, but for its options
        except ValidationError as error:
            return tuple(mistakes_of(error, known=lambda _below: (), patterns=self.patterns, ids=self.ids))
        return ()


class Kinds(Mapping[str, Kind]):
    """The kinds of work that there are, by name, and the names of those to come."""

    def __init__(self, kinds: Iterable[Kind], planned: Iterable[str] = ()) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self.planned = frozenset(planned) - self._kinds.keys()
        """Kinds with a name already, which this version refuses."""

    def __getitem__(self, name: str) -> Kind:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def __hash__(self) -> int:
        return hash(frozenset(self._kinds))

    @property
    def engines(self) -> tuple[str, ...]:
        """Every engine of every kind, each once."""
        return tuple(dict.fromkeys(engine for kind in self._kinds.values() for engine in kind.engines))


def find_kind(name: str, kinds: Kinds) -> Kind | Mistake:
    """The kind of that name, or why there is none."""
    if kind := kinds.get(name):
        return kind
    known = did_you_mean(name, kinds) or "known are " + ", ".join(kinds)
    if name in kinds.planned:
        return Mistake(f"{name} is not available in this version", known, ("kind",))
    return Mistake(f"{name!r} is no kind of work", known, ("kind",))
