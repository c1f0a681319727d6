"""Reads values from the YAML file and the environment, without interpreting them.

Scalars have JSON's types: only `null`, `true`, `false` and JSON numbers are typed, and everything else is text, so that
`NO`, `0172` and `12:30` are kept as written. A duplicate key, an alias or a tag is a mistake.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from orchestrator.domain.messages.problems import Problem
from orchestrator.settings.model import Settings
from orchestrator.settings.problems import KeyPath, holds, known_keys

PREFIX = "ORCHESTRATOR_"
CONFIG_VARIABLE = "ORCHESTRATOR_CONFIG"
DELIMITER = "__"

_LITERAL = re.compile(r"null|true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SERVICE_LINK = re.compile(r"ORCHESTRATOR_(?:SERVICE_HOST|SERVICE_PORT\w*|PORT\w*)")
_PLAIN_TAGS = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


@dataclass(slots=True)
class Reading:
    """The values of a source, and the problems in it."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def variable_for(path: KeyPath) -> str:
    """The environment variable that sets the key at `path`."""
    return PREFIX + DELIMITER.join(path).upper()


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two mappings recursively; `above` takes precedence."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        result[key] = merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return result


# ---------------------------------------------------------------- the file


def read_file(path: Path) -> Reading:
    """Read the file as plain dicts, lists and scalars; errors are returned as problems."""
    try:
        root = yaml.compose(path.read_bytes().decode("utf-8-sig"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return Reading(problems=[_unreadable(path, error)])
    if root is None or (isinstance(root, yaml.ScalarNode) and _scalar(root) is None):
        return Reading()
    if not isinstance(root, yaml.MappingNode):
        return Reading(problems=[Problem(str(path), "must be a mapping of keys to values, as in config.example.yaml")])
    document = _Document()
    return Reading(document.mapping(root, ()), document.problems)


def _unreadable(path: Path, error: OSError | UnicodeDecodeError | yaml.YAMLError) -> Problem:
    match error:
        case OSError():
            return Problem(str(path), f"cannot be read: {error.strerror}")
        case UnicodeDecodeError():
            return Problem(str(path), "is not UTF-8 text")
        case yaml.MarkedYAMLError():
            mark = error.problem_mark or error.context_mark
            place = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
            return Problem(place, f"is not valid YAML: {error.problem or error.context}")
        case _:
            return Problem(str(path), "is not valid YAML: it holds control characters")


class _Document:
    """Converts YAML nodes to plain values and collects problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._seen: set[int] = set()

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._note((*path, "?"), f"on line {line} a key must be a word")
                continue
            key = key_node.value
            if key in lines:
                self._note((*path, key), f"is given twice, on lines {lines[key]} and {line}: keep one")
                continue
            lines[key] = line
            values[key] = self._value(value_node, (*path, key))
        return values

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:  # noqa: ANN401 - a YAML value is any of five types
        line = node.start_mark.line + 1
        if id(node) in self._seen:
            self._note(path, "is an alias (*name): write the values out")
            return None
        self._seen.add(id(node))
        if node.tag not in _PLAIN_TAGS:
            self._note(path, f"on line {line} has a tag ({node.tag}): leave it out")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, str(number))) for number, item in enumerate(node.value)]
        return _scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _note(self, path: KeyPath, text: str) -> None:
        self.problems.append(Problem(".".join(path), text))


def _scalar(node: yaml.ScalarNode) -> Any:  # noqa: ANN401 - any JSON scalar
    if node.style is not None:
        return node.value
    if node.value in {"", "~"}:
        return None
    return json.loads(node.value) if _LITERAL.fullmatch(node.value) else node.value


# ---------------------------------------------------------------- the environment


class Environment(EnvSettingsSource):
    """Reads the `ORCHESTRATOR_*` variables of a mapping. `null` is null; lists and mappings are JSON."""

    def __init__(self, environ: Mapping[str, str], model: type[Settings] = Settings) -> None:
        # Sorted, so that a variable that sets a whole section comes before those that set keys in it.
        ours = {name for name in environ if name.startswith(PREFIX)} - {CONFIG_VARIABLE}
        self._environ = {name: environ[name] for name in sorted(ours)}
        super().__init__(model, case_sensitive=False)

    @property
    def variables(self) -> dict[KeyPath, str]:
        """Key path → the variable that sets it."""
        return {tuple(name.removeprefix(PREFIX).lower().split(DELIMITER)): name for name in self._environ}

    def read(self) -> Reading:
        """Read the values, with a problem for each variable that sets no key."""
        values = self()
        return Reading(values, list(self._lost(values)))

    def _load_env_vars(self) -> Mapping[str, str | None]:
        # The library's implementation reads os.environ.
        return parse_env_vars(self._environ, parse_none_str=self.env_parse_none_str)

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ANN401 - inherited
        """Decode text that begins like a JSON list or object; other text is left to the field's validation."""
        if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
            return value
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value

    def _lost(self, values: Mapping[str, Any]) -> Iterator[Problem]:
        variables = self.variables
        for path, name in variables.items():
            if holds(values, path):
                continue
            above = next((variables[path[:end]] for end in range(1, len(path)) if path[:end] in variables), None)
            yield Problem(name, _why_lost(name, above))


def _why_lost(name: str, above: str | None) -> str:
    if above is not None:
        return f"contradicts {above}: keep one of them"
    if _SERVICE_LINK.fullmatch(name):
        return "unknown variable; Kubernetes sets it for a Service of that name: set enableServiceLinks: false"
    return f"unknown variable; after {PREFIX} may stand {', '.join(known_keys(())).upper()}, or CONFIG"
