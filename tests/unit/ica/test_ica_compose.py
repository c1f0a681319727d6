"""The bytes that create batches."""

import json

import pytest


def test_creation_carries_our_tags_behind_the_items_own(ica, batch, item):
    """Each analysis gets instance, batch and item tags; its other tags and fields stay as they were."""
    request = {"userReference": "run/s1", "tags": {"technicalTags": ["mine"], "userTags": ["u"]}, "future": {"a": [1]}}
    sent = batch()
    body = json.loads(ica().compose(sent, [item(1, request=json.dumps(request).encode())]).body)
    assert body == {
        "nextflowItems": [
            {
                "userReference": "run/s1",
                "tags": {
                    "technicalTags": ["mine", "orc-instance=here", f"orc-batch={sent.key}", "orc-item=1"],
                    "userTags": ["u"],
                    "referenceTags": [],
                },
                "future": {"a": [1]},
            }
        ]
    }


@pytest.mark.parametrize("tags", [b"", b',"tags":null', b',"tags":{}', b',"tags":{"technicalTags":null}'])
def test_an_item_without_tags_gets_all_three_lists(ica, batch, item, tags):
    """ICA wants the three lists of tags whether the item has any or not."""
    body = json.loads(ica().compose(batch(), [item(7, request=b'{"userReference":"x"' + tags + b"}")]).body)
    written = body["nextflowItems"][0]["tags"]
    assert written["technicalTags"][-1] == "orc-item=7"
    assert (written["userTags"], written["referenceTags"]) == ([], [])


def test_values_are_copied_as_they_are_written(ica, batch, item):
    """Numbers and texts keep their spelling, which decoding and encoding would change."""
    request = b'{"userReference":"x","a":1.10,"b":12345678901234567890123,"c":"\\u00e9","d":1e5}'
    body = ica().compose(batch(), [item(1, request=request)]).body
    assert request[:-1] in body


def test_tags_that_a_request_inherited_from_an_earlier_run_are_dropped(ica, batch, item):
    """A request copied from an analysis of ours must not belong to two batches."""
    request = b'{"userReference":"x","tags":{"technicalTags":["orc-batch=old","orc-item=9","kept","orc-instance=z"]}}'
    sent = batch()
    body = json.loads(ica().compose(sent, [item(1, request=request)]).body)
    assert body["nextflowItems"][0]["tags"]["technicalTags"] == [
        "kept",
        "orc-instance=here",
        f"orc-batch={sent.key}",
        "orc-item=1",
    ]


@pytest.mark.parametrize(
    ("engine", "name"),
    [("nextflow", "nextflowItems"), ("nextflow_json", "nextflowJsonItems"), ("cwl", "cwlItems")],
)
def test_the_engine_chooses_the_list(ica, batch, item, engine, name):
    """Each engine's items go into ICA's own list for it."""
    body = json.loads(ica().compose(batch(engine=engine), [item(1, request=b"{}")]).body)
    assert list(body) == [name]


def test_an_engine_that_ica_does_not_run_is_told(ica, batch, item):
    """A wrong engine is a clear error and no request."""
    with pytest.raises(ValueError, match="no engine 'wdl'"):
        ica().compose(batch(engine="wdl"), [item(1, request=b"{}")])


def test_creation_goes_out_under_the_batch_key_with_exact_types(ica, batch, item):
    """The key is the batch's; content type and accept are version 3."""
    sent = batch()
    submission = ica().compose(sent, [item(1, request=b"{}")])
    assert (submission.method, submission.path) == ("POST", f"/api/projects/{sent.project}/analysisCreationBatch")
    assert submission.headers == {
        "Content-Type": "application/vnd.illumina.v3+json",
        "Accept": "application/vnd.illumina.v3+json",
        "Idempotency-Key": sent.key,
    }


def test_linking_passes_items_through_without_a_key(ica, batch, item):
    """Links go out as they were asked for, in version 4, unkeyed."""
    sent = batch(kind="ica.data_linking")
    items = [item(1, request=b'{"dataId":"fil.1"}'), item(2, request=b'{"dataId":"fol.2","more":true}')]
    submission = ica().compose(sent, items)
    assert submission.body == b'{"items":[{"dataId":"fil.1"},{"dataId":"fol.2","more":true}]}'
    assert submission.path.endswith("/dataLinkingBatch")
    assert submission.headers == {
        "Content-Type": "application/vnd.illumina.v4+json",
        "Accept": "application/vnd.illumina.v4+json",
    }


def test_the_same_items_give_the_same_bytes(ica, batch, item):
    """Composing is pure: another process would send the same submission."""
    items = [item(seq, request=b'{"userReference":"s","tags":{"userTags":["b","a"]}}') for seq in range(1, 50)]
    assert ica().compose(batch(), items) == ica().compose(batch(), items)


def test_another_platforms_kind_is_told(ica, batch, item):
    """A kind that ICA does not do is never sent as something else."""
    with pytest.raises(ValueError, match=r"ICA does no sevenbridges\.task"):
        ica().compose(batch(kind="sevenbridges.task"), [item(1, request=b"{}")])


@pytest.mark.parametrize("kind", ["ica.analysis_creation", "ica.data_linking"])
def test_an_item_without_a_request_cannot_be_sent(ica, batch, item, kind):
    """A pruned item is told by its key rather than sent empty."""
    with pytest.raises(ValueError, match="run/s1"):
        ica().compose(batch(kind=kind), [item(1, request=None)])
