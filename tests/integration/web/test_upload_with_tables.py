"""A queue file and its tables in one request: the same drop, the same mistakes, all of it or nothing."""

import json

import pytest

from orchestrator.web.api import schemas, upload_parts
from orchestrator.web.api.responses import PROBLEM
from orchestrator.web.bounded_body import MOST_IN_MEMORY

ROWS = "data\nfil.1\nfil.2\n"


@pytest.fixture
def auth(house):
    """The token, which a form needs."""
    return {"Authorization": f"Bearer {house.token}"}


def form(house, *tables, text=ROWS, **more):
    """The parts of a request: a queue file with a job for each of these tables, and the tables."""
    jobs = [
        {"name": name, "kind": "ica.data_linking", "account": "ica", "project": house.project}
        | {"table": f"{name}.csv", "template": {"dataId": "${data}"}}
        | more
        for name in tables
    ]
    queue_file = ("run.json", json.dumps({"version": 1, "jobs": jobs}) + "\n", "application/json")
    return [("file", queue_file), *(("table", (f"{name}.csv", text, "text/csv")) for name in tables)]


async def test_a_file_and_its_tables_are_accepted_together(house, auth):
    """The answer comes when the jobs are durable; the files lie in accepted/, the tables under their names."""
    async with house.open(token_file="secrets/token"):
        answer = await house.client.post("/api/v1/queue?name=night", files=form(house, "a", "b"), headers=auth)
        assert answer.status_code == 201, answer.text
        told = schemas.Received.model_validate(answer.json())
        assert (told.jobs, told.items, told.file.startswith("night-")) == (["a", "b"], 4, True)
        assert house.names("accepted") == sorted(["a.csv", "b.csv", told.file])
        assert house.names("incoming") == []
        again = await house.client.post("/api/v1/queue", files=form(house, "a", "b"), headers=auth)
        assert (again.status_code, again.json()["note"]) == (200, "known already, nothing changed: a, b")


async def test_mistakes_are_those_of_the_folder_and_nothing_is_dropped(house, auth):
    """With line and column of the table; neither the file nor a table comes to lie in incoming/."""
    async with house.open(token_file="secrets/token"):
        parts = form(house, "a", text="data\nfil.1\nnot an id\n")
        answer = await house.client.post("/api/v1/queue", files=parts, headers=auth)
        assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
        (mistake,) = answer.json()["mistakes"]
        assert (mistake["table"], mistake["line"], mistake["column"]) == ("a.csv", 3, "data")
        assert (house.names("incoming"), house.names("rejected"), house.names("accepted")) == ([], [], [])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda parts: parts[:1], "the table a.csv is not there - send it as a further part of the form"),
        (lambda parts: [*parts, ("table", ("b.csv", ROWS))], "b.csv: is a table that the queue file does not name"),
    ],
)
async def test_a_table_too_few_or_too_many_is_a_mistake(change, says, house, auth):
    """A table that nobody names would lie in incoming/ for an hour."""
    async with house.open(token_file="secrets/token"):
        answer = await house.client.post("/api/v1/queue", files=change(form(house, "a")), headers=auth)
        (mistake,) = answer.json()["mistakes"]
        assert answer.status_code == 422
        assert says in f"{mistake['table'] or ''}: {mistake['message']} - {mistake['remedy']}"
        assert house.names("incoming") == []


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([("table", ("a.csv", ROWS))], "send exactly one queue file"),
        ([("file", ("a.json", "{}")), ("file", ("b.yaml", "{}"))], "send exactly one queue file"),
        ([("file", ("a.exe", "{}"))], "send exactly one queue file"),
        ([("file", ("../a.json", "{}"))], "each part must be a file with a name"),
        ([("file", (".a.json", "{}"))], "each part must be a file with a name"),
        ([("file", ("a.json", "{}")), ("t", ("x.csv", ROWS)), ("t", ("x.csv", ROWS))], "two tables have the same name"),
        ([("file", (None, "{}"))], "each part must be a file with a name"),
    ],
)
async def test_a_form_that_cannot_be_taken_says_what_to_send(parts, says, house, auth):
    """As a problem, and nothing is left of it."""
    async with house.open(token_file="secrets/token"):
        answer = await house.client.post("/api/v1/queue", files=parts, headers=auth)
        assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
        assert says in answer.json()["detail"]
        assert house.names("incoming") == []


async def test_what_is_too_large_is_refused_while_it_arrives(house, auth):
    """`queue.max_bytes` is for the whole request, whether it announces its size or not."""
    house.extra = {"queue": {"directory": "queue", "max_bytes": "2kB"}}
    async with house.open(token_file="secrets/token"):
        parts = form(house, "a", text="data\n" + "fil.1\n" * 1000)
        assert (await house.client.post("/api/v1/queue", files=parts, headers=auth)).status_code == 413
        request = house.client.build_request("POST", "/api/v1/queue", files=parts, headers=auth)

        async def pieces():
            yield request.read()

        unannounced = auth | {"content-type": request.headers["content-type"]}
        answer = await house.client.post("/api/v1/queue", content=pieces(), headers=unannounced)
        assert (answer.status_code, answer.headers["content-type"]) == (413, PROBLEM)
        assert house.names("incoming") == []


async def test_a_name_that_is_taken_is_a_conflict_and_undone(house, auth):
    """A table of that name belongs to another file: the tables that were placed before are gone again."""
    async with house.open(turning=False, token_file="secrets/token"):
        incoming = house.folder / "queue/incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        (incoming / "b.csv").write_text(ROWS)
        answer = await house.client.post("/api/v1/queue", files=form(house, "a", "b", "c"), headers=auth)
        assert (answer.status_code, answer.headers["content-type"]) == (409, PROBLEM)
        assert "b.csv lies in incoming/ already" in answer.json()["detail"]
        assert house.names("incoming") == ["b.csv"]


async def test_a_form_needs_the_token(house, auth):
    """A page of another origin can send a form, but knows no token."""
    async with house.open(turning=False):
        assert (await house.client.post("/api/v1/queue", files=form(house, "a"))).status_code == 415
    async with house.open(turning=False, token_file="secrets/token"):
        assert (await house.client.post("/api/v1/queue", files=form(house, "a"))).status_code == 401
        broken = auth | {"content-type": "multipart/form-data"}
        answer = await house.client.post("/api/v1/queue", content=b"x", headers=broken)
        assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)


async def test_large_parts_wait_on_disk(house, auth, monkeypatch):
    """Of a hundred parts each keeps little in memory: a few requests at a time must not end the daemon."""
    held = []

    def sorted_parts(uploads, *, plain):
        held.extend(upload.size for upload in uploads if not upload.file._rolled)
        raise upload_parts.UploadError(422, f"{len(uploads)} parts")

    monkeypatch.setattr(upload_parts, "_sorted", sorted_parts)
    parts = [("file", (f"t{number}.csv", "x" * (MOST_IN_MEMORY + 1))) for number in range(20)]
    async with house.open(token_file="secrets/token"):
        answer = await house.client.post("/api/v1/queue", files=[*parts, ("file", ("s.csv", ROWS))], headers=auth)
        assert (answer.status_code, answer.json()["detail"]) == (422, "21 parts")
    assert held == [len(ROWS)]


async def test_a_field_that_is_no_file_is_not_collected(house, auth):
    """Such parts are refused anyway, so they need no memory."""
    async with house.open(token_file="secrets/token"):
        field = ("note", (None, "x" * 100_000))
        answer = await house.client.post("/api/v1/queue", files=[*form(house, "a"), field], headers=auth)
        assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
        assert "the form cannot be read: Part exceeded maximum size of 64KB" in answer.json()["detail"]
