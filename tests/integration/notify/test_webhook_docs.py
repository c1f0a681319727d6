"""docs/webhooks.md: its receiver works, and its schema is that of the bodies which are sent."""

import json
import re
import threading
from http.server import HTTPServer
from ipaddress import ip_network
from pathlib import Path

import anyio.to_thread
import msgspec
import pytest

from orchestrator.clock import SystemClock
from orchestrator.domain.model import ItemState, JobState
from orchestrator.domain.webhook import Notice, parse_target
from orchestrator.notify.body import MOST_DETAIL, WebhookBody, compose
from orchestrator.notify.client import UndeliverableError, WebhookClient
from orchestrator.notify.signing import signed_headers
from orchestrator.store.notices import Change, PendingNotice

DOCS = Path(__file__).parents[3] / "docs"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOTICE = PendingNotice(
    id="018bcfe5-6800-7000-8000-2f3a9c1d4e5f",
    at=1_700_000_000_000_000,
    notice=Notice.BLOCKED,
    round=2,
    tries=0,
    due_at=0,
    last_error=None,
    job_name="run",
    kind="ica.data_linking",
    account="ica",
    project="p",
    labels={},
    notify=None,
    counts={ItemState.PENDING: 3},
)
BODY = compose(NOTICE, Change(JobState.RUNNING, "batch 1: 403"), "lab-1")


def example(language):
    """The blocks of the page in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / "webhooks.md").read_text(), re.DOTALL | re.MULTILINE)


async def test_the_receiver_of_the_docs_accepts_what_is_sent_and_nothing_else(capsys):
    """The same event twice is handled once; a body that was changed gets no answer."""
    (code,) = example("python")
    handled = set()
    names = {"SECRET": SECRET, "HANDLED": handled}
    exec(compile(code, "webhooks.md", "exec"), names)
    with HTTPServer(("127.0.0.1", 0), names["Receiver"]) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = WebhookClient([ip_network("127.0.0.0/8")])
        target = parse_target(f"http://127.0.0.1:{server.server_port}/hook")
        headers = signed_headers([SECRET], NOTICE.id, SystemClock().now(), BODY)
        try:
            for _ in range(2):
                assert (await client.post(target, headers, BODY)).status == 204
            with pytest.raises(UndeliverableError):
                await client.post(target, headers, BODY.replace(b"403", b"404"))
        finally:
            await client.aclose()
            await anyio.to_thread.run_sync(server.shutdown)
            thread.join()
    assert handled == {NOTICE.id}
    assert capsys.readouterr().out == "job.blocked run running\n"


def test_the_schema_is_that_of_the_bodies():
    """The file is `json.dumps(msgspec.json.schema(WebhookBody), indent=2)`."""
    assert json.loads((DOCS / "webhook.schema.json").read_text()) == msgspec.json.schema(WebhookBody)


def test_the_body_of_the_docs_is_one_of_ours():
    """The example has every member, and no other."""
    (text,) = example("json")
    shown = json.loads(text)
    msgspec.convert(shown, WebhookBody)
    sent = json.loads(BODY)
    assert (shown.keys(), shown["data"].keys()) == (sent.keys(), sent["data"].keys())


def test_a_body_is_small_however_long_the_reason_is():
    """A reason is cut, labels are limited by the queue file."""
    change = Change(JobState.RUNNING, "x" * 100_000)
    told = json.loads(compose(NOTICE, change, "lab-1"))
    assert len(told["data"]["detail"]) == MOST_DETAIL
    assert told["data"]["needs"] == "blocked"
