"""The table of families: what each sends, what its statuses mean, and which jobs may be its."""

import json

import pytest

from orchestrator.domain.model import BatchKey, ItemState
from orchestrator.domain.submission import Resend
from orchestrator.platforms.ica import statuses
from orchestrator.platforms.ica.batches.data_work import differ
from orchestrator.platforms.ica.batches.families import FAMILIES, SAMPLES
from orchestrator.platforms.ica.kinds import KINDS
from orchestrator.platforms.ica.protocol.wire import Parameters, Sample
from orchestrator.platforms.status_table import state_of

S = ItemState
V3 = "application/vnd.illumina.v3+json"
COPY = {"copyUserTags": True, "copyTechnicalTags": False, "copyInstrumentInfo": False, "actionOnExist": "SKIP"}
SUBJECTS = {
    "ica.analysis_creation": "AnalysisCreationBatch",
    "ica.data_linking": "ProjectDataLinkingBatch",
    "ica.data_unlinking": "ProjectDataUnlinkingBatch",
    "ica.data_copy": "ProjectDataCopyBatch",
    "ica.data_move": "ProjectDataMoveBatch",
    "ica.data_update": "ProjectDataUpdateBatch",
    "ica.sample_creation": "SampleCreationBatch",
    "ica.bundle_linking": "BundleDataLinkingBatch",
    "ica.bundle_unlinking": "BundleDataUnlinkingBatch",
}


def written(**fields):
    return json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()


def test_every_kind_has_a_family():
    """The stage of a kind is that of its family; each family has a route and a path of its own."""
    sent = {kind.name: kind.first_stage for kind in KINDS if not kind.follow_only}
    families = {name: FAMILIES[name] for name in sent}
    assert {name: family.stage for name, family in families.items()} == sent
    assert len({family.name for family in families.values()}) == len(sent)
    assert len({family.at.of("p") for family in families.values()}) == len(sent)


@pytest.mark.parametrize(
    ("table", "words", "state"),
    [
        (statuses.UNLINK, "INITIALISED WAITING_RESOURCES", S.SUBMITTED),
        (statuses.UNLINK, "RUNNING", S.RUNNING),
        (statuses.UNLINK, "UNLINKED ALREADY_UNLINKED", S.SUCCEEDED),
        (statuses.UNLINK, "PARTIALLY_UNLINKED", S.PARTIAL),
        (statuses.COPY, "QUEUED", S.SUBMITTED),
        (statuses.COPY, "COPYING", S.RUNNING),
        (statuses.COPY, "COPIED", S.SUCCEEDED),
        (statuses.COPY, "PARTIALLY_COPIED", S.PARTIAL),
        (statuses.MOVE, "QUEUED", S.SUBMITTED),
        (statuses.MOVE, "MOVING", S.RUNNING),
        (statuses.MOVE, "MOVED", S.SUCCEEDED),
        (statuses.MOVE, "PARTIALLY_MOVED", S.PARTIAL),
        (statuses.UPDATE, "INITIALISED WAITING_RESOURCES", S.SUBMITTED),
        (statuses.UPDATE, "UPDATING", S.RUNNING),
        (statuses.UPDATE, "UPDATED", S.SUCCEEDED),
        (statuses.UPDATE, "PARTIALLY_UPDATED", S.PARTIAL),
        (statuses.SAMPLE, "INITIALIZED WAITING_RESOURCES", S.SUBMITTED),
        (statuses.SAMPLE, "RUNNING", S.RUNNING),
        (statuses.SAMPLE, "SUCCEEDED", S.SUCCEEDED),
        (statuses.SAMPLE, "PARTIALLY_SUCCEEDED", S.PARTIAL),
        (statuses.SAMPLE, "STOPPED", S.ABORTED),
    ],
)
def test_each_status_has_its_state(table, words, state):
    """The tables say what is documented, status by status; `FAILED` is failed everywhere, and others stay open."""
    assert {state_of(word, table) for word in words.split()} == {(state, True)}
    assert state_of("FAILED", table) == (S.FAILED, True)
    assert state_of("HIBERNATING", table) == (S.RUNNING, False)


@pytest.mark.parametrize("kind", SUBJECTS)
def test_a_job_is_of_one_family_by_its_type(kind):
    """A type that nothing is known of rules no family out."""
    for other, subject in SUBJECTS.items():
        assert FAMILIES[kind].may_have(subject) is (other == kind), subject
    for unknown in (None, "", "Something"):
        assert FAMILIES[kind].may_have(unknown)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("ica.data_unlinking", "/api/projects/p/dataUnlinkingBatch"),
        ("ica.data_move", "/api/projects/p/dataMoveBatch"),
        ("ica.bundle_linking", "/api/bundles/p/dataLinkingBatch"),
        ("ica.bundle_unlinking", "/api/bundles/p/dataUnlinkingBatch"),
    ],
)
def test_data_goes_out_as_it_was_asked_for(ica, batch, item, kind, path):
    """Under the path of its project or bundle, in version 3, without a key; fields that nobody knows pass."""
    items = [item(1, request=b'{"dataId":"fil.1","new":1.10}'), item(2, request=b'{"dataId":"fol.2"}')]
    submission = ica().compose(batch(kind=kind, project="p"), items)
    assert (submission.method, submission.path) == ("POST", path)
    assert submission.body == b'{"items":[{"dataId":"fil.1","new":1.10},{"dataId":"fol.2"}]}'
    assert submission.headers == {"Content-Type": V3, "Accept": V3}


@pytest.mark.parametrize(
    ("action", "data", "rule"),
    [
        ("SKIP", ["fil.1", "fil.2"], (Resend.HARMLESS, 3600 * 1_000_000)),
        ("OVERWRITE", ["fil.1"], (Resend.HARMLESS, 3600 * 1_000_000)),
        ("RENAME", ["fil.1"], (Resend.NEVER, None)),
        ("SKIP", ["fil.1", "fol.2"], (Resend.NEVER, None)),
        ("OVERWRITE", ["fol.2"], (Resend.NEVER, None)),
    ],
)
def test_a_copy_is_repeated_only_where_one_file_stays_one_file(*, ica, batch, item, action, data, rule):
    """A new name is another file, and a folder is copied anew whatever the option says."""
    items = [item(seq, key=each, request=written(dataId=each)) for seq, each in enumerate(data, 1)]
    options = written(**COPY | {"actionOnExist": action, "destinationFolderId": "fol.0f"})
    submission = ica().compose(batch(kind="ica.data_copy", options=options), items)
    assert (submission.resend, submission.key_life) == rule
    body = json.loads(submission.body)
    assert [each["dataId"] for each in body.pop("items")] == data
    assert body == COPY | {"actionOnExist": action, "destinationFolderId": "fol.0f"}


def test_equal_changes_are_one_group(ica, batch, item):
    """In the order of the first item of each; values stay as they were written."""
    later, tags = "2031-01-30T08:30:00Z", {"addTags": ["a"], "removeTags": []}
    items = [
        item(1, key="fil.1", request=written(dataId="fil.1", userTags=tags)),
        item(2, key="fol.2", request=written(dataId="fol.2", willBeDeletedAt=later)),
        item(3, key="fil.3", request=written(dataId="fil.3", userTags=tags)),
    ]
    submission = ica().compose(batch(kind="ica.data_update"), items)
    assert json.loads(submission.body) == {
        "dataUpdateGroups": [
            {"dataIds": ["fil.1", "fil.3"], "userTags": tags},
            {"dataIds": ["fol.2"], "willBeDeletedAt": later},
        ]
    }
    assert submission.resend is Resend.NEVER


def test_no_field_of_an_item_takes_the_place_of_the_ids(ica, batch, item):
    """What an item was accepted with may be anything; the change is made to the datum of its key alone."""
    request = written(dataId="fil.1", dataIds=["fil.other"], userTags={"addTags": ["a"]})
    submission = ica().compose(batch(kind="ica.data_update"), [item(1, key="fil.1", request=request)])
    (group,) = json.loads(submission.body)["dataUpdateGroups"]
    assert group["dataIds"] == ["fil.1"]


def test_samples_carry_our_tags_and_the_key(ica, batch, item):
    """Behind their own tags; those of an earlier run are dropped, and nothing is completed unasked."""
    sample = {"name": "s1", "tags": {"technicalTags": ["mine", "orc-batch=old"], "userTags": ["u"]}}
    sent = batch(kind="ica.sample_creation")
    items = [
        item(1, key="s1", request=written(sampleToCreate=sample, dataToLink=[{"dataId": "fil.1"}])),
        item(2, key="s2", request=written(sampleToCreate={"name": "s2"}, completeSample=True)),
    ]
    submission = ica().compose(sent, items)
    first, second = json.loads(submission.body)["items"]
    assert first["sampleToCreate"]["tags"] == {
        "technicalTags": ["mine", "orc-instance=here", f"orc-batch={sent.key}", "orc-item=1"],
        "userTags": ["u"],
    }
    assert (first["completeSample"], second["completeSample"]) == (False, True)
    assert second["sampleToCreate"]["tags"]["technicalTags"][-1] == "orc-item=2"
    assert submission.headers["Idempotency-Key"] == sent.key
    assert submission.resend is Resend.SAME_KEY


@pytest.mark.parametrize("kind", [name for name in FAMILIES if name != "ica.analysis_creation"])
def test_an_item_that_was_pruned_cannot_be_sent(ica, batch, item, kind):
    """It is named rather than sent empty."""
    with pytest.raises(ValueError, match="run/s1"):
        ica().compose(batch(kind=kind), [item(1, request=None)])


@pytest.mark.parametrize(
    ("shown", "other"),
    [
        ({}, False),
        ({"destination_folder_id": ""}, False),
        ({"destination_folder_id": "fol.1", "copy_user_tags": False, "action_on_exist": "SKIP"}, False),
        ({"destination_folder_id": "fol.2"}, True),
        ({"action_on_exist": "RENAME"}, True),
        ({"copy_user_tags": True}, True),
        ({"copy_technical_tags": True}, True),
    ],
)
def test_only_what_is_shown_can_differ(shown, other):
    """A batch that shows an option that was not sent does other work than ours."""
    sent = Parameters(destination_folder_id="fol.1", copy_user_tags=False, action_on_exist="SKIP")
    assert differ(sent, Parameters(**shown)) is other


@pytest.mark.parametrize(
    ("status", "completed", "state"),
    [
        ("AVAILABLE", True, S.SUCCEEDED),
        ("PARTIAL", False, S.SUCCEEDED),
        ("PARTIAL", True, S.PARTIAL),
        ("DELETED", True, S.FAILED),
    ],
)
def test_a_sample_found_by_its_tag_has_the_state_of_its_own_status(status, completed, state):
    """One that was not to be completed stays in part, which is what was asked for."""
    found = SAMPLES.found(Sample(id="i", name="s1", status=status), BatchKey("k"), 1, completed=completed)
    assert (found.state, found.status, found.remote_id, found.known_status) == (state, status, "i", True)
