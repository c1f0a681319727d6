"""The queue file as a JSON Schema: every kind with an example, and neither stricter nor blinder than `validate`."""

import copy
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from queue_documents import blocks_of, example_files, parsed

from orchestrator.domain.queue_file.editor_schema import json_schema
from orchestrator.domain.queue_file.model import read
from orchestrator.platforms.registry import KINDS, PLATFORMS

SCHEMA = json_schema(KINDS)
VALIDATOR = Draft202012Validator(SCHEMA)
ROOT = Path(__file__).parents[4]
DOCUMENTED = [
    pytest.param(text, id=f"{page.name}-{number}")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for number, text in enumerate(blocks_of(page, "yaml"))
    if text.startswith("version: 1\n")
]


def mistakes(document):
    """Where and why the schema refuses a document."""
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def job_of(kind, /, **changes):
    """A document with the example of a kind, changed."""
    return {"version": 1, "jobs": [copy.deepcopy(dict(KINDS[kind].example_job)) | changes]}


def test_the_schema_is_a_schema():
    """Of the dialect that it names."""
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_everything_of_ours_is_strict_and_described():
    """Unknown keys are mistakes outside the items, and each key says what it is for."""
    ours = [SCHEMA, *(SCHEMA["$defs"][name] for name in ("QueuedJob", "AfterJobs", "StopAfter", "Retry"))]
    assert all(each["additionalProperties"] is False for each in ours)
    assert [name for each in ours for name, key in each["properties"].items() if "description" not in key] == []


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_has_an_example_and_says_what_it_does(name):
    """In its declaration; `schema`, `report` and the documentation show both."""
    kind = KINDS[name]
    assert kind.example, f"{name} has no example: add `example=` to its Kind, the fields of a job beyond name and kind"
    assert re.fullmatch(r"[A-Z].*\.", kind.about), f"{name}: add `about=` to its Kind, one sentence"


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.example])
def test_each_example_is_without_mistakes(name):
    """By the schema, by the reader of queue files and by the model of its items."""
    kind, document = KINDS[name], job_of(name)
    assert mistakes(document) == []
    assert document in SCHEMA["examples"]
    (job,) = read(document).jobs
    assert job is not None, read(document).mistakes
    found = [*kind.mistakes_of_options(job.options), *kind.mistakes_of_engine(job.engine)]
    found += kind.mistakes_of_project(job.project) if job.project else []
    found += [each for item in job.items for each in kind.mistakes_of_item(item, job.engine)]
    assert found == []
    assert all(kind.key_of(item) for item in job.items)


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_described_with_the_fields_of_its_items(name):
    """A wrong type in a known field is a mistake, in items and in a template; an unknown field that is sent passes."""
    key = KINDS[name].keys[0].split(".")
    item = wrong = {"unknownField": {"passes": "through"}}
    for part in key[:-1]:
        wrong = wrong.setdefault(part, {})
    wrong[key[-1]] = ["no text"]
    job = {name: value for name, value in KINDS[name].example_job.items() if name != "items"}
    assert [each for each in mistakes({"version": 1, "jobs": [job | {"items": [item]}]}) if key[-1] in each]
    templated = mistakes({"version": 1, "jobs": [job | {"table": "t.csv", "template": item}]})
    assert templated
    passes = not KINDS[name].follow_only and name != "odm.publish"
    assert passes is not any("unknownField" in each for each in templated)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.example])
def test_a_template_needs_no_whole_item_and_takes_placeholders(name):
    """What a table fills in may stand for every value, and a template may leave to the rows what an item needs."""

    def filled(value):
        match value:
            case dict():
                return {key: filled(each) for key, each in value.items()}
            case list():
                return "${list[]}"
            case _:
                return "${?cell:int}"

    job = {key: value for key, value in KINDS[name].example_job.items() if key != "items"} | {"table": "t.csv"}
    template = filled(KINDS[name].example["items"][0])
    assert mistakes({"version": 1, "jobs": [job | {"template": template}]}) == []
    assert mistakes({"version": 1, "jobs": [job | {"template": {}}]}) == []


FIRST = next(name for name, kind in KINDS.items() if kind.engines)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "ica.analysis"}, "'ica.analysis' is not one of"),
        ({"projekt": "p"}, "'projekt' was unexpected"),
        ({"project": "cohort 7"}, "'cohort 7' does not match"),
        ({"engine": "snakemake"}, "'snakemake' is not one of"),
        ({"priority": 10}, "10 is greater than the maximum"),
        ({"items": [{"userReference": "s1"}]}, "'pipelineId' is a required property"),
    ],
)
def test_what_is_wrong_is_marked(changes, says):
    """Names, choices, ranges, patterns, and fields that an item needs."""
    assert any(says in each for each in mistakes(job_of(FIRST, **changes)))


@pytest.mark.parametrize("file", example_files(), ids=lambda file: file.name)
def test_every_example_file_is_without_mistakes(file):
    """As an editor sees it."""
    assert mistakes(parsed(file.read_text())) == []


@pytest.mark.parametrize("text", DOCUMENTED)
def test_every_queue_file_of_the_documentation_is_without_mistakes(text):
    """As an editor sees it."""
    assert mistakes(parsed(text)) == []


def test_an_editor_can_insert_a_job_of_each_kind():
    """The snippets are the examples."""
    snippets = SCHEMA["properties"]["jobs"]["items"]["defaultSnippets"]
    assert [each["label"] for each in snippets] == [name for name, kind in KINDS.items() if kind.example]
    choices = SCHEMA["$defs"]["QueuedJob"]["properties"]["kind"]
    assert len(choices["enum"]) == len(choices["enumDescriptions"]) == len(PLATFORMS.kinds)
