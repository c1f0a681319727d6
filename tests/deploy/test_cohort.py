"""A cohort of 500 samples as a laboratory meets it: from a table, stopped, resumed, retried, given up, announced."""

import csv
import json
import re
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from chromium import barriers, chromium
from operator_browser import text_of
from page_scene import TOKEN, links, log_in, scene
from processes import free_port, get, until
from standardwebhooks import Webhook

pytestmark = pytest.mark.xdist_group("page")

PATIENCE = 180_000
"""Milliseconds until the test fails that waits for something on a page."""
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SAMPLES = 500
FAILING = {10: "-flaky", 20: "-fail", 30: "-fail", 40: "-fail", 50: "-fail", 60: "-fail", 470: "-stuck"}
"""What becomes of some samples: the first fails once; the last never ends."""
NAMES = [f"sample-{number:03}{FAILING.get(number, '')}" for number in range(SAMPLES)]
DOC = Path(__file__).parents[2] / "docs/queue-files.md"
HOOK = "https://lims.example.org/hook"
JOB = "germline-cohort-8"


class Receiver(BaseHTTPRequestHandler):
    """Refuses the first two calls, and keeps all of them."""

    calls: list

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(503 if len(self.calls) <= 2 else 204)
        self.end_headers()

    def log_message(self, *_):
        """Nothing on stderr."""


@contextmanager
def receiver(port):
    """A receiver of webhooks; yields what it was sent."""
    calls = []
    with HTTPServer(("127.0.0.1", port), type("Own", (Receiver,), {"calls": calls})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield calls
        finally:
            server.shutdown()
            thread.join()


def queue_file(hook):
    """The file of docs/queue-files.md as it stands there, but for the address of the receiver."""
    text = DOC.read_text().partition("## A cohort from a table")[2]
    (document,) = re.findall(r"^```yaml\n(.*?)^```$", text.partition("\n## ")[0], re.DOTALL | re.MULTILINE)
    assert HOOK in document
    return document.replace(HOOK, hook)


@pytest.fixture
def hook():
    """The address of the receiver, and the configuration that allows it."""
    port = free_port()
    return f"http://127.0.0.1:{port}/hook", {
        "allowed_hosts": [f"127.0.0.1:{port}"],
        "allow_private": ["127.0.0.0/8"],
        "secret_file": "secrets/webhooks",
    }


@contextmanager
def operator(browser, lab, path):
    """A page of someone who has logged in."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    log_in(page, lab.url, path)
    yield page
    context.close()


def submit(lab, hook):
    """Type what a new user types: a table, a queue file, `submit`."""
    rows = [("sample", "ica_id"), *((name, f"fil.{number:04}") for number, name in enumerate(NAMES))]
    (lab.folder / "cohort-8.csv").write_text("".join(f"{sample},{ica_id}\n" for sample, ica_id in rows))
    (lab.folder / "cohort-8.yaml").write_text(queue_file(hook))
    command = [str(lab.program), "submit", "cohort-8.yaml"]
    done = subprocess.run(command, cwd=lab.folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_cohort_is_brought_to_its_end(hook, tmp_path):
    """All but the five that fail and the one that is given up succeed; the call arrives once it is accepted."""
    address, notify = hook
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/webhooks").write_text(f"{SECRET}\n")
    port = int(address.rpartition(":")[2].partition("/")[0])
    with receiver(port) as calls, scene(tmp_path, notify=notify) as lab, chromium() as browser:
        submit(lab, address)
        lab.queue("mistake.yaml", links("link-wrong-cohort", "fil.1", after=["nobody"]))
        until(lambda: lab.job(JOB)["needs"] == "stopped")
        with operator(browser, lab, f"/jobs/{JOB}") as page:
            resume_and_treat(page, lab)
            lab.until(JOB, "partial")
            until(lambda: len(calls) == 2)
            lab.kill_and_restart()  # between the second refusal and the third attempt
            until(lambda: len(calls) == 3)
            read_report(page, lab)
        check_calls(calls)
        check_table(lab)
        until(lambda: lab.api(f"/api/v1/jobs/{JOB}")["undelivered"] == [])


def resume_and_treat(page, lab):
    """Resume what `stop_after` has stopped, cancel a mistake, retry what failed once, give up what never ends."""
    page.get_by_role("heading", name="On hold: stopped").wait_for()
    page.get_by_role("link", name="Resume…").click()
    page.get_by_role("button", name="Resume", exact=True).click()
    page.get_by_text(f"Accepted: resumed {JOB}.").wait_for()

    page.goto(f"{lab.url}/jobs/link-wrong-cohort")
    page.get_by_role("link", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the job").click()
    page.get_by_text("Accepted: cancelled link-wrong-cohort").wait_for()

    lab.until_counts(JOB, succeeded=SAMPLES - len(FAILING), failed=6)
    page.goto(f"{lab.url}/jobs/{JOB}?state=failed")
    page.get_by_role("link", name="Retry cohort-8/sample-010-flaky").click()
    page.get_by_role("button", name="Retry the items").click()
    page.get_by_text("1 item is submitted again.").wait_for()
    lab.until_counts(JOB, succeeded=SAMPLES - len(FAILING) + 1)

    page.goto(f"{lab.url}/jobs/{JOB}?q=stuck")
    page.get_by_role("link", name="Give up cohort-8/sample-470-stuck").click()
    page.get_by_text("Nothing is aborted on the platform").wait_for()
    assert barriers(page) == []
    page.get_by_role("button", name="Give up").click()
    page.get_by_text("Accepted: gave up").wait_for()


def read_report(page, lab):
    """The report opens from the page of the job, and says what happened. No script runs in it, the driver's neither."""
    page.goto(f"{lab.url}/jobs/{JOB}")
    with page.expect_response(f"**/jobs/{JOB}/report") as answer:
        page.get_by_role("link", name="Report").click()
    assert answer.value.status == 200
    text = text_of(get(answer.value.url, TOKEN).decode())
    for part in ("494 of 500 items succeeded; 6 failed.", "given up by Ada (token", "Stopped: ", "Resumed", "Retried"):
        assert part in text, part
    page.goto(f"{lab.url}/jobs/{JOB}")


def check_calls(calls):
    """One event, tried three times under one id, signed each time."""
    assert len({headers["webhook-id"] for headers, _ in calls}) == 1
    for headers, body in calls:
        event = Webhook(SECRET).verify(body, headers)
        assert (event["type"], event["data"]["job"], event["data"]["state"]) == ("job.settled", JOB, "partial")
        assert event["data"]["counts"] == {"succeeded": 494, "failed": 6}


def check_table(lab):
    """The table of results is the sample sheet with what became of each line."""
    with (lab.folder / f"queue/results/{JOB}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["sample"] for row in rows] == NAMES
    assert {row["attempts"] for row in rows if "flaky" in row["sample"]} == {"2"}
    unsuccessful = {row["sample"]: row["reason"] for row in rows if row["state"] != "succeeded"}
    assert len(unsuccessful) == 6
    assert unsuccessful["sample-470-stuck"].startswith("given up by Ada")
    document = json.loads((lab.folder / "queue/results/link-wrong-cohort.json").read_text())
    assert document["job"]["state"] == "cancelled"
