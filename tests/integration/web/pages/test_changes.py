"""What an operator changes from a page: jobs, accounts, and files that are queued."""

import errno
import html
import os
import re

from operator_browser import text_of
from waiting import patience

from orchestrator.intake.directory import stale_files
from orchestrator.store.schema import jobs


async def events_of(house, name):
    """Event and actor of each event with an actor, in order."""
    job = await house.daemon.store.jobs.get(name)
    events = await house.daemon.store.history.page(job.id)
    return [(event.event, event.actor) for event in events if event.actor]


async def test_a_job_is_paused_resumed_cancelled_and_retried(house, operator):
    """Each after a question; the history has who did it, from where."""
    ada = "Ada (token, from 127.0.0.1)"
    async with operator() as browser:
        await browser.get("/files")
        queued = await browser.post("/files", action="queue", text=_text("june", "fil.1", "fil.2"))
        assert queued.url.path == "/jobs/june"
        assert "Accepted: 1 job with 2 items." in text_of(queued.text)

        question = await browser.get("/jobs/june/pause")
        assert "Pause june?" in text_of(question.text)
        shown = text_of((await browser.post("/jobs/june/pause")).text)
        assert "Accepted: paused june." in shown
        assert "On hold: paused" in shown
        assert f"by {ada}" in shown

        shown = text_of((await browser.post("/jobs/june/resume")).text)
        assert "Accepted: resumed june." in shown

        question = text_of((await browser.get("/jobs/june/cancel")).text)
        assert "2 items not yet submitted: never sent." in question
        shown = text_of((await browser.post("/jobs/june/cancel")).text)
        assert "Accepted: cancelled june: 2 items ended" in shown
        await _until_state(house, "june", "cancelled")

        question = text_of((await browser.get("/jobs/june/retry")).text)
        assert "cancelled only (2)" in question
        shown = text_of((await browser.post("/jobs/june/retry", item="fil.2")).text)
        assert "Accepted: retried june (1 item): 1 item is submitted again." in shown
        job = await house.daemon.store.jobs.get("june")
        assert job.round == 2
        assert job.spec.dropped_by == ada
        done = [
            event
            for event in await events_of(house, "june")
            if event[0] in ("job", "pause", "resume", "cancel", "retry")
        ]
        assert {actor for _, actor in done} == {ada}
        assert [event for event, _ in done if event != "job"] == ["pause", "resume", "cancel", "retry"]


async def test_an_item_with_a_long_key_is_retried_by_its_link(house, operator):
    """However long the key is: that of a file in a bucket is its whole path."""
    key = "fil." + "0" * 250
    async with operator() as browser:
        await browser.get("/files")
        await browser.post("/files", action="queue", text=_text("june", key, "fil.2"))
        await browser.get("/jobs/june/cancel")
        await browser.post("/jobs/june/cancel")
        await _until_state(house, "june", "cancelled")
        link = re.search(r'href="(/jobs/june/retry\?item=fil\.0[^"]*)"', (await browser.get("/jobs/june")).text)
        question = await browser.get(html.unescape(link[1]))
        (item,) = re.findall(r'name="item" value="([^"]*)"', question.text)
        shown = text_of((await browser.post("/jobs/june/retry", item=item)).text)
        assert "Accepted: retried june (1 item): 1 item is submitted again." in shown


async def test_what_cannot_be_done_says_why(house, operator):
    """On the page of the question, with the remedy, and nothing is changed."""
    async with operator() as browser:
        await browser.get("/files")
        await browser.post("/files", action="queue", text=_text("june", "fil.1"))
        await browser.get("/jobs/june/retry")
        answer = await browser.post("/jobs/june/retry", item="nothing")
        assert answer.status_code == 422
        assert "june has no item nothing" in text_of(answer.text)
        answer = await browser.post("/jobs/june/retry", state="happy")
        assert answer.status_code == 422


async def test_what_is_not_decided_yet_is_safe(house, operator, monkeypatch):
    """The page says that it is queued; the file lies in incoming/, and none of it is lost."""
    monkeypatch.setattr("orchestrator.web.pages.queueing.ANSWER_WITHIN", 0)
    async with operator(turning=False) as browser:
        await browser.get("/files")
        shown = text_of((await browser.post("/files", action="queue", text=_text("june", "fil.1"))).text)
        assert "and not decided yet: it is not decided yet" in shown
        shown = text_of((await browser.post("/accounts/ica/pause")).text)
        assert "and not decided yet" in shown
        assert len(house.names("incoming")) == 2


async def test_a_queue_that_cannot_be_written_to_is_no_bug(house, operator, monkeypatch):
    """The page says what is wrong, and that nothing was queued."""

    def full(*_args, **_more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with operator(turning=False) as browser:
        await browser.get("/files")
        monkeypatch.setattr("orchestrator.intake.directory.dropping.open_draft", full)
        for path, fields in (("/accounts/ica/pause", {}), ("/files", {"text": _text("june", "fil.1")})):
            answer = await browser.post(path, **fields)
            assert answer.status_code == 503
            assert "cannot be written to: No space left on device; nothing was queued" in text_of(answer.text)


async def test_an_account_is_paused_and_resumed(house, operator):
    """With all of its jobs; the page shows it at once."""
    async with operator() as browser:
        assert "Pause account ica?" in text_of((await browser.get("/accounts/ica/pause")).text)
        shown = text_of((await browser.post("/accounts/ica/pause")).text)
        assert "ica paused" in shown
        assert "account ica is paused" in shown
        assert "ica open" in text_of((await browser.post("/accounts/ica/resume")).text)


async def test_a_file_with_mistakes_is_not_queued(house, operator):
    """The page has the same mistakes and lines as `validate`, and keeps the text."""
    text = "version: 1\njobs:\n  - name: bad name\n    kind: ica.data_linking\n    items: [{dataId: fil.1}]\n"
    async with operator() as browser:
        await browser.get("/files")
        for action in ("check", "queue"):
            answer = await browser.post("/files", action=action, text=text.replace("\n", "\r\n"))
            assert answer.status_code == 422
            shown = text_of(answer.text)
            assert "line 3, jobs[0].name 'bad name' is no job name" in shown
            assert "jobs[0].account `account` is missing" in shown
            assert "- name: bad name\n" in answer.text.replace("\r", "")
        assert house.names("rejected") == house.names("incoming") == []


async def test_a_file_with_a_webhook_is_checked_as_the_configuration_has_it(house, operator):
    """A host that may be notified is accepted, another one is a mistake, as with `orchestrator submit`."""
    house.furnish()
    (house.folder / "secrets" / "webhooks").write_text(f"whsec_{'A' * 44}\n")
    house.extra["notify"] = {"allowed_hosts": ["lims.example.org"], "secret_file": "secrets/webhooks"}
    async with operator() as browser:
        for action, said in (("check", "No mistakes: 1 job with 1 item."), ("queue", "Accepted: 1 job with 1 item.")):
            await browser.get("/files")
            notify = "    notify: {webhook: https://lims.example.org/hook}\n"
            page = await browser.post("/files", action=action, text=_text("june", "fil.1") + notify)
            assert said in text_of(page.text)
            notify = "    notify: {webhook: https://other.example.org/hook}\n"
            page = await browser.post("/files", action=action, text=_text("other", "fil.1") + notify)
            assert "other.example.org is not one of the hosts that may be notified" in text_of(page.text)


async def test_a_checked_file_is_compared_with_the_jobs_that_are_there(house, operator):
    """Other content under a name that was sent is a mistake; what is known already, or missing, is noted."""
    async with operator() as browser:
        await browser.get("/files")
        await browser.post("/files", action="queue", text=_text("june", "fil.1"))
        page = await browser.post("/files", action="check", text=_text("june", "fil.1"))
        assert "june is known already with the same content: nothing changes" in text_of(page.text)
        page = await browser.post("/files", action="check", text=_text("next", "fil.2") + "    after: [nobody]\n")
        assert "next waits for nobody: no such job exists yet" in text_of(page.text)
        async with house.daemon.store._database.write() as connection:
            await connection.execute(jobs.update().values(sent_at=1))
        for action in ("check", "queue"):
            page = await browser.post("/files", action=action, text=_text("june", "fil.3"))
            assert page.status_code == 422
            assert "a job named 'june' was sent already, with other content" in text_of(page.text)
        assert not house.names("rejected")


async def test_a_checked_file_is_not_queued(house, operator):
    """It is only reported that it could be."""
    async with operator() as browser:
        await browser.get("/files")
        answer = await browser.post("/files", action="check", text=_text("june", "fil.1", "fil.2"))
        assert answer.status_code == 200
        assert "No mistakes: 1 job with 2 items. Nothing was queued." in text_of(answer.text)
        assert house.names("accepted") == house.names("incoming") == []


async def test_a_file_is_uploaded_with_its_table(house, operator):
    """Both end in accepted/; a name that is taken there is no obstacle."""
    document = _text("june").replace("items: []", "table: samples.csv\n    template: {dataId: '${id}'}")
    async with operator() as browser:
        for number, name in enumerate(("june", "more")):
            files = [
                ("files", ("run.yaml", document.replace("june", name))),
                ("files", ("samples.csv", f"id\nfil.{number}\n")),
            ]
            await browser.get("/files")
            answer = await browser.post("/files", files=files, action="queue")
            assert answer.url.path == f"/jobs/{name}", text_of(answer.text)
        assert len([each for each in house.names("accepted") if re.fullmatch(r"run-[0-9a-f]{12}\.yaml", each)]) == 2
        assert not list((house.folder / "state").glob(".upload-*"))


async def test_what_stays_in_incoming_is_shown_with_its_reason(house, operator, monkeypatch):
    """A workbook that somebody has dropped there, with what to do."""
    monkeypatch.setattr(stale_files, "REPORTED_AFTER", (0.0, 3600.0))
    async with operator() as browser:
        (house.folder / "queue" / "incoming" / "samples.xlsx").write_bytes(b"PK")
        with patience():
            while not house.daemon.spool.stale:
                await house.daemon.clock.sleep(0.02)
        shown = text_of((await browser.get("/files")).text)
        assert "Waiting in incoming/ samples.xlsx : its name ends in none of .yaml" in shown
        assert "save a workbook as CSV UTF-8" in shown


async def test_a_form_that_makes_no_file_is_refused(house, operator):
    """With what is wrong with it, and nothing is left behind."""
    async with operator() as browser:
        await browser.get("/files")
        forms = [
            ({"text": ""}, None, "neither a file nor a text"),
            ({"text": "x"}, [("files", ("run.yaml", "x"))], "both files and a text"),
            ({}, [("files", ("../run.yaml", "x"))], "is a name that is not accepted"),
            ({}, [("files", (".run.yaml", "x"))], "is a name that is not accepted"),
            ({}, [("files", ("run (1).yaml", "x"))], "rename it `run-1.yaml`"),
            ({}, [("files", ("run.yaml", "x")), ("files", ("run.yaml", "x"))], "was chosen twice"),
            ({}, [("files", ("a.yaml", "x\n")), ("files", ("b.yaml", "x\n"))], "choose one queue file"),
            ({}, [("files", ("samples.csv", "x\n"))], "no queue file among them"),
        ]
        for fields, files, text in forms:
            answer = await browser.post("/files", files=files, action="queue", **fields)
            assert answer.status_code == 422
            assert text in text_of(answer.text)
        assert house.names("incoming") == house.names("rejected") == house.names("accepted") == []
        assert not list((house.folder / "state").glob(".upload-*"))


async def test_a_form_is_bounded(house, operator):
    """A body larger than a queue file may be is not read to its end."""
    house.extra["queue"] = {"directory": "queue", "scan_interval": "50ms", "rest": "200ms", "max_bytes": "64KiB"}
    async with operator() as browser:
        await browser.get("/files")
        answer = await browser.post("/files", files=[("files", ("run.yaml", b"x" * 200_000))])
        assert answer.status_code == 413
        answer = await browser.post("/jobs/x/pause", junk="x" * 100_000)
        assert answer.status_code in (404, 413)
        answer = await browser.client.post(
            "/files",
            content=b"{}",
            headers={"origin": str(browser.client.base_url).rstrip("/"), "content-type": "text/plain"},
        )
        assert answer.status_code == 415


def _text(name, *ids):
    items = ", ".join(f"{{dataId: {each}}}" for each in ids)
    return (
        f"version: 1\njobs:\n  - name: {name}\n    kind: ica.data_linking\n    account: ica\n"
        f"    project: 11111111-1111-1111-1111-111111111111\n    items: [{items}]\n"
    )


async def _until_state(house, name, state):
    while (await house.daemon.store.jobs.get(name)).state != state:
        await house.daemon.clock.sleep(0.02)
