"""Texts that try to break out of a page, or to be taken for another."""

import re

import pytest
from operator_browser import OperatorBrowser, tags_of, text_of
from stored_jobs import load

from orchestrator.domain.model import ItemState, JobSpec, NewItem, Stage
from orchestrator.store.schema import batches, items, jobs
from orchestrator.web.pages.forms import LARGEST_FIELD

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "</textarea></title></svg><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;&#x3c;i&#x3e;",
    "\x1b[31mred\x07",
    "line\nbreak\ttab\x00nul",
    "admin\u202egnp.exe\u200b",
    'name="csrf" value="x"',
    "\ud7ff\uffff\U000e0041",
]
ALLOWED = (
    {"html", "head", "meta", "title", "link", "script", "body", "a", "header", "div", "img", "nav", "span", "main"}
    | {
        "footer",
        "button",
        "form",
        "label",
        "input",
        "select",
        "option",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
    }
    | {"td", "svg", "rect", "line", "time", "b", "h1", "h2", "h3", "p", "ul", "li", "section", "dl", "dt", "dd", "code"}
    | {"datalist", "details", "summary", "figure", "figcaption", "textarea", "fieldset", "legend"}
)


def assert_harmless(html):
    """No element, no attribute and no address of a page comes from a text that it shows."""
    for tag, attributes in tags_of(html):
        assert tag in ALLOWED
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc", "autofocus")]
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "#")), attributes
    assert len(re.findall(r"<script\b", html)) == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200b\u202e]", html)


async def test_no_text_of_a_job_breaks_out_of_a_page(house):
    """Of its keys, statuses, errors, actors, project and file; what does not show is printed as an escape."""
    async with house.open(turning=False):
        browser, store, now = OperatorBrowser(house.client), house.daemon.store, house.daemon.clock.now()
        for number, attack in enumerate(ATTACKS):
            text = attack.replace("\x00", "")  # no database keeps it
            spec = JobSpec(
                name=f"job-{number}",
                kind="ica.data_linking",
                account="ica",
                project=text,
                digest=str(number),
                file=text,
                first_stage=Stage("link"),
                batch_size=10,
                dropped_by=text,
            )
            job = await store.jobs.load(spec, now)
            await store.jobs.add_items(job, [NewItem(1, text, b"{}")])
            await store.jobs.commit([job], now)
            await store.advance.pause(name=spec.name, now=now, actor=text)
            async with store._database.write() as connection:
                values = {"status": text, "detail": text, "remote_id": f"{text}{number}"}
                await connection.execute(
                    items.update().where(items.c.job == job).values(state=ItemState.FAILED, **values)
                )
                await connection.execute(batches.update().where(batches.c.job == job).values(last_error=text, **values))
                await connection.execute(jobs.update().where(jobs.c.id == job).values(detail=text))
            for path in ("/", f"/jobs/{spec.name}", f"/jobs/{spec.name}/batches", f"/jobs/{spec.name}/history"):
                page = await browser.get(f"{path}?q=" if path == "/" else path)
                assert page.status_code == 200
                assert_harmless(page.text)
            shown = text_of((await browser.get(f"/jobs/{spec.name}/history")).text)
            if text.isprintable():
                assert text in shown
        assert r"\x1b[31mred\x07" in text_of((await browser.get("/jobs/job-7")).text)
        assert r"admin\u202egnp.exe\u200b" in text_of((await browser.get("/jobs/job-9")).text)


async def test_no_text_of_a_request_breaks_out_of_a_page(house, operator):
    """Of searches, addresses, forms and names; the text of a form comes back as it was typed."""
    async with operator() as browser:
        for attack in ATTACKS:
            sent = attack.encode("utf-8", "replace").decode()
            for path in ("/", "/jobs/nobody"):
                page = await browser.client.get(
                    path,
                    params={"q": sent, "state": sent, "status": sent, "account": sent, "before": sent, "since": sent},
                )
                assert page.status_code in (200, 404)
            page = await browser.client.get(
                "/", params={"q": sent, "state": sent, "account": sent}, headers={"accept": "text/html"}
            )
            assert_harmless(page.text)
            page = await browser.client.get("/login", params={"next": sent}, headers={"accept": "text/html"})
            assert_harmless(page.text)
            await browser.get("/files")
            page = await browser.post("/files", action="check", text=f"{sent}: x")
            assert len(re.findall(r"<script\b", page.text)) == 1
            for tag, attributes in tags_of(page.text):
                assert tag in ALLOWED
                assert not [name for name in attributes if name.startswith("on")]
        await browser.post("/logout")
        page = await browser.log_in(house.token, ATTACKS[1])
        assert_harmless(page.text)
        assert ATTACKS[1] in text_of(page.text)


@pytest.mark.parametrize("path", ["/jobs/work?after={}", "/jobs/work/batches?after={}", "/jobs/work/history?before={}"])
async def test_a_number_of_thousands_of_digits_counts_as_none(house, path):
    """Python converts no such text; it is no page of anything."""
    async with house.open(turning=False):
        await load(house, "work", ["fil.1"])
        page = await OperatorBrowser(house.client).get(path.format("9" * 5000))
        assert page.status_code == 200


@pytest.mark.parametrize("since", ["999999999999d", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_search_from_the_beginning_or_the_end_of_time_is_answered(house, since):
    """With all jobs, or with none."""
    async with house.open(turning=False):
        await load(house, "work", ["fil.1"])
        answer = await house.client.get("/api/v1/jobs", params={"since": since})
        assert (answer.status_code, len(answer.json()["jobs"])) == (200, 0 if since.startswith("9999-") else 1)


async def test_a_long_text_is_to_be_uploaded_as_a_file(house, operator):
    """What is typed into a form is held in memory, and shown again with its mistakes: a mebibyte at most."""
    async with operator() as browser:
        await browser.get("/files")
        for files in (None, [("files", ("x.csv", "a"))]):
            page = await browser.post("/files", files, action="check", text="x" * (LARGEST_FIELD + 1))
            assert page.status_code in (400, 413)
            assert len(page.content) < 10_000


@pytest.mark.parametrize("name", ['name="token"', 'name="files"; filename="+2AA-.yaml"', 'name="+2AA-"'])
async def test_half_a_character_in_a_form_is_refused(house, operator, name):
    """A form may name a character set that makes some; no page and no file can hold them."""
    body = f"--b\r\nContent-Disposition: form-data; {name}\r\n\r\n+2AA-\r\n--b--\r\n"
    kind = {"content-type": "multipart/form-data; boundary=b; charset=utf-7"}
    async with operator(logged_in=False):
        origin = {"origin": str(house.client.base_url)}
        answer = await house.client.post("/login", content=body, headers=kind | origin)
        assert answer.status_code == 400
        bearer = {"authorization": f"Bearer {house.token}"}
        answer = await house.client.post("/files", content=body, headers=kind | bearer)
        assert (answer.status_code, "not UTF-8" in answer.text) == (400, True)
