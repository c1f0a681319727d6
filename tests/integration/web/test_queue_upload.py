"""Queue files over HTTP: the same way in, the same check, and an answer that can be relied on."""

import json

import anyio
import pytest
from waiting import patience

from orchestrator.telemetry.events import DaemonStopping, FileDeferred
from orchestrator.web.api import queue_upload, schemas

JSON = {"content-type": "application/json"}
YAML = {"content-type": "application/yaml"}


async def test_the_answer_comes_when_the_jobs_are_durable(house):
    """Whoever reads the answer finds the jobs in the database, and the file where accepted files lie."""
    async with house.open():
        answer = await house.post(house.links("one", "fil.1", "fil.2"), house.links("two"), name="run-7")
        job = await house.daemon.store.jobs.get("one")
        assert answer.status_code == 201
        told = schemas.Received.model_validate(answer.json())
        assert (told.decided, told.jobs, told.items, told.note) == (True, ["one", "two"], 3, None)
        assert "location" not in answer.headers
        assert job.spec.file == told.file
        assert told.file.startswith("run-7-")
        assert house.names("accepted") == [told.file]
        assert house.names("incoming") == []


async def test_one_job_has_a_place(house):
    """The answer names it."""
    async with house.open():
        answer = await house.post(house.links("one"))
        assert answer.headers["location"] == "/api/v1/jobs/one"
        assert (await house.client.get(answer.headers["location"])).json()["job"]["name"] == "one"


async def test_yaml_is_taken_too(house):
    """As the same file dropped into the folder would be."""
    text = json.dumps({"version": 1, "jobs": [house.links("one")]}, indent=1) + "\n"
    async with house.open():
        answer = await house.client.post("/api/v1/queue", content=text, headers=YAML)
        assert answer.status_code == 201
        assert house.names("accepted")[0].endswith(".yaml")


async def test_the_same_again_changes_nothing(house):
    """A caller that never got its answer may simply send again."""
    async with house.open():
        first = await house.post(house.links("one"))
        again = await house.post(house.links("one"))
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.json()["note"] == "known already, nothing changed: one"
        assert len(await house.daemon.store.jobs.list()) == 1


async def test_controls_are_taken_too(house):
    """What the commands drop may be sent."""
    async with house.open():
        await house.post(house.links("one"))
        answer = await house.post(controls=[{"pause": "one"}])
        assert (answer.status_code, answer.json()["note"]) == (200, "paused one")
        assert (await house.client.get("/api/v1/jobs/one")).json()["job"]["needs"] == "paused"


async def test_every_mistake_is_told(house):
    """The same list as beside a file that was dropped, which is there as well."""
    wrong = [house.links("one", project="nowhere", surprise=1), house.links("two", account="other")]
    async with house.open():
        answer = await house.post(*wrong)
        told = answer.json()
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        written = json.loads((house.folder / "queue/rejected" / f"{told['file']}.error.json").read_text())
        assert told["mistakes"] == written["mistakes"]
        assert {mistake["field"] for mistake in told["mistakes"]} >= {"surprise", "account"}
        assert await house.daemon.store.jobs.list() == []


@pytest.mark.parametrize("beside", [True, False])
async def test_a_table_cannot_come_over_http(beside, house):
    """Refused at once, with what to do and every other mistake, whatever lies in incoming/; nothing is dropped."""
    async with house.open():
        if beside:
            (house.folder / "queue/incoming/t.csv").write_text("dataId\nfil.1\n")
        job = {key: value for key, value in house.links("one", table="t.csv", priority=10).items() if key != "items"}
        with patience():
            answer = await house.post(job)
        assert (answer.status_code, answer.json()["detail"]) == (422, "2 mistakes; nothing of the file was taken")
        told = {mistake["field"]: mistake for mistake in answer.json()["mistakes"]}
        assert told.keys() == {"priority", "table"}
        assert told["table"]["message"] == "names the table t.csv, and no table can come this way"
        assert told["table"]["remedy"] == "write its rows under `items:`, or drop both files into incoming/"
        assert house.names("incoming") == (["t.csv"] if beside else [])
        assert house.names("rejected") == []


async def test_the_letters_of_table_alone_refuse_nothing(house):
    """An item may speak of tables."""
    async with house.open():
        answer = await house.post(house.links("stable", items=[{"dataId": "fil.1", "table": "t.csv"}]))
        assert answer.status_code == 201


@pytest.mark.parametrize("text", [b"", b"{", b'{"version": 1}', b"\xff\xfe", b"version: 1\njobs: [] # cut"])
@pytest.mark.parametrize("headers", [JSON, YAML])
async def test_nonsense_is_refused_with_reasons(text, headers, house):
    """Whatever comes is decided, and told."""
    async with house.open():
        answer = await house.client.post("/api/v1/queue", content=text, headers=headers)
        assert answer.status_code == 422, answer.text
        assert answer.json()["mistakes"]
        assert house.names("incoming") == []


@pytest.mark.parametrize("name", ["../up", ".hidden", "a/b", "x" * 101, "-x", "ü", ""])
async def test_a_name_that_is_none_is_refused(name, house):
    """Before anything is written."""
    async with house.open():
        answer = await house.client.post("/api/v1/queue", params={"name": name}, json={"version": 1})
        assert answer.status_code == 422
        assert answer.json()["parameters"][0]["parameter"] == "name"
        assert house.names("rejected") == []


# ---------------------------------------------------------------- size, disk, disappearing callers


@pytest.mark.parametrize("announced", [True, False])
async def test_a_file_that_is_too_large_leaves_nothing(announced, house):
    """Whether its length is told at once or found out on the way."""
    house.extra = {"queue": {"directory": "queue", "max_bytes": "2MiB"}}
    text = b" " * (2 * 1024 * 1024 + 1)

    async def pieces():
        for start in range(0, len(text), 65536):
            yield text[start : start + 65536]

    async with house.open():
        answer = await house.client.post("/api/v1/queue", content=text if announced else pieces(), headers=JSON)
        assert answer.status_code == 413
        assert "2097152" in answer.json()["detail"]
        assert house.names("incoming") == []


async def test_the_largest_file_is_taken(house):
    """`queue.max_bytes` is what may still be sent."""
    house.extra = {"queue": {"directory": "queue", "max_bytes": "1MiB", "scan_interval": "50ms"}}
    text = json.dumps({"version": 1, "jobs": [house.links("one")]}).encode()
    async with house.open():
        padded = text + b" " * (1024 * 1024 - len(text))
        assert (await house.client.post("/api/v1/queue", content=padded, headers=JSON)).status_code == 201


async def test_a_folder_that_cannot_be_written_is_a_503(house):
    """Nothing was taken, and the caller may come again."""
    async with house.open():
        house.block_incoming()
        answer = await house.post(house.links("one"))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "nothing was taken" in answer.json()["detail"]


async def test_a_caller_that_disappears_leaves_nothing(house):
    """Half a file is no file."""
    async with house.open():
        port = house.settings.server.listen.port
        async with await anyio.connect_tcp("127.0.0.1", port) as caller:
            await caller.send(
                b"POST /api/v1/queue HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 1000\r\n\r\n" + b'{"version": 1'
            )
            await house.until(lambda: house.names("incoming"))
        await house.until(lambda: not house.names("incoming"))
        assert house.names("accepted") == house.names("rejected") == []


# ---------------------------------------------------------------- no verdict yet


async def test_a_file_that_is_not_decided_in_time_is_safe(house, monkeypatch):
    """The caller learns that the file lies there, and why; it is taken up later."""
    monkeypatch.setattr(queue_upload, "ANSWER_WITHIN", 0.2)
    async with house.open(turning=False):
        (house.folder / "queue/incoming").mkdir(parents=True)
        answer = await house.post(house.links("one"))
        told = schemas.Received.model_validate(answer.json())
        assert (answer.status_code, told.decided, told.jobs) == (202, False, [])
        assert house.names("incoming") == [told.file]
        house.daemon.start()
        await house.until(lambda: house.names("accepted") == [told.file])


async def test_a_stop_does_not_keep_the_caller_waiting(house):
    """It is told at once that the file is safe and will be taken up by the next daemon."""
    async with house.open(turning=False):
        (house.folder / "queue/incoming").mkdir(parents=True)
        answers = []

        async def post():
            answers.append(await house.post(house.links("one")))

        async with anyio.create_task_group() as group:
            group.start_soon(post)
            await house.until(lambda: [name for name in house.names("incoming") if name.endswith(".json")])
            house.bus.publish(FileDeferred(house.names("incoming")[0], "the disk is full"))
            house.bus.publish(DaemonStopping("SIGTERM"))
        assert answers[0].status_code == 202
        assert "next start" in answers[0].json()["note"]


async def test_changes_need_the_token_where_one_is_configured(house):
    """Through the whole server, as a caller meets it."""
    async with house.open(token_file="secrets/token"):
        refused = await house.post(house.links("one"))
        assert refused.status_code == 401
        house.client.headers["authorization"] = f"Bearer {house.token}"
        assert (await house.post(house.links("one"))).status_code == 201
        assert house.token not in (await house.client.get("/openapi.json")).text


async def test_notes_come_with_the_answer(house):
    """What is odd keeps nothing from being accepted, and is seen by the program that sent it."""
    data = {"inputs": [{"parameterCode": "reads", "dataIds": ["fil.1", "fil.1"]}]}
    item = {"userReference": "A", "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8", "analysisInput": data}
    job = house.links("one") | {"kind": "ica.analysis_creation", "engine": "nextflow", "items": [item]}
    async with house.open():
        answer = await house.post(job)
        assert answer.status_code == 201
        assert schemas.Received.model_validate(answer.json()).notes == [
            "jobs[0].items[0]: 'fil.1' names the same data twice"
        ]
