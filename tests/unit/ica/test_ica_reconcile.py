"""What became of a batch whose answer was lost: only what is surely ours counts, and doubt is told."""

import pytest

from orchestrator.clock import SECOND
from orchestrator.domain.errors import Missing, Refused
from orchestrator.domain.submission import Resend, Submission

ITEMS, SEARCH, JOBS, LINKS = "analysisCreationBatch/items", "analysis:search", "jobs", "dataLinkingBatch/items"
SENT_AT = 1_700_000_000 * SECOND
NOBODY = {"items": []}


def job(subject, created="2023-11-14T22:13:25Z", kind="AnalysisCreationBatch", **changes):
    return {"subjectId": subject, "status": "RUNNING", "timeCreated": created, "subjectType": kind} | changes


@pytest.fixture
def lost(batch):
    """A batch of which we know when it was sent, and nothing else."""
    return batch(remote_id=None, items=2, open=2, first_sent_at=SENT_AT, sent_at=SENT_AT)


async def test_a_filter_that_finds_more_than_its_tag_adopts_nothing(ica, script, lost, analysis):
    """ICA may match tags in ways that we do not know: only the whole tag makes an analysis ours."""
    rows = [
        analysis(lost.key, 1, "QUEUED"),
        analysis(f"{lost.key}0", 2, "QUEUED"),
        {**analysis("x", 3, "QUEUED"), "tags": None},
    ]
    script.say(SEARCH, {"items": rows})
    script.say(JOBS, NOBODY)
    found = await ica().reconcile(lost)
    assert [(told.seq, told.batch, told.hint) for told in found.items] == [(1, lost.key, False)]
    assert found.remote_id is None


async def test_each_item_is_found_once(ica, script, lost, analysis, creation_row):
    """Pages may overlap, and the batch tells what the search told: it is counted how many were found."""
    one = analysis(lost.key, 1, "IN_PROGRESS")
    script.say(SEARCH, {"items": [one], "nextPageToken": "t"}, {"items": [one]})
    script.say(JOBS, {"items": [job("r1")], "totalItemCount": 1})
    script.say(ITEMS, {"items": [creation_row(lost.key, 1, "SUCCEEDED", one), creation_row(lost.key, 2, "RUNNING")]})
    found = await ica().reconcile(lost)
    assert found.remote_id == "r1"
    assert [(told.seq, told.status, told.hint) for told in found.items] == [
        (1, "IN_PROGRESS", False),
        (2, "RUNNING", False),
    ]


@pytest.mark.parametrize(
    "other",
    [
        job("r1", project={"id": "another"}),
        job("r1", kind="ProjectDataLinkingBatch"),
        job("r1", kind="SampleCreationBatch"),
        job("r1", created="2023-11-14T20:00:00Z"),
    ],
)
async def test_batches_that_cannot_be_ours_are_not_looked_into(ica, script, lost, other):
    """Another project, another kind, or a time before the first send rules a job out."""
    script.say(SEARCH, NOBODY)
    script.say(JOBS, {"items": [other], "totalItemCount": 1})
    assert (await ica().reconcile(lost)).remote_id is None
    assert ITEMS not in script.routes()


@pytest.mark.parametrize(
    "odd", [job("r1", project=None), job("r1", created=None), job("r1", created="soon"), job("r1", kind="Something")]
)
async def test_batches_that_may_be_ours_are_looked_into(ica, script, lost, creation_row, odd):
    """What a job does not tell rules nothing out."""
    script.say(SEARCH, NOBODY)
    script.say(JOBS, {"items": [odd], "totalItemCount": 1})
    script.say(ITEMS, {"items": [creation_row(lost.key, 1, "RUNNING"), creation_row(lost.key, 2, "RUNNING")]})
    found = await ica().reconcile(lost)
    assert (found.remote_id, len(found.items)) == ("r1", 2)


async def test_what_is_no_batch_of_analyses_is_passed_over(ica, script, lost, creation_row):
    """A 404 says that the job works for something else; the nearest in time is tried first."""
    script.say(SEARCH, NOBODY)
    jobs = [job("far", "2023-11-14T22:40:00Z"), job("near", "2023-11-14T22:13:21Z")]
    script.say(JOBS, {"items": jobs, "totalItemCount": 2})
    ours = {"items": [creation_row(lost.key, 1, "RUNNING")]}
    script.say(ITEMS, lambda call: Missing("none", status=404) if "near" in call.path else ours)
    assert (await ica().reconcile(lost)).remote_id == "far"
    assert [call.path.split("/")[5] for call in script.calls if call.route == ITEMS] == ["near", "far", "far"]


async def test_older_jobs_are_not_read(ica, script, lost):
    """The newest come first; a page that is older as a whole ends the listing."""
    script.say(SEARCH, NOBODY)
    script.say(JOBS, {"items": [job("r0", created="2023-11-13T00:00:00Z")], "totalItemCount": 5000})
    await ica().reconcile(lost)
    assert script.routes().count(JOBS) == 1


async def test_too_many_candidates_leave_it_open(ica, script, lost):
    """Not having looked everywhere must not look like not having found: that would send the batch again."""
    script.say(SEARCH, NOBODY)
    script.say(JOBS, {"items": [job(f"r{number}") for number in range(101)], "totalItemCount": 101})
    script.say(ITEMS, NOBODY)
    with pytest.raises(Refused, match="too many"):
        await ica().reconcile(lost)
    assert script.routes().count(ITEMS) == 20


@pytest.mark.parametrize("endless", [SEARCH, JOBS])
async def test_a_listing_without_end_leaves_it_open(ica, script, lost, endless):
    """Nor must half a listing."""
    tokens = iter(range(10_000))
    script.say(SEARCH, NOBODY)
    script.say(JOBS, NOBODY)
    script.lines[endless] = [lambda call: {"items": [job("r1")] * 2, "nextPageToken": f"t{next(tokens)}"}]
    if endless == SEARCH:
        script.lines[SEARCH] = [lambda call: {"items": [], "nextPageToken": f"t{next(tokens)}"}]
    with pytest.raises(Refused, match="does not end"):
        await ica().reconcile(lost)
    assert len(script.routes()) <= 201


UNREADABLE = {"status": 7}


@pytest.mark.parametrize(
    ("where", "row"),
    [(SEARCH, UNREADABLE), (JOBS, UNREADABLE), (ITEMS, UNREADABLE), (ITEMS, {"processing": {"status": "RUNNING"}})],
)
async def test_what_cannot_be_read_may_be_what_is_sought(*, ica, script, lost, creation_row, where, row):
    """A row that is lost on us is no proof that there is nothing: no conclusion, wherever it stands."""
    odd = [row]
    script.say(SEARCH, {"items": odd if where == SEARCH else []})
    script.say(JOBS, {"items": [job("r1"), *(odd if where == JOBS else [])], "totalItemCount": 1 + (where == JOBS)})
    rows = [creation_row(lost.key, 1, "RUNNING"), *(odd if where == ITEMS else [])]
    script.say(ITEMS, {"items": rows}, {"items": rows})
    with pytest.raises(Refused, match="cannot be read"):
        await ica().reconcile(lost)


async def test_what_cannot_be_read_is_no_matter_where_all_is_found(ica, script, lost, analysis):
    """Other people's odd rows do not hide what is there."""
    script.say(SEARCH, {"items": [UNREADABLE, analysis(lost.key, 1, "QUEUED"), analysis(lost.key, 2, "QUEUED")]})
    script.say(JOBS, {"items": [UNREADABLE], "totalItemCount": 1})
    assert len((await ica().reconcile(lost)).items) == 2


async def test_a_page_of_jobs_that_cannot_be_read_does_not_end_the_list(ica, script, lost, creation_row):
    """Nothing of it tells how old it is: the next page may be young enough."""
    page = {"items": [UNREADABLE], "totalItemCount": 2}
    script.say(SEARCH, NOBODY)
    script.say(JOBS, page, {"items": [job("r1")], "totalItemCount": 2})
    script.say(ITEMS, {"items": [creation_row(lost.key, 1, "RUNNING"), creation_row(lost.key, 2, "RUNNING")]})
    assert (await ica().reconcile(lost)).remote_id == "r1"


async def test_links_among_rows_that_cannot_be_read_are_not_given_up(ica, script, batch):
    """The same for links."""
    submission = Submission("POST", "/links", {}, b'{"items":[{"dataId":"fil.1"}]}', resend=Resend.HARMLESS)
    wanted = batch(kind="ica.data_linking", submission=submission, first_sent_at=SENT_AT, sent_at=SENT_AT)
    script.say(JOBS, {"items": [UNREADABLE], "totalItemCount": 1})
    with pytest.raises(Refused, match="cannot be read"):
        await ica().reconcile(wanted)


@pytest.mark.parametrize(("pages", "here"), [(["other", "other"], False), (["other", "ours"], True), (["odd"], True)])
async def test_whether_we_were_here_is_asked_to_the_end(ica, script, analysis, pages, here):
    """Names that begin like ours may come first; a row that cannot be read counts as one of ours."""
    rows = {
        "other": {**analysis("k", 1, "QUEUED"), "tags": None},
        "ours": analysis("k", 1, "QUEUED"),
        "odd": UNREADABLE,
    }
    last = len(pages) - 1
    told = [{"items": [rows[page]]} | ({"nextPageToken": f"t{n}"} if n < last else {}) for n, page in enumerate(pages)]
    script.say(SEARCH, *told)
    script.say("samples:search", NOBODY)
    assert await ica().knows_instance("p") is here


@pytest.mark.parametrize("data", [["fil.1"], ["fil.1", "fil.2", "fil.3"], ["fil.1", "fil.9"], []])
async def test_links_of_other_data_are_another_batch(ica, script, lost, batch, data):
    """A batch of links is ours when it links exactly what we asked for."""
    rows = [{"request": {"dataId": each}, "processing": {"status": "RUNNING"}} for each in data]
    script.say(JOBS, {"items": [job("r1", kind="ProjectDataLinkingBatch")], "totalItemCount": 1})
    script.say(LINKS, {"items": rows})
    sent = Submission("POST", "/p", {}, b'{"items":[{"dataId":"fil.1"},{"dataId":"fil.2"}]}', resend=Resend.HARMLESS)
    found = await ica().reconcile(
        batch(kind="ica.data_linking", first_sent_at=SENT_AT, sent_at=SENT_AT, submission=sent)
    )
    assert (found.remote_id, list(found.items)) == (None, [])


async def test_a_project_in_capitals_is_the_same_project(ica, script, batch):
    """A queue file may spell its id so, and ICA answers in lower case."""
    project = "aaaaaaaa-1111-1111-1111-11111111111f"
    row = {"request": {"dataId": "fil.1"}, "processing": {"status": "RUNNING"}}
    script.say(JOBS, {"items": [job("r1", kind="dataLinkingBatch", project={"id": project})], "totalItemCount": 1})
    script.say(LINKS, {"items": [row]})
    sent = Submission("POST", "/p", {}, b'{"items":[{"dataId":"fil.1"}]}', resend=Resend.HARMLESS)
    times = {"first_sent_at": SENT_AT, "sent_at": SENT_AT}
    found = await ica().reconcile(batch(kind="ica.data_linking", project=project.upper(), submission=sent, **times))
    assert found.remote_id == "r1"


async def test_links_without_a_submission_are_not_sought(ica, script, batch):
    """Nothing tells what was asked for, and sending again is harmless."""
    found = await ica().reconcile(batch(kind="ica.data_linking"))
    assert found.remote_id is None
    assert script.routes() == []
