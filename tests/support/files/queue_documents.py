"""Queue files that people read: those of `examples/` and of the documentation."""

import re
from pathlib import Path
from typing import Any

import yaml

from orchestrator.intake.reading.plain_yaml import meaning

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"


def example_files() -> list[Path]:
    """The queue files of the examples."""
    return sorted(EXAMPLES.rglob("*.yaml"))


def blocks_of(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in this language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"(?m)^{indent}", "", text) for indent, text in found]


def parsed(text: str) -> Any:
    """A YAML document as a queue file is read: only the literals of JSON are typed."""
    return _value(yaml.compose(text, Loader=yaml.BaseLoader))


def _value(node: yaml.Node | None) -> Any:
    match node:
        case yaml.MappingNode():
            return {key.value: _value(value) for key, value in node.value}
        case yaml.SequenceNode():
            return [_value(each) for each in node.value]
        case yaml.ScalarNode(style=None):
            return meaning(node.value)
        case yaml.ScalarNode():
            return node.value
    return None
