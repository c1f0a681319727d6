"""Rows, lists, marks and statuses of Seven Bridges, read and matched."""

from types import SimpleNamespace

import msgspec
import pytest

from orchestrator.domain.model import ItemState
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.json_objects import facts_of, object_in
from orchestrator.platforms.sevenbridges import statuses, wire
from orchestrator.platforms.sevenbridges.files.file_updates import FileUpdates, _is_as_asked
from orchestrator.platforms.sevenbridges.protocol.marks import Mark, in_description, in_name, read_mark, without_mark
from orchestrator.platforms.sevenbridges.protocol.matching import match
from orchestrator.platforms.status_table import state_of

KEY = "11111111-2222-5333-8444-555555555555"


def answer(document):
    return Answer(200, {}, msgspec.json.encode(document), None)


def test_a_bad_row_costs_itself():
    """Rows without either half, with wrong types, or with characters that no database keeps."""
    rows = wire.TASK_ROWS.read(
        answer({"items": [{"resource": {"id": "t1", "status": "RUNNING"}}, {"resource": {"id": 5}}, {}, "x"]})
    )
    assert [row.resource.id if row.resource else None for row in rows] == ["t1", None, None, None]


@pytest.mark.parametrize(
    ("document", "more"),
    [
        ({"items": [{"id": "a"}], "links": [{"rel": "next", "href": "x"}]}, True),
        ({"items": [{"id": "a"}], "links": [{"rel": "prev", "href": "x"}]}, False),
        ({"items": [{"id": "a"}]}, True),
        ({"items": [], "links": None}, False),
    ],
)
def test_a_list_says_whether_it_goes_on(document, more):
    """By its links; where it has none, a full page is followed by another."""
    assert wire.TASKS.read(answer(document), limit=1).more == more


@pytest.mark.parametrize(
    ("status", "lasting"),
    [(400, True), (404, True), (None, True), (408, False), (429, False), (500, False), (503, False)],
)
def test_a_row_is_refused_for_good_or_for_the_moment(status, lasting):
    """As whole answers are: what the platform or a gateway fails at may succeed later."""
    assert wire.Problem(status=status).lasting == lasting


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T00:00:01", 1_000_000),
        ("1970-01-01T01:00:01+01:00", 1_000_000),
        ("1970-01-02", 86_400_000_000),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        (None, None),
    ],
)
def test_times_are_utc_where_they_name_no_zone(text, micros):
    """What is no time is none, and no error."""
    assert wire.moment(text) == micros


def test_a_mark_is_found_again_in_a_description():
    """Whatever else stands there; a description copied from an earlier run carries one mark only."""
    first = in_description("Sample of\n\nthree lines", Mark("lab", KEY, 7))
    again = in_description(first, Mark("lab", KEY, 8))
    assert read_mark(again) == Mark("lab", KEY, 8)
    assert again.count("orc-batch") == 1
    assert again.startswith("Sample of\n\nthree lines\n\n")
    assert read_mark("orc-batch= nothing") is read_mark(None) is None


def test_a_marked_name_gives_the_name_back():
    """Only our own mark at its end is taken off."""
    assert without_mark(in_name("run (1)", KEY)) == "run (1)"
    assert without_mark("run (1)") == "run (1)"


def rows(*given):
    """Resources by name, errors by code."""
    return [
        wire.Row(error=wire.Problem(status=400, code=each)) if isinstance(each, int) else wire.Row(wire.File(name=each))
        for each in given
    ]


def by_name(name, file):
    return None if name is None else file.name == name


@pytest.mark.parametrize(
    ("sent", "answered", "matched"),
    [
        (["a", "b"], ["a", "b"], {0: "a", 1: "b"}),
        (["a", "b"], ["b", "a"], {0: "a", 1: "b"}),
        (["a", "b", "c"], [1, "a", "b"], {0: "a", 1: "b", 2: 1}),
        (["a", "b", "c", "d"], [1, 2, "a", "b"], {0: "a", 1: "b"}),
        (["a", "b", "c", "d"], [1, 1, "a", "b"], {0: "a", 1: "b", 2: 1, 3: 1}),
        ([None, None], ["x", 1], {0: "x", 1: 1}),
        ([None, None, None], ["x", 1], {}),
        (["a", "a"], ["b", "a"], {}),
    ],
)
def test_rows_find_their_items(sent, answered, matched):
    """By order where nothing contradicts it, else by what they say; what is uncertain is left out."""
    found = match(sent, rows(*answered), by_name)
    assert {at: row.error.code if row.error else row.resource.name for at, row in found.items()} == matched


@pytest.mark.parametrize("table", [statuses.TASK, statuses.TRANSFER, statuses.JOB, statuses.RUN])
def test_an_unknown_status_runs_on(table):
    """It ends nothing, and is counted."""
    assert state_of("HIBERNATING", table) == (ItemState.RUNNING, False)


def test_numbers_in_metadata_are_compared_as_numbers():
    """Whatever their digits: a change that is there already is not made again."""
    file = msgspec.json.decode(b'{"id": "f1", "metadata": {"purity": 0.90}, "tags": null}', type=wire.FileDetails)
    assert _is_as_asked(object_in(b'{"metadata": {"purity": 0.9}}'), file)
    assert not _is_as_asked(object_in(b'{"metadata": {"purity": 0.91}}'), file)


def test_the_file_that_is_changed_is_the_one_that_is_named(session):
    """Also where an item that was accepted earlier has an `id` besides."""
    item = SimpleNamespace(key="f1", request=b'{"file": "f1", "id": "f2", "tags": ["x"]}')
    assert FileUpdates(session()).compose(None, [item]).body == b'{"items":[{"id":"f1","tags":["x"]}]}'


def test_no_facts_are_none():
    """An empty object would be written into every result."""
    assert facts_of(price=None, outputs={}) is None
    assert wire.plain(msgspec.Raw(b'{"amount": 1e400}')) is None
    assert facts_of(price={"amount": 0}) == '{"price":{"amount":0}}'


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        ([], None),
        (None, None),
        ([{"code": 7012, "message": "Missing"}, {"message": "Other"}], "7012: Missing; Other"),
        (["plain"], "plain"),
    ],
)
def test_errors_of_a_task_are_one_text(errors, text):
    """Whatever shape they have."""
    assert wire.problems(msgspec.Raw(msgspec.json.encode(errors))) == text
