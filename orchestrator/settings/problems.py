"""Converts validation errors of the configuration to messages: one line each, with the key and how to fix it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from orchestrator.domain.messages.problems import Problem
from orchestrator.domain.queue_file.validation_messages import TAG
from orchestrator.settings.accounts import OnAnyOf
from orchestrator.settings.model import Settings

KeyPath = tuple[str, ...]
"""The path of a key: `("accounts", "ica", "budget")`."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Finds out whether a value came from the file or from an environment variable."""

    variables: Mapping[KeyPath, str]
    file: Mapping[str, Any]

    def of(self, path: KeyPath) -> str:
        """The suffix for a problem with the key at `path` that names its variables; empty if the file sets the key."""
        above = next((name for end in range(len(path), 0, -1) if (name := self.variables.get(path[:end]))), None)
        if above is not None:
            return f" (set by {above})"
        # The innermost mapping around the key, or the key itself, that only variables set.
        for end in range(len(path), min(len(path) - 1, 1), -1):
            below = sorted(name for key, name in self.variables.items() if key[:end] == path[:end])
            if below and not holds(self.file, path[:end]):
                return f" ({'' if end == len(path) else '.'.join(path[:end]) + ' is '}set by {', '.join(below)})"
        return ""


def holds(values: Any, path: KeyPath) -> bool:  # noqa: ANN401 - walks into any value
    """Whether `values` contains the key at `path`."""
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def explain(error: ValidationError, origins: Origins, model: type[Settings] = Settings) -> list[Problem]:
    """Convert pydantic's errors to problems, without the values that were given.

    Args:
        error: the error of validating `Settings`.
        origins: where each key was set.
        model: the validated model.
    """
    return [_explain(found, origins, model) for found in error.errors(include_url=False, include_input=False)]


def _explain(found: Mapping[str, Any], origins: Origins, model: type[Settings]) -> Problem:
    place = tuple(str(part) for part in found["loc"] if part != "[key]")
    path = tuple(part for part in place if not part.startswith(TAG))
    if found["type"] == "extra_forbidden":
        text = _unknown(path[-1], known_keys(place[:-1], model))
    else:
        text = _about_accounts(path, found["type"]) or _TEXTS.get(found["type"], _pydantic_message)(found, path)
    return Problem(".".join(path), text + origins.of(path))


def _about_accounts(path: KeyPath, kind: str) -> str | None:
    if path != ("accounts",):
        return None
    if kind in {"missing", "too_short"}:
        return "is missing: name at least one account, as in config.example.yaml, or let `orchestrator init` write one"
    return "must be a mapping from names to accounts, at least one, as in config.example.yaml"


def _unknown(key: str, known: Sequence[str]) -> str:
    alike = get_close_matches(key, known, n=1)
    return f"unknown key; did you mean {alike[0]}?" if alike else f"unknown key; known here: {', '.join(known)}"


def known_keys(path: KeyPath, settings: type[Settings] = Settings) -> list[str]:
    """The keys that a file may have under `path`; empty if it is not a mapping.

    Below an account, `path` contains the tag of the account's model, as in pydantic's errors.
    """
    place: Any = settings
    for part in path:
        if get_origin(place) is dict:
            place = get_args(place)[1]
            continue
        if part.startswith(TAG):
            place = next(each for each in get_args(place) if isinstance(each, OnAnyOf)).model(part)
            continue
        model = _model_in(place)
        if model is None or part not in model.model_fields:
            return []
        place = model.model_fields[part].annotation
    model = _model_in(place)
    return [name for name, field in model.model_fields.items() if not field.exclude] if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - an annotation is any object
    """The section in an annotation such as `Server | None`."""
    candidates = (annotation, *get_args(annotation))
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)


def _own_message(found: Mapping[str, Any], _path: KeyPath) -> str:
    return str(found["ctx"]["error"])


def _pydantic_message(found: Mapping[str, Any], _path: KeyPath) -> str:
    message = str(found["msg"])
    return message[:1].lower() + message[1:]


def _always(text: str) -> Callable[[Mapping[str, Any], KeyPath], str]:
    return lambda _found, _path: text


def _limit(text: str, name: str) -> Callable[[Mapping[str, Any], KeyPath], str]:
    return lambda found, _path: f"{text} {found['ctx'][name]}"


_WHOLE = _always("must be a whole number")
_NUMBER = _always("must be a number")
_FLAG = _always("must be true or false")
_TEXT = _always("must be text: put it in quotes")
_LIST = _always("must be a list: [first, second]")
_MAPPING = _always("must be a mapping of keys to values; leave it out to take the defaults")
_CHOICE = _limit("must be", "expected")

_TEXTS: Mapping[str, Callable[[Mapping[str, Any], KeyPath], str]] = MappingProxyType(
    {
        "bool_parsing": _FLAG,
        "bool_type": _FLAG,
        "dict_type": _MAPPING,
        "enum": _CHOICE,
        "finite_number": _NUMBER,
        "float_parsing": _NUMBER,
        "float_type": _NUMBER,
        "greater_than": _limit("must be more than", "gt"),
        "greater_than_equal": _limit("must be at least", "ge"),
        "int_from_float": _WHOLE,
        "int_parsing": _WHOLE,
        "int_type": _WHOLE,
        "less_than_equal": _limit("must be at most", "le"),
        "literal_error": _CHOICE,
        "missing": _always("is missing"),
        "model_attributes_type": _MAPPING,
        "model_type": _MAPPING,
        "string_pattern_mismatch": _always("must be letters, digits, dots, dashes and underscores, at most 64"),
        "string_type": _TEXT,
        "tuple_type": _LIST,
        "value_error": _own_message,
    }
)
