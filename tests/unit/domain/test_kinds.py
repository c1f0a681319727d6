"""The kinds of work: what an item must hold."""

import copy
import json

import pytest

from orchestrator.domain.kinds import find_kind
from orchestrator.domain.messages.mistake import Mistake, spell
from orchestrator.platforms.registry import KINDS

ANALYSIS = KINDS["ica.analysis_creation"]
LINKING = KINDS["ica.data_linking"]
PIPELINE = "f606f580-d476-47a8-9679-9ddb39fcb0a8"
GOOD = {
    "nextflow": {
        "userReference": "run-0172/s1",
        "pipelineId": PIPELINE,
        "tags": {"technicalTags": ["a"], "userTags": [], "referenceTags": None},
        "analysisStorageId": PIPELINE,
        "analysisInput": {
            "inputs": [
                {"parameterCode": "fastqs", "dataIds": ["fil.1"], "mounts": [{"dataId": "fil.2", "mountPath": "p"}]}
            ],
            "parameters": [{"code": "a", "value": "true"}, {"code": "b", "multiValue": ["x"]}],
        },
        "analysisOutput": [{"sourcePath": "/a", "targetProjectId": PIPELINE, "targetPath": "/b", "type": "FOLDER"}],
    },
    "nextflow_json": {
        "userReference": "r",
        "pipelineId": PIPELINE,
        "inputFormValues": {
            "fields": [{"id": "reads", "dataValues": [{"dataId": "fil.1"}]}, {"id": "x", "values": ["1"]}],
            "groups": [{"id": "tumour", "values": [{"values": [{"id": "bam", "values": ["1"]}]}]}],
        },
    },
    "cwl": {
        "userReference": "r",
        "pipelineId": PIPELINE,
        "analysisInput": {"objectType": "JSON", "inputJson": "{}", "dataIds": ["fol.1"]},
    },
}


def paths(mistakes):
    return sorted(spell(mistake.path) for mistake in mistakes)


@pytest.mark.parametrize("engine", GOOD)
def test_a_good_analysis_has_no_mistakes(engine):
    """The platform's own objects pass, with null where it allows null."""
    assert ANALYSIS.mistakes_of_item(GOOD[engine], engine) == ()


@pytest.mark.parametrize("engine", GOOD)
def test_unknown_fields_pass(engine):
    """What the platform may have added since is none of our business, at any depth."""
    item = copy.deepcopy(GOOD[engine]) | {"brandNew": {"a": [1]}}
    (item.get("analysisInput") or item["inputFormValues"])["alsoNew"] = 1
    assert ANALYSIS.mistakes_of_item(item, engine) == ()


@pytest.mark.parametrize("reference", ["", "a.b", "a/", "a//b", "a" * 256, "ä", "a\n"])
def test_user_references_are_as_the_platform_wants_them(reference):
    """No dots, no empty parts, 1 to 255 characters."""
    item = GOOD["nextflow"] | {"userReference": reference}
    assert paths(ANALYSIS.mistakes_of_item(item, "nextflow")) == ["userReference"]


def test_every_mistake_of_an_item_is_told():
    """One mistake hides no other, and each has its path."""
    item = {
        "userReference": 172,
        "pipelineId": "my pipeline",
        "tags": {"userTags": "x"},
        "analysisInput": {"inputs": [{"dataIds": ["fil.1", 5]}]},
    }
    expected = [
        "analysisInput.inputs[0].dataIds[1]",
        "analysisInput.inputs[0].parameterCode",
        "pipelineId",
        "tags.userTags",
        "userReference",
    ]
    assert paths(ANALYSIS.mistakes_of_item(item, "nextflow")) == expected


def test_cwl_input_is_checked_as_what_it_says_it_is():
    """`objectType` decides which fields there must be, and must be said."""
    structured = GOOD["cwl"] | {"analysisInput": {"objectType": "STRUCTURED"}}
    assert paths(ANALYSIS.mistakes_of_item(structured, "cwl")) == ["analysisInput.inputs"]
    silent = GOOD["cwl"] | {"analysisInput": {"inputs": []}}
    assert paths(ANALYSIS.mistakes_of_item(silent, "cwl")) == ["analysisInput.objectType"]


def test_our_own_tags_are_reserved():
    """An item may not carry the tags by which we find our analyses again."""
    item = GOOD["nextflow"] | {"tags": {"technicalTags": ["orc-batch=x"]}}
    assert paths(ANALYSIS.mistakes_of_item(item, "nextflow")) == ["tags.technicalTags[0]"]


@pytest.mark.parametrize("data", ["", "a b", "a/b", "a" * 256, 5, None])
def test_data_ids_are_ids(data):
    """A path, a text with blanks or anything but text is no data id."""
    assert paths(LINKING.mistakes_of_item({"dataId": data}, None)) == ["dataId"]


FOUND = {
    "nextflow": [
        (
            {"analysisInput": {"inputs": [{"parameterCode": "r", "dataIds": ["?"]}]}},
            "analysisInput.inputs[0].dataIds[0]",
        ),
        (
            {"analysisInput": {"inputs": [{"parameterCode": "r", "mounts": [{"dataId": "?", "mountPath": "p"}]}]}},
            "analysisInput.inputs[0].mounts[0].dataId",
        ),
        ({"outputParentFolderId": "?"}, "outputParentFolderId"),
        ({"logs": {"logsFolderId": "?"}}, "logs.logsFolderId"),
        (
            {"analysisInput": {"inputs": [], "referenceDataParameters": [{"referenceDataId": "?"}]}},
            "analysisInput.referenceDataParameters[0].referenceDataId",
        ),
    ],
    "nextflow_json": [
        (
            {"inputFormValues": {"fields": [{"id": "reads", "dataValues": [{"dataId": "?"}]}]}},
            "inputFormValues.fields[0].dataValues[0].dataId",
        ),
        (
            {
                "inputFormValues": {
                    "groups": [{"id": "g", "values": [{"values": [{"id": "f", "dataValues": [{"dataId": "?"}]}]}]}]
                }
            },
            "inputFormValues.groups[0].values[0].values[0].dataValues[0].dataId",
        ),
    ],
    "cwl": [
        ({"analysisInput": {"objectType": "JSON", "inputJson": "{}", "dataIds": ["?"]}}, "analysisInput.dataIds[0]"),
        (
            {"analysisInput": {"objectType": "STRUCTURED", "inputs": [{"parameterCode": "r", "dataIds": ["?"]}]}},
            "analysisInput.inputs[0].dataIds[0]",
        ),
    ],
}


@pytest.mark.parametrize("data", ["", "fil x", "fil/2", " fil.1", "fil.1\n"])
@pytest.mark.parametrize(("engine", "place"), [(engine, place) for engine, places in FOUND.items() for place in places])
def test_data_ids_of_analyses_are_ids_too(engine, place, data):
    """Wherever an engine's object names data, the rule of links holds."""
    change, path = place
    item = json.loads(json.dumps(GOOD[engine] | change).replace('"?"', json.dumps(data)))
    assert paths(ANALYSIS.mistakes_of_item(item, engine)) == [path]


def test_folders_may_be_named_by_urn():
    """The platform takes an id or a urn there, and a urn holds slashes."""
    folder = "urn:ilmn:ica:region:c:project:p#/runs of today/172"
    item = GOOD["nextflow"] | {"outputParentFolderId": folder, "logs": {"logsFolderId": "fol.0a1b"}}
    assert ANALYSIS.mistakes_of_item(item, "nextflow") == ()


def test_the_job_is_checked_for_its_kind():
    """ICA projects are UUIDs; analyses need an engine, links have none."""
    assert list(ANALYSIS.mistakes_of_project(PIPELINE)) == []
    assert len(list(ANALYSIS.mistakes_of_project("My project"))) == 1
    assert len(list(ANALYSIS.mistakes_of_project(PIPELINE + "\n"))) == 1
    assert list(ANALYSIS.mistakes_of_engine("cwl")) == []
    assert len(list(ANALYSIS.mistakes_of_engine(None))) == 1
    assert list(LINKING.mistakes_of_engine(None)) == []
    assert len(list(LINKING.mistakes_of_engine("cwl"))) == 1


def test_an_unknown_kind_names_the_known_ones():
    """The remedy is the list of kinds; or the one that was meant, where one begins or ends with it."""
    found = find_kind("ica.nothing", KINDS)
    assert isinstance(found, Mistake)
    assert all(name in (found.remedy or "") for name in KINDS)
    for name, kind in (("ica.analysis", "ica.analysis_creation"), ("data_linking", "ica.data_linking")):
        found = find_kind(name, KINDS)
        assert isinstance(found, Mistake)
        assert found.remedy == f"did you mean `{kind}`?"


def test_an_engine_that_is_wrong_hides_no_mistake_of_an_item():
    """What an item lacks with every engine is reported; what one of them would take is not."""
    for engine in (None, "wdl"):
        found = paths(ANALYSIS.mistakes_of_item({"userReference": "a.b", "analysisInput": {"inputs": "x"}}, engine))
        assert found == ["pipelineId", "userReference"]
