"""`report`: a page about a job, written or opened, while it runs or after its end, from the database or a daemon."""

import json
import webbrowser

import pytest
from commands import Desk, job

from orchestrator.cli.sources import job_sources


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a running job, as the current directory."""
    desk = Desk(tmp_path)
    desk.fill(job("links", 3))
    desk.sql("UPDATE items SET remote_id = 'id-' || seq")
    monkeypatch.chdir(tmp_path)
    return desk


def test_the_page_of_a_running_job_is_written(desk):
    """Into the current directory, under the job's name; its path is printed."""
    ended = desk.run("report", "LINKS")
    assert (ended.code, ended.out, ended.err) == (0, "links.html\n", "")
    page = (desk.folder / "links.html").read_text()
    assert ("Not started yet: 3 items." in page, page.endswith("</html>")) == (True, True)


def test_the_page_goes_where_it_is_asked_to(desk):
    """To a file, into a folder under the job's name, or to stdout."""
    (desk.folder / "pages").mkdir()
    assert desk.run("report", "links", "--output", "x.html").out == "x.html\n"
    assert desk.run("report", "links", "-o", "pages").out == "pages/links.html\n"
    assert desk.run("report", "links", "-o", "-").out.startswith("<!DOCTYPE html>")


def test_the_page_is_opened(desk, monkeypatch):
    """As a file of its own, so that the current directory stays as it is; or where it was asked for."""
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    assert desk.run("report", "links", "--open").code == 0
    assert desk.run("report", "links", "--open", "--output", "x.html").code == 0
    assert not (desk.folder / "links.html").exists()
    assert (opened[0].endswith("/links.html"), opened[1]) == (True, (desk.folder / "x.html").as_uri())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["report", "lnks"], "no job is named 'lnks': did you mean links?"),
        (["report", "links", "-o", "missing/x.html"], "missing/x.html cannot be written: No such file or directory"),
        (["report", "links", "-o", "-", "--open"], "--open needs a file"),
    ],
)
def test_what_cannot_be_done_is_one_line(desk, words, says):
    """What is wrong, and what to do."""
    ended = desk.run(*words)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert says in ended.err


def test_a_machine_without_a_browser_is_named(desk, monkeypatch):
    """The page is there all the same."""
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    ended = desk.run("report", "links", "--open", "-o", "x.html")
    assert (ended.code, "no browser could be started: open x.html" in ended.err) == (2, True)
    assert (desk.folder / "x.html").exists()


def test_show_and_report_have_links(desk):
    """Where the account has a `web_url` for this kind of work."""
    config = json.loads(desk.config.read_text())
    config["accounts"]["ica"]["web_url"] = {"data_linking": "https://ica.example.org/{project}/{remote_id}"}
    desk.config.write_text(json.dumps(config))
    items = json.loads(desk.run("show", "links", "--json").out)["items"]
    assert items[0]["link"] == f"https://ica.example.org/{job('x')[0].project}/id-1"


async def test_without_the_right_to_read_the_database_the_daemon_is_asked(desk, monkeypatch):
    """A page that it does not return is an error."""
    pages = {"/api/v1/jobs/links/report": b"<page>"}
    monkeypatch.setattr(job_sources, "fetch", lambda _, path, **_more: pages.get(path))
    daemon = job_sources.Daemon(None)
    assert await daemon.report("links") == b"<page>"
    with pytest.raises(job_sources.UnreachableError, match="there is no such job, or it has stopped"):
        await daemon.report("other")
