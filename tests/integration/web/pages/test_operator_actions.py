"""What an operator does with work that does not move, and finds again among many jobs."""

import base64
import contextlib
import hashlib
import json
import re
import sqlite3

import pytest
from operator_browser import OperatorBrowser, tags_of, text_of
from stored_jobs import load, report, track

from orchestrator.domain.model import ItemState
from orchestrator.domain.submission import Resend, Submission

WEEK = 7 * 86_400 * 1_000_000


@pytest.fixture
def undecided(house, monkeypatch):
    """The intake does not run: what a form has queued stays in incoming/."""
    (house.folder / "queue/incoming").mkdir(parents=True)
    monkeypatch.setattr("orchestrator.web.pages.queueing.ANSWER_WITHIN", 0)


def queued(house):
    """The control that lies in incoming/, which is then empty again."""
    (file,) = (house.folder / "queue/incoming").glob("page-*.json")
    (control,) = json.loads(file.read_text())["controls"]
    file.unlink()
    return control


async def block(house, name):
    """The first batch of a job was refused."""
    store, now = house.daemon.store, house.daemon.clock.now()
    job = await store.jobs.get(name)
    batch = (await store.batches.of_job(job.id))[0]
    begun = await store.advance.begin(batch, Submission("POST", "/x", {}, b"{}", Resend.NEVER), user="me", now=now)
    await store.advance.block(begun, "the answer was lost", now=now)


def links_of(page):
    """The addresses that a page leads to."""
    return {attributes.get("href") for tag, attributes in tags_of(page.text) if tag == "a"}


@pytest.mark.usefixtures("undecided")
async def test_a_batch_is_adopted_under_the_id_that_is_entered(house, operator):
    """From the list of batches, where that is possible; what it means stands above the field."""
    async with operator(turning=False) as browser:
        await load(house, "work", ["fil.1", "fil.2"])
        assert "/jobs/work/adopt?batch=1" not in links_of(await browser.get("/jobs/work/batches"))
        await block(house, "work")
        assert "/jobs/work/adopt?batch=1" in links_of(await browser.get("/jobs/work/batches?x=1"))
        question = text_of((await browser.get("/jobs/work/adopt?batch=1")).text)
        assert "Adopt batch 1 of work?" in question
        assert "is not submitted again. It has 2 items and is blocked here." in question
        await browser.post("/jobs/work/adopt?batch=1", batch="1", remote_id=" remote-7 ")
        assert queued(house) == {"adopt": {"job": "work", "batch": 1, "remote_id": "remote-7"}}
        for number in ("2", "0", "x", "9" * 30):
            assert (await browser.get(f"/jobs/work/adopt?batch={number}")).status_code == 404


@pytest.mark.usefixtures("undecided")
async def test_what_the_platform_never_ends_is_given_up(house, operator):
    """The whole job, or one item that is on the platform; not what has ended, or is not there yet."""
    async with operator(turning=False) as browser:
        await load(house, "work", ["fil.1", "fil.2", "fil.3"])
        assert not [link for link in links_of(await browser.get("/jobs/work")) if "give-up" in link]
        batch = await track(house)
        await report(house, batch, 1, ItemState.RUNNING)
        await report(house, batch, 2, ItemState.SUCCEEDED)
        offered = {link for link in links_of(await browser.get("/jobs/work?x=1")) if "give-up" in link}
        assert offered == {"/jobs/work/give-up"} | {f"/jobs/work/give-up?x=1&item=fil.{n}" for n in (1, 3)}
        question = text_of((await browser.get("/jobs/work/give-up?item=fil.1")).text)
        assert "The item fil.1 ends as failed, given up by you" in question
        assert "Nothing is aborted on the platform" in question
        await browser.post("/jobs/work/give-up?item=fil.1", item="fil.1")
        assert queued(house) == {"give-up": "work", "items": ["fil.1"]}
        assert "2 open items of the job end as failed" in text_of((await browser.get("/jobs/work/give-up")).text)
        await browser.post("/jobs/work/give-up")
        assert queued(house) == {"give-up": "work"}


async def test_who_may_only_read_is_offered_no_action(house, operator):
    """Neither on the job nor on its items and batches; the forms are refused without a session."""
    async with operator(logged_in=False, turning=False) as browser:
        await load(house, "work", ["fil.1"])
        await block(house, "work")
        for path in ("/jobs/work", "/jobs/work/batches"):
            assert not [link for link in links_of(await browser.get(path)) if re.search("adopt|give-up", link)]
        for action in ("adopt", "give-up"):
            assert (await browser.post(f"/jobs/work/{action}", follow=False)).status_code in (303, 401, 403)
        assert house.names("incoming") == []


async def test_the_report_is_served_under_its_own_policy(house):
    """As strict as that of the pages: its one style sheet by its digest, no script, no frame; linked from the job."""
    async with house.open(turning=False):
        browser = OperatorBrowser(house.client)
        await load(house, "work", ["fil.1", "fil.2"])
        assert "/jobs/work/report" in links_of(await browser.get("/jobs/work"))
        page = await browser.get("/jobs/WORK/report")
        policy = page.headers["content-security-policy"]
        (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy
        for part in ("sandbox allow-popups", "default-src 'none'", "frame-ancestors 'none'", "form-action 'none'"):
            assert part in policy
        assert "unsafe" not in policy
        assert page.headers["cache-control"] == "no-store"
        assert "Nothing was submitted so far" in text_of(page.text)
        assert (await browser.get("/jobs/nobody/report")).status_code == 404


async def test_jobs_are_searched_by_label(house):
    """By `NAME=VALUE`, alone or beside other text; each label of a job leads to those that have it."""
    async with house.open():
        browser = OperatorBrowser(house.client)
        labels = {"run": "0172", "lab": "north wing"}
        await house.post(house.links("a-job", labels=labels), house.links("b-job", labels={"run": "01720"}))
        await house.post(house.links("c-job", labels={"run": "0172"}))
        found = text_of((await browser.get("/")).text)
        assert "lab=north wing" in found
        for query, expected in {
            "run=0172": {"a-job", "c-job"},
            "run=0172 a-": {"a-job"},
            'lab="north wing"': {"a-job"},
            "run=01": set(),
            "0172": {"a-job", "b-job", "c-job"},
        }.items():
            page = await house.client.get("/", params={"q": query})
            assert set(re.findall(r'href="/jobs/(\w-job)"', page.text)) == expected, query
        link = next(link for link in links_of(await browser.get("/jobs/a-job")) if "north" in link)
        assert "a-job" in text_of((await browser.get(link)).text)


async def test_what_ended_long_ago_is_folded(house):
    """After a week it is listed on request, and found by a search; what still runs is never folded."""
    async with house.open(turning=False):
        browser = OperatorBrowser(house.client)
        for name in ("old", "recent", "running"):
            await load(house, name, ["fil.1"])
        for name in ("old", "recent"):
            await house.daemon.store.advance.cancel(name, now=house.daemon.clock.now())
        with contextlib.closing(sqlite3.connect(house.folder / "state/orchestrator.db")) as database, database:
            database.execute("UPDATE jobs SET settled_at = settled_at - ? WHERE name = 'old'", (WEEK + 7_200_000_000,))
            database.execute("UPDATE jobs SET created_at = created_at - ?", (2 * WEEK,))

        def names(page):
            return re.findall(r'class="name" href="/jobs/(\w+)"', page.text)

        page = await browser.get("/?x=1")
        assert names(page) == ["running", "recent"]
        assert "Jobs that ended more than 7 d ago are not listed." in text_of(page.text)
        assert "/?all=1" in links_of(page)
        assert names(await browser.get("/?all=1")) == ["running", "recent", "old"]
        assert names(await browser.get("/?q=old")) == ["old"]
        assert names(await browser.get("/?state=cancelled")) == ["recent", "old"]
