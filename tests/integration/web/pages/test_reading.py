"""What the pages show."""

import re

from operator_browser import OperatorBrowser, tags_of, text_of
from stored_jobs import load, report, track

from orchestrator.domain.errors import Unauthorised
from orchestrator.domain.model import BatchReport, ItemState
from orchestrator.domain.webhook import Notice, Notify
from orchestrator.telemetry.events import RequestDone

# ---------------------------------------------------------------- jobs


async def test_jobs_are_listed_filtered_and_paged(house):
    """The newest first, with their progress as a drawing and in words; the links lead through all of them."""
    async with house.open():
        browser = OperatorBrowser(house.client)
        assert "There are no jobs yet" in text_of((await browser.get("/")).text)
        jobs = [house.links(f"job-{number:02}", "fil.1", "fil.2") for number in range(52)]
        await house.post(*jobs, house.links("waits", after=["never"]))
        await house.daemon.store.advance.pause(name="job-07", now=house.daemon.clock.now(), actor="0")
        page = await browser.get("/?x=1")
        assert len(re.findall(r"<tr data-key", page.text)) == 50
        assert 'aria-label="2 items: 2 pending"' in page.text
        older = re.search(r'href="([^"]*before=[^"]*)" rel="next"', page.text)[1].replace("&amp;", "&")
        second = await browser.get(older)
        assert len(re.findall(r"<tr data-key", second.text)) == 3
        newer = re.search(r'href="([^"]*after=[^"]*)" rel="prev"', second.text)[1].replace("&amp;", "&")
        assert re.findall(r'data-key="(\w+)"', (await browser.get(newer)).text) == re.findall(
            r'data-key="(\w+)"', page.text
        )
        held = text_of((await browser.get("/?state=hold")).text)
        assert "job-07" in held
        assert "paused : paused by an operator" in held
        assert "job-08" not in held
        assert "waits" in text_of((await browser.get("/?state=waiting")).text)
        found = text_of((await browser.get("/?q=JOB-1&account=ica&since=1&state=active")).text)
        assert "job-17" in found
        assert "job-21" not in found
        assert "No job matches" in text_of((await browser.get("/?q=nobody")).text)


async def test_a_job_shows_its_items_with_what_was_found_below_them(house):
    """State, status, reason and parent; filtered by each of them."""
    async with house.open(turning=False) as opened_house:
        browser = OperatorBrowser(opened_house.client)
        await load(house, "work", [f"fil.{number:03}" for number in range(150)])
        batch = await track(house)
        await report(house, batch, 1, ItemState.FAILED, detail="no space left")
        await report(house, batch, 2, ItemState.RUNNING)
        await report(house, batch, None, ItemState.RUNNING, key="found-1", remote_id="found-1", parent=2)
        page = await browser.get("/jobs/WORK")
        text = text_of(page.text)
        assert "fil.000 object-1 no space left failed link FAILED" in text
        assert "found: found-1" in text
        assert "fil.100" not in text
        following = re.search(r'href="([^"]*after=100)"', page.text)[1]
        assert "fil.149" in text_of((await browser.get(following)).text)
        assert "fil.000" in text_of((await browser.get("/jobs/work?state=failed&q=FIL")).text)
        assert "No item matches" in text_of((await browser.get("/jobs/work?state=aborted")).text)
        assert "fil.001" in text_of((await browser.get("/jobs/work?status=RUNNING")).text)
        assert "found-1 under fil.001" in text_of((await browser.get("/jobs/work?q=found")).text)
        below = text_of((await browser.get("/jobs/work?parent=fil.001")).text)
        assert "Found under fil.001" in below
        assert "fil.002" not in below


async def test_an_item_links_to_its_page_on_the_platform(house):
    """Where the account has a `web_url` for its kind."""
    address = "https://platform.example/{project}/data/{remote_id}"
    account = {"platform": "ica", "base_url": "http://127.0.0.1:1/rest", "api_key_file": "secrets/ica"}
    house.extra["accounts"] = {"ica": account | {"web_url": {"data_linking": address}}}
    async with house.open(turning=False):
        browser = OperatorBrowser(house.client)
        await load(house, "work", ["fil.1", "fil.2"])
        await report(house, await track(house), 1, ItemState.RUNNING, remote_id='object/"1')
        links = [
            attributes.get("href") for tag, attributes in tags_of((await browser.get("/jobs/work")).text) if tag == "a"
        ]
        assert [link for link in links if "platform.example" in link] == [
            "https://platform.example/p/data/object%2F%221"
        ]


async def test_a_job_shows_its_batches_and_its_history(house):
    """Who caused what, and what the platform answered."""
    async with house.open(turning=False):
        browser = OperatorBrowser(house.client)
        await load(house, "work", ["fil.1"])
        batch = await track(house)
        await house.daemon.store.advance.pause(name="work", now=house.daemon.clock.now(), actor="Ada (token)")
        batches = text_of((await browser.get("/jobs/work/batches")).text)
        assert "1 tracking \N{EN DASH} remote-1 1 1 submitted 1" in batches
        history = text_of((await browser.get("/jobs/work/history")).text)
        assert "pause \N{EN DASH} paused by an operator at 20" in history
        assert "confirm batch 1 submitting → to tracking" in history
        shown = text_of((await browser.get("/jobs/work")).text)
        assert "On hold: paused" in shown
        assert "by Ada (token)" in shown
        assert "No batch is blocked" in text_of((await browser.get("/jobs/work/batches?state=blocked")).text)
        await report(house, batch, 1, ItemState.FAILED)
        await house.daemon.store.advance.apply_reports(
            [BatchReport(batch.key, "SUCCEEDED", final=True)], now=house.daemon.clock.now(), account="ica"
        )
        batches = text_of((await browser.get("/jobs/work/batches?after=0")).text)
        assert "settled link: SUCCEEDED remote-1 1 1 failed 1" in batches


async def test_a_webhook_that_is_not_delivered_shows_with_its_job(house):
    """How often it was tried, why in vain, and when it is given up; not before the first attempt."""
    async with house.open(turning=False):
        browser, notices = OperatorBrowser(house.client), house.daemon.store.notices
        await load(house, "work", ["fil.1"], notify=Notify("https://lims.example.org/", frozenset({Notice.SETTLED})))
        batch, now = await track(house), house.daemon.clock.now()
        await report(house, batch, 1, ItemState.SUCCEEDED)
        ended = [BatchReport(batch.key, "SUCCEEDED", final=True)]
        await house.daemon.store.advance.apply_reports(ended, now=now, account="ica")
        (pending,) = await notices.undelivered()
        assert "Webhook" not in text_of((await browser.get("/jobs/work")).text)
        await notices.failed(pending, "HTTP 503: busy", due_at=now)
        shown = text_of((await browser.get("/jobs/work/history")).text)
        assert "Webhook not delivered settled: 1 attempt, next 20" in shown
        assert "UTC : HTTP 503: busy" in shown
        await notices.give_up(pending, "HTTP 410", now)
        shown = text_of((await browser.get("/jobs/work/batches")).text)
        assert "Webhook not delivered settled: 2 attempts, given up: HTTP 410" in shown


MISSING = {
    "/jobs/nobody": "no job is named 'nobody'",
    "/jobs/nobody/history": "no job is named",
    "/jobs/nobody/cancel": "no job is named",
    "/jobs/%00": "no job is named",
    "/jobs/a/b/c": "Not Found",
    "/accounts/nobody/pause": "no account is named 'nobody'",
    "/accounts/ica/cancel": "there is no action 'cancel'",
    "/files/rejected/..%2f..%2fconfig.yaml": "Not Found",
    "/files/rejected/nothing.yaml": "no error file of 'nothing.yaml'",
    "/static/..%2frouting.py": "Not Found",
    "/static/page.py": "there is no file 'page.py'",
}


async def test_what_is_not_there_is_a_page_for_people_and_a_problem_for_programs(house):
    """With the same text."""
    async with house.open(turning=False):
        for path, text in MISSING.items():
            page = await OperatorBrowser(house.client).get(path)
            assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
            assert text in text_of(page.text)
            problem = await house.client.get(path)
            assert problem.headers["content-type"] == "application/problem+json"
            assert text in problem.json()["detail"]


# ---------------------------------------------------------------- accounts


async def test_accounts_show_budget_requests_and_credential(house):
    """The chart of the last hour has the same figures in words and in a table."""
    async with house.open(turning=False):
        browser = OperatorBrowser(house.client)
        await house.until_status("/livez", 200)
        for lane, outcome in (("observe", "200"), ("observe", "200"), ("submit", "503")):
            house.bus.publish(RequestDone("ica", "GET /x", outcome, lane, 0.0, 0.1))
        page = await browser.get("/accounts")
        text = text_of(page.text)
        assert "ica open" in text
        assert "0 of 1,000 requests in 5 min" in text
        assert "0 of 5,000 (limits.open_items)" in text
        drawing = next(attributes for tag, attributes in tags_of(page.text) if attributes.get("class") == "chart")
        assert drawing["aria-label"].startswith("3 requests in the last hour: 1 submit, 2 poll; 1 without success.")
        assert "0 1 2 1 3" in text
        house.daemon.dispatches[0]._gate.close(Unauthorised("401 at the platform"))
        closed = text_of((await browser.get("/accounts?another=address")).text)
        assert "ica closed" in closed
        assert "401 at the platform" in closed
        assert house.api_key not in page.text


# ---------------------------------------------------------------- files


async def test_files_show_what_was_decided_with_every_mistake(house):
    """The newest first; links and foreign files in the folder are passed over."""
    async with house.open():
        browser = OperatorBrowser(house.client)
        await house.post(house.links("good"), name="good")
        bad = {"name": "bad name", "kind": "ica.data_linking", "account": "nobody", "project": "p", "items": [{}] * 30}
        await house.post(bad, name="bad")
        (house.folder / "queue/rejected/link.yaml").symlink_to("/etc/passwd")
        (house.folder / "queue/rejected/other.txt").write_text("x")
        page = await browser.get("/files")
        text = text_of(page.text)
        rejected = next(name for name in house.names("rejected") if name.endswith(".error.json")).removesuffix(
            ".error.json"
        )
        assert rejected in text
        assert "jobs[0].name" in text
        assert "link.yaml" not in text
        assert "no error file" in text
        every = await browser.get(f"/files/rejected/{rejected}")
        assert "the same in 29 more: items[1]" in text_of(every.text)
        accepted = next(name for name in house.names("accepted") if name.startswith("good-"))
        assert "good" in text_of((await browser.get(f"/?q={accepted}")).text)


# ---------------------------------------------------------------- every page


async def test_every_page_forbids_what_it_does_not_need(house):
    """No script and no style but its own files, no frame, no cache; only assets are kept, under a name of their own."""
    async with house.open(turning=False):
        browser = OperatorBrowser(house.client)
        await load(house, "work", ["fil.1"])
        for path in ("/", "/jobs/work", "/jobs/work/history", "/jobs/nobody", "/accounts", "/files", "/login"):
            page = await browser.get(path)
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert page.headers["cache-control"] == "no-store"
            assert page.headers["referrer-policy"] == "same-origin"
            assert page.headers["x-content-type-options"] == "nosniff"
            for tag, attributes in tags_of(page.text):
                assert not [name for name in attributes if name == "style" or name.startswith("on")], (path, tag)
                for name in ("src", "href", "action"):
                    assert (attributes.get(name) or "/").startswith(("/", "#")), (path, attributes)
        for name in ("page.css", "page.js", "icon.svg"):
            asset = re.search(rf'"(/static/{name}\?v=\w+)"', page.text)[1]
            answer = await house.client.get(asset)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]


async def test_a_page_that_has_not_changed_is_not_sent_again(house):
    """Its tag is compared where the page asks for its newer version; what changed is sent."""
    async with house.open(turning=False):
        await load(house, "work", ["fil.1"])
        first = await house.client.get("/", headers={"x-live": "1"})
        again = {"x-live": "1", "if-none-match": first.headers["etag"]}
        same = await house.client.get("/", headers=again)
        assert (same.status_code, same.content) == (304, b"")
        other = await house.client.get("/?q=nobody", headers=again)
        assert other.status_code == 200
