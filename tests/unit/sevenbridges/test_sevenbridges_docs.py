"""What the documentation says of Seven Bridges, held against the program."""

from pathlib import Path

from orchestrator.platforms.registry import PLATFORMS

DOCS = Path(__file__).parents[3] / "docs"


def test_every_kind_and_address_is_documented():
    """A kind that nobody can look up is a kind that nobody uses."""
    text = (DOCS / "platforms.md").read_text()
    declared = PLATFORMS["sevenbridges"]
    named = [f"`{kind.name}`" for kind in declared.kinds] + [f"`{url}`" for url in declared.base_urls]
    assert [name for name in named if name not in text] == []
