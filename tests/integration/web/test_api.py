"""What the API tells about jobs, items and accounts, and what it says when it cannot."""

import gc
import json
import os
from types import SimpleNamespace
from unittest.mock import ANY

import pytest

from orchestrator.domain.errors import Refused, Unauthorised
from orchestrator.domain.model import Item
from orchestrator.engine.result_document import as_json
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.web.api import schemas
from orchestrator.web.api.reads import Api
from orchestrator.web.connections import PIECE


async def pages(client, path, key):
    """Follow `next` from page to page; returns what the pages hold."""
    held = []
    while path is not None:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        held.append(answer.json()[key])
        path = answer.json()["next"]
    return held


# ---------------------------------------------------------------- jobs


async def test_jobs_come_in_pages_the_newest_first(house):
    """`next` leads from page to page, and is null on the last one, also when that one is full."""
    async with house.open():
        for number in range(6):
            assert (await house.post(house.links(f"job{number}"))).status_code == 201
        found = await pages(house.client, "/api/v1/jobs?limit=2", "jobs")
        assert [[job["name"] for job in page] for page in found] == [
            ["job5", "job4"],
            ["job3", "job2"],
            ["job1", "job0"],
        ]
        schemas.JobsPage.model_validate((await house.client.get("/api/v1/jobs")).json())


async def test_jobs_are_chosen_by_state_and_account(house):
    """The choice holds on the following pages too."""
    async with house.open():
        await house.post(*(house.links(f"waits{number}", after=["never"]) for number in range(3)), house.links("goes"))
        found = await pages(house.client, "/api/v1/jobs?state=waiting&account=ica&limit=2", "jobs")
        assert [len(page) for page in found] == [2, 1]
        assert {job["state"] for page in found for job in page} == {"waiting"}
        assert (await house.client.get("/api/v1/jobs?account=other")).json() == {"jobs": [], "next": None}


async def test_jobs_are_searched_by_label_name_project_and_time(house):
    """The choice holds on the following pages; what is no time or label is a mistake of the caller."""
    async with house.open():
        for number in range(5):
            labels = {"run": str(number % 2), "lab": "a&b"}
            await house.post(house.links(f"Link-{number}", labels=labels, after=["never"]))
        query = "label=run%3D0&label=lab%3Da%26b&name=LINK&since=1d&limit=2"
        found = await pages(house.client, f"/api/v1/jobs?{query}&project={house.project}", "jobs")
        assert [[job["name"] for job in page] for page in found] == [["Link-4", "Link-2"], ["Link-0"]]
        assert found[0][0]["labels"] == {"run": "0", "lab": "a&b"}
        assert (await pages(house.client, "/api/v1/jobs?since=2099-01-01", "jobs")) == [[]]
        for wrong in ("since=soon", "label=run", "label=%3Dx", "name=%00"):
            answer = await house.client.get(f"/api/v1/jobs?{wrong}")
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_a_job_is_told_as_its_result_will_tell_it(house):
    """The same head as the result document, found without regard to case."""
    async with house.open():
        await house.post(house.links("Run-7", "fil.1", "fil.2", after=["never"]))  # nothing of it changes meanwhile
        told = (await house.client.get("/api/v1/jobs/run-7")).json()
        job = await house.daemon.store.jobs.get("run-7")
        result = json.loads(b"".join([portion async for portion in as_json(house.daemon.store, job)]))
        assert told == {"job": result["job"], "batches": result["batches"]} | {
            "unchanged_since": ANY,
            "waits_for": None,
            "expected_end": None,
            "undelivered": [],
        }
        schemas.JobDocument.model_validate(told)
        items = (await house.client.get("/api/v1/jobs/run-7/items")).json()
        assert items == {"items": result["items"], "next": None}
        schemas.ItemsPage.model_validate(items)


# ---------------------------------------------------------------- items


async def test_items_come_whole_or_in_pages(house):
    """All of a job's items, in order, once, whatever the size of the pages."""
    ids = [f"fil.{number:05}" for number in range(2500)]
    async with house.open():
        await house.post(house.links("many", *ids))
        for query, sizes in (("", [2500]), ("?limit=1000", [1000, 1000, 500]), ("?limit=1250", [1250, 1250])):
            found = await pages(house.client, f"/api/v1/jobs/many/items{query}", "items")
            assert [len(page) for page in found] == sizes
            assert [item["key"] for page in found for item in page] == ids


async def test_a_list_that_is_not_read_keeps_no_items_in_memory(house):
    """While a caller reads, its answer holds a few encoded items: hundreds of callers may read long lists at once."""
    ids = [f"fil.{number:05}" for number in range(2500)]
    async with house.open():
        await house.post(name="pause", controls=[{"pause": {"all": True}}])
        await house.post(house.links("many", *ids))
        store = house.daemon.store
        job = await store.jobs.get("many")
        api = Api(SimpleNamespace(store=store, settings=house.settings))
        async for part in api._stream(job, None, None, 0):
            held = [each for each in gc.get_objects() if isinstance(each, Item) and each.job == job.id]
            assert (held, len(part) <= PIECE) == ([], True)


async def test_items_are_chosen_by_state(house):
    """Only those, and nothing where there are none."""
    async with house.open():
        await house.post(house.links("work", "fil.1", "fil.2", "fil.3"))
        found = await pages(house.client, "/api/v1/jobs/work/items?state=pending&limit=2", "items")
        assert [len(page) for page in found] == [2, 1]
        none = await house.client.get("/api/v1/jobs/work/items?state=failed")
        assert none.json() == {"items": [], "next": None}


async def test_the_report_is_a_page_that_runs_nothing(house):
    """The same page as the command writes, in a sandbox; a job that does not exist has none."""
    async with house.open():
        await house.post(house.links("work", "fil.1", "fil.2"))
        answer = await house.client.get("/api/v1/jobs/work/report")
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"].startswith("sandbox")
        assert "2 items" in answer.text
        assert (await house.client.get("/api/v1/jobs/other/report")).status_code == 404


async def test_items_have_links_where_the_account_has_a_web_url(house):
    """As in the results."""
    account = {"platform": "ica", "base_url": "http://127.0.0.1:1/rest", "api_key_file": "secrets/ica"}
    account["web_url"] = {"data_linking": "https://ica.example.org/{remote_id}"}
    house.extra = {"accounts": {"ica": account}}
    async with house.open():
        await house.post(house.links("work", "fil.1"))
        page = (await house.client.get("/api/v1/jobs/work/items")).json()
        assert page["items"][0]["link"] is None
        schemas.ItemsPage.model_validate(page)


# ---------------------------------------------------------------- history and why


async def test_the_history_of_a_job_comes_in_pages(house):
    """The oldest first, each event once, with the user who dropped the file."""
    async with house.open():
        await house.post(house.links("work", "fil.1", after=["never"]))
        await house.post(controls=[{"pause": "work"}])
        found = await pages(house.client, "/api/v1/jobs/work/history?limit=1", "events")
        assert len(found) > 2
        events = [event for page in found for event in page]
        assert [event["id"] for event in events] == sorted({event["id"] for event in events})
        whole = (await house.client.get("/api/v1/jobs/work/history")).json()
        assert whole == {"events": events, "next": None}
        assert {event["event"] for event in schemas.HistoryPage.model_validate(whole).model_dump()["events"]} == {
            "job",
            "pause",
            "needs",
        }
        assert {event["actor"] for event in events if event["event"] == "pause"} == {str(os.getuid())}


async def test_why_says_what_a_job_waits_for(house):
    """By the schema, with who paused it; 404 for a job that is not there."""
    async with house.open():
        await house.post(house.links("work", "fil.1", after=["never"]))
        await house.post(controls=[{"pause": "work"}])
        told = (await house.client.get("/api/v1/jobs/work/why")).json()
        schemas.WhyDocument.model_validate(told)
        assert [reason["waits_for"] for reason in told["reasons"]] == ["after", "paused"]
        assert told["reasons"][1]["by"] == str(os.getuid())
        for path in ("why", "history"):
            assert (await house.client.get(f"/api/v1/jobs/nobody/{path}")).status_code == 404


# ---------------------------------------------------------------- accounts


async def test_accounts_show_what_the_daemon_knows(house):
    """Budget, what was learned of embedded words, and no secret."""
    async with house.open():
        await house.daemon.store.memory.remember("ica", "embedded", "live")
        answer = await house.client.get("/api/v1/accounts")
        told = schemas.Accounts.model_validate(answer.json())
        account = told.accounts[0]
        assert (account.name, account.learned) == ("ica", {"embedded": "live"})
        assert (account.closed, account.budget.limit) == (False, 1000)
        assert told.daemon.database == str(house.settings.database)
        assert house.api_key not in answer.text


async def test_a_refused_credential_shows_as_closed(house):
    """With the platform's reason, from which secrets are taken in problems and nothing else depends."""
    async with house.open():
        house.daemon.dispatches[0]._gate.close(Unauthorised("401 at the platform"))
        account = (await house.client.get("/api/v1/accounts")).json()["accounts"][0]
        assert (account["closed"], account["detail"].split(";")[0]) == (True, "401 at the platform")
        house.daemon.dispatches[0]._gate.open()
        account = (await house.client.get("/api/v1/accounts")).json()["accounts"][0]
        assert (account["closed"], account["detail"]) == (False, None)


async def test_a_question_that_fails_shows_with_its_account(house):
    """With the platform's reason, until it is answered again."""
    async with house.open(turning=False):
        dispatch = house.daemon.dispatches[0]
        dispatch._steps.report_failure("poll search:p", Refused("403 at the platform"))
        told = schemas.Accounts.model_validate((await house.client.get("/api/v1/accounts")).json())
        assert told.accounts[0].last_error == "poll search:p: 403 at the platform"
        dispatch._steps._failures.clear()
        told = schemas.Accounts.model_validate((await house.client.get("/api/v1/accounts")).json())
        assert told.accounts[0].last_error is None


async def test_a_paused_account_says_who_paused_it(house):
    """Also where everything is paused; an account that was resumed since is not."""
    async with house.open(turning=False):

        async def paused():
            document = schemas.Accounts.model_validate((await house.client.get("/api/v1/accounts")).json())
            return document.accounts[0].paused

        advance, now = house.daemon.store.advance, house.daemon.clock.now()
        assert await paused() is None
        await advance.pause(now=now, user="Ada")
        assert "paused by Ada at 20" in await paused()
        await advance.resume(account="ica", now=now)
        assert await paused() is None


# ---------------------------------------------------------------- problems


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/v1/jobs/nobody", 404, "no job is named 'nobody'"),
        ("/api/v1/jobs/nobody/items", 404, "no job is named 'nobody'"),
        ("/api/v1/jobs?limit=0", 422, "limit: "),
        ("/api/v1/jobs?limit=1001", 422, "limit: "),
        ("/api/v1/jobs?state=happy", 422, "state: "),
        ("/api/v1/jobs/x/items?state=happy", 422, "state: "),
        (f"/api/v1/jobs/x/items?after={2**63}", 422, "after: "),
        (f"/api/v1/jobs/x/items?after={10**30}", 422, "after: "),
        ("/api/v1/jobs/x/items?after=-1", 422, "after: "),
        (f"/api/v1/jobs/x/items?limit={10**30}", 422, "limit: "),
        ("/api/v1/jobs?before=%00", 422, "before: "),
        ("/api/v1/jobs?account=%00", 422, "account: "),
        ("/api/v1/jobs/%00", 404, "no job"),
        ("/api/v1/queue", 405, "Not Allowed"),
        ("/nowhere", 404, "Not Found"),
        ("/api/v1/jobs/", 404, "Not Found"),
    ],
)
async def test_what_cannot_be_answered_is_a_problem(path, status, says, house):
    """As RFC 9457 has it, with a text for people."""
    async with house.open(turning=False):
        answer = await house.client.get(path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        told = answer.json()
        assert (told["type"], told["status"]) == ("about:blank", status)
        assert says in told["detail"]
        schemas.Problem.model_validate(told)


async def test_a_database_that_cannot_be_used_is_a_503(house, monkeypatch):
    """With the reason, without any secret in it, and with the time to come back."""
    async with house.open(turning=False):

        async def fail(*_args, **_more):
            raise StoreUnavailableError(f"the disk is full at {house.api_key}")

        monkeypatch.setattr(house.daemon.store.jobs, "page", fail)
        answer = await house.client.get("/api/v1/jobs")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["detail"] == "the disk is full at [redacted]"


async def test_a_bug_is_a_500_that_gives_nothing_away(house, monkeypatch, caplog):
    """The caller learns that there is more in the log, and the log has it."""
    async with house.open(turning=False):

        async def fail(*_args, **_more):
            raise ZeroDivisionError("the inside of the program")

        monkeypatch.setattr(house.daemon.store.jobs, "page", fail)
        answer = await house.client.get("/api/v1/jobs")
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "inside" not in answer.text
        assert "the inside of the program" in caplog.text


# ---------------------------------------------------------------- the description


async def test_the_api_describes_itself(house):
    """Every address with its answers, by schema, and its problems; nothing about anybody's secrets."""
    async with house.open(turning=False):
        answer = await house.client.get("/openapi.json")
        described = answer.json()
        assert set(described["paths"]) == {
            "/livez",
            "/readyz",
            "/metrics",
            "/api/v1/jobs",
            "/api/v1/jobs/{name}",
            "/api/v1/jobs/{name}/items",
            "/api/v1/jobs/{name}/history",
            "/api/v1/jobs/{name}/why",
            "/api/v1/jobs/{name}/report",
            "/api/v1/accounts",
            "/api/v1/queue",
        }
        for path, operations in described["paths"].items():
            for operation in operations.values():
                responses = operation["responses"]
                assert "application/problem+json" in responses["default"]["content"], path
                good = responses.get("200") or responses["201"]
                text = {"text/plain", "text/html"} & good["content"].keys()
                assert text or good["content"]["application/json"]["schema"], path
        assert set(described["paths"]["/api/v1/queue"]["post"]["requestBody"]["content"]) == {
            "application/json",
            "application/yaml",
        }
        assert house.api_key not in answer.text
        for elsewhere in ("/docs", "/redoc"):
            assert (await house.client.get(elsewhere)).status_code == 404
