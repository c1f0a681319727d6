"""Queue files for ICA's work on data and samples, from their bytes to a report and a plan."""

import json
import re
from pathlib import Path

import pytest
from commands import Desk

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.validation.check import check
from orchestrator.platforms.registry import KINDS

PROJECT = "11111111-1111-1111-1111-111111111111"
ACCOUNTS = {"ica": AccountLimits("ica", 5000)}
DOC = Path(__file__).parents[2] / "docs/platforms.md"
COPY = {"copyUserTags": True, "copyTechnicalTags": False, "copyInstrumentInfo": False, "actionOnExist": "SKIP"}
DATUM = {"dataId": "fil.1"}
ITEMS = {
    "data_unlinking": DATUM,
    "data_copy": DATUM,
    "data_move": DATUM,
    "data_update": DATUM | {"technicalTags": {"addTags": ["a"]}, "clearWillBeDeletedAt": True, "newField": 1},
    "sample_creation": {"sampleToCreate": {"name": "NA12878 é", "description": "x"}, "dataToLink": [DATUM]},
    "bundle_linking": DATUM,
    "bundle_unlinking": {"dataId": "fol.1"},
}
OPTIONS = {"data_copy": COPY, "data_move": {"destinationFolderId": "fol.1"}}


def job(kind, item=None, **more):
    """A job of one item."""
    asked = {"name": "a", "kind": f"ica.{kind}", "account": "ica", "project": PROJECT, "items": [item or ITEMS[kind]]}
    return asked | ({"options": OPTIONS[kind]} if kind in OPTIONS else {}) | more


async def mistakes(path):
    with await check(path, ACCOUNTS) as report:
        return [str(mistake) for mistake in report.mistakes]


async def mistakes_of(tmp_path, asked):
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": [asked]}, indent=1))
    return await mistakes(tmp_path / "a.json")


@pytest.mark.parametrize("kind", ITEMS)
async def test_the_platforms_own_objects_pass(tmp_path, kind):
    """Fields that nobody knows pass too; the key of each is that of its kind."""
    assert await mistakes_of(tmp_path, job(kind)) == []
    expected = "NA12878 é" if kind == "sample_creation" else ITEMS[kind]["dataId"]
    assert KINDS[f"ica.{kind}"].key_of(ITEMS[kind]) == expected


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (job("data_unlinking", {"dataId": "report.pdf"}), "must be an id such as fil.0a1b"),
        (job("data_unlinking", options={}), "ica.data_unlinking has no options"),
        (job("data_copy", options={"actionOnExist": "SKIP"}), "options.copyUserTags: `copyUserTags` is missing"),
        (job("data_copy", options=COPY | {"actionOnExist": "REPLACE"}), "options.actionOnExist"),
        (job("data_copy", options=COPY | {"copyUserTags": "yes"}), "options.copyUserTags: must be true or false"),
        (job("data_copy", options=COPY | {"destination": "fol.1"}), "options.destination: `destination` is not a key"),
        (job("data_move", options={"destinationFolderId": "my folder"}), "options.destinationFolderId"),
        (job("data_update", DATUM | {"dataIds": ["fil.9"], "userTags": {"addTags": ["a"]}}), "dataIds: is made of the"),
        (job("data_update", DATUM), "changes nothing: name tags, a time, or a time to clear"),
        (job("data_update", DATUM | {"userTags": {"addTags": []}}), "changes nothing"),
        (job("data_update", DATUM | {"willBeDeletedAt": "2031-01-30"}), "is no time in UTC"),
        (job("data_update", DATUM | {"willBeDeletedAt": "٢٠٣١-01-30T08:30:00Z"}), "is no time in UTC"),
        (job("data_update", DATUM | {"willBeDeletedAt": "2031-02-30T08:30:00Z"}), "is a time that no calendar has"),
        (job("data_update", DATUM | {"willBeDeletedAt": "2031-02-28T24:30:00Z"}), "is a time that no calendar has"),
        (
            job("data_update", DATUM | {"willBeDeletedAt": "2031-01-30T08:30:00Z", "clearWillBeDeletedAt": True}),
            "has both `willBeDeletedAt` and `clearWillBeDeletedAt`",
        ),
        (job("sample_creation", {"sampleToCreate": {"description": "x"}}), "`name` is missing"),
        (job("sample_creation", {"sampleToCreate": {"name": "a\u0007"}}), "U+0007"),
        (job("sample_creation", {"sampleToCreate": {"name": "NA\u200b12"}}), "holds U+200B ZERO WIDTH SPACE behind NA"),
        (
            job("sample_creation", {"sampleToCreate": {"name": "s", "tags": {"technicalTags": ["orc-batch=1"]}}}),
            "begins as the tags do by which",
        ),
        (job("bundle_linking", project="my bundle"), "is no UUID"),
    ],
)
async def test_a_mistake_says_what_to_write_instead(tmp_path, asked, told):
    """With its line and field, before anything is sent."""
    found = await mistakes_of(tmp_path, asked)
    assert any(told in line for line in found), found
    assert all(re.search(r"line \d+", line) for line in found), found


async def test_two_items_of_one_sample_are_a_mistake(tmp_path):
    """The key is a field of a field."""
    twice = [{"sampleToCreate": {"name": "s1"}}] * 2
    found = await mistakes_of(tmp_path, job("sample_creation") | {"items": twice})
    assert any("has the same sampleToCreate.name as" in line for line in found), found


async def test_samples_come_from_a_table(tmp_path):
    """Each row is a sample with its data; a cell of the right type sets a flag."""
    template = {
        "sampleToCreate": {"name": "${sample}"},
        "dataToLink": [{"dataId": "${r1}"}, {"dataId": "${r2}"}],
        "completeSample": "${complete:bool}",
    }
    asked = job("sample_creation") | {"template": template, "table": "t.csv"}
    del asked["items"]
    (tmp_path / "t.csv").write_text("sample,r1,r2,complete\ns1,fil.1,fil.2,true\ns2,fil.3,fil.4,false\n")
    assert await mistakes_of(tmp_path, asked) == []
    (tmp_path / "t.csv").write_text("sample,r1,r2,complete\ns1,fil.1,fil.2,perhaps\n")
    assert any("t.csv, line 2" in line for line in await mistakes_of(tmp_path, asked))


async def test_the_examples_of_the_documentation_have_no_mistakes(tmp_path):
    """The options of a copy, changes and samples, as docs/platforms.md shows them."""
    section = DOC.read_text().partition("### Options of copies and moves")[2].partition("### Statuses of ICA")[0]
    copy, update, samples = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    head = f"    account: ica\n    project: {PROJECT}\n"
    text = f"version: 1\njobs:\n{copy}"
    text += f"  - name: update\n    kind: ica.data_update\n{head}{update}"
    text += f"  - name: samples\n    kind: ica.sample_creation\n{head}{samples}"
    (tmp_path / "a.yaml").write_text(text)
    assert await mistakes(tmp_path / "a.yaml") == []


def test_a_plan_knows_every_kind(tmp_path):
    """Batches, requests and time of each, and its first item as it will be sent."""
    desk = Desk(tmp_path)
    jobs = [job(kind) | {"name": kind} for kind in ITEMS]
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "jobs": jobs}) + "\n")
    ended = desk.run("validate", str(tmp_path / "a.json"), "--plan")
    assert ended.code == 0, ended.out
    for kind in ITEMS:
        assert re.search(rf"{kind}\b.*1 batch", ended.out), ended.out
