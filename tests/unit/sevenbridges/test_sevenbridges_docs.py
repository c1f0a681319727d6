"""What the documentation says of Seven Bridges, held against the program."""

import json
import re
from pathlib import Path

import pytest

from orchestrator.platforms.http.calls import Call, Effect
from orchestrator.platforms.http.responses import Head, error_of, read_hints
from orchestrator.platforms.rate_limit.lanes import Lane
from orchestrator.platforms.registry import PLATFORMS
from orchestrator.platforms.sevenbridges.classification import classify

DOCS = Path(__file__).parents[3] / "docs"


def test_every_kind_and_address_is_documented():
    """A kind that nobody can look up is a kind that nobody uses."""
    text = (DOCS / "platforms.md").read_text()
    declared = PLATFORMS["sevenbridges"]
    named = [f"`{kind.name}`" for kind in declared.kinds] + [f"`{url}`" for url in declared.base_urls]
    assert [name for name in named if name not in text] == []


def error_table():
    """Each status of the table of errors, with the code that it needs and the errors of a question and a submission."""
    section = (DOCS / "platforms.md").read_text().partition("## Seven Bridges")[2].partition("### Errors")[2]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0][:1].isdigit():
            code = re.search(r"code ([0-9]+)", cells[0])
            statuses = re.sub(r"code [0-9]+", "", cells[0])
            for status in re.findall(r"[0-9]{3}", statuses):
                yield int(status), code[1] if code else "7000", cells[1].strip("`"), cells[2].strip("`")


@pytest.mark.parametrize(("status", "code", "asked", "sent"), list(error_table()))
def test_the_table_of_errors_is_what_the_program_makes_of_them(status, code, asked, sent):
    """By status and code, for requests that may be repeated and for those that may not."""
    body = json.dumps({"status": status, "code": int(code), "message": "", "more_info": ""}).encode()
    headers = {"content-type": "application/json"}
    head = Head(status, headers, read_hints(headers, 0, 300.0))
    for effect, expected in ((Effect.SAFE, asked), (Effect.UNSAFE, sent)):
        call = Call(method="POST", path="/tasks", lane=Lane.SUBMIT, effect=effect, route="tasks/create")
        assert type(error_of(call, "host", head, body, classify=classify)).__name__ == expected


def test_the_table_of_errors_has_its_rows():
    """An empty table would prove nothing."""
    assert len(list(error_table())) > 12
