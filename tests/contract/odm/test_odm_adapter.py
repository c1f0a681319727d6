"""The adapter's submissions and polls against the simulated ODM, without an engine."""

import json
from dataclasses import replace
from random import Random
from urllib.parse import parse_qs

import anyio
import httpx
import pytest
from planned_batch import planned_batch

from orchestrator.clock import ManualClock
from orchestrator.domain.errors import PlatformError, Refused, Unauthorised
from orchestrator.domain.identity import batch_key
from orchestrator.domain.model import BatchId, BatchState, Item, ItemReport, ItemState
from orchestrator.domain.submission import Resend
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.odm.kinds import KINDS
from orchestrator.platforms.odm.platform import connect
from orchestrator.platforms.rate_limit.limiter import RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots
from orchestrator.platforms.rate_limit.window import Limit
from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.odm import Config, Knobs, Simulator

BY_SETTING = {kind.setting: kind for kind in KINDS}
LINK = f"https://bucket.example.org/{'long/' * 200}s1.tsv"


class Account:
    """One account on one simulated ODM, and batches of one item."""

    def __init__(self, *faults, header="Genestack-API-Token", token="simulator", **knobs):
        self.clock = ManualClock()
        self.simulator = Simulator(Config(seed=7, faults=faults, knobs=Knobs(**({"jitter": 0.0} | knobs))), self.clock)
        limiter = RateLimiter(Limit(10_000, 300.0), self.clock, MemorySlots(), Random(1))
        remote = Remote(
            "http://platform/odm",
            limiter,
            self.clock,
            random=Random(1),
            transport=httpx.ASGITransport(self.simulator.app),
        )
        self.platform = connect(remote=remote, secret=token, header=header, instance="lab", clock=self.clock)

    def planned(self, setting, request, *, number=1, attempt=0, step=1):
        """A batch as the store has it, and its item."""
        kind = BY_SETTING[setting]
        batch = planned_batch(
            job="run",
            number=number,
            items=1,
            id=BatchId(str(number)),
            account="odm",
            project="",
            kind=kind.name,
            attempt=attempt,
            key=batch_key("lab", "run", str(number), attempt),
            planned_at=self.clock.now(),
            first_stage=kind.first_stage,
            step=step,
        )
        item = Item(
            job=batch.job,
            seq=number,
            key=kind.key_of(request),
            batch=number,
            stage=kind.first_stage,
            state=ItemState.PENDING,
            status=None,
            remote_id=None,
            detail=None,
            request=json.dumps(request).encode(),
        )
        return batch, item

    async def submit(self, setting, request, **more):
        """Submit a batch; returns it as the engine would then have it, its item and the receipt."""
        batch, item = self.planned(setting, request, **more)
        batch = replace(batch, submission=self.platform.compose(batch, [item]), first_sent_at=self.clock.now())
        receipt = await self.platform.submit(batch)
        return replace(batch, state=BatchState.TRACKING, remote_id=receipt.remote_id), item, receipt

    async def ask(self, batch, item):
        """What the poll of this batch reports."""
        (poll,) = self.platform.polls([batch])
        page, reports = replace(poll, named=(item,)), []
        while page is not None:
            result = await self.platform.poll(page)
            reports += [each for each in result.observations if isinstance(each, ItemReport)]
            page = result.next
        return reports


@pytest.mark.parametrize(
    ("setting", "request_", "resend"),
    [
        ("publish", {"study": "GSF1", "versionMessage": "x"}, Resend.FIND_FIRST),
        ("publish", {"study": "all"}, Resend.NEVER),
        ("import", {"type": "samples", "metadataLink": LINK}, Resend.SAME_KEY),
    ],
)
def test_the_same_batch_composes_to_the_same_bytes(setting, request_, resend):
    """And says what sending them again would do; a key that never ages has no life."""
    composed = []
    for _ in range(2):
        it = Account()
        batch, item = it.planned(setting, request_)
        composed.append(it.platform.compose(batch, [item]))
    assert composed[0] == composed[1]
    assert (composed[0].resend, composed[0].key_life) == (resend, None)


@pytest.mark.parametrize(("setting", "step"), [("publish", 1), ("import", 2)])
def test_a_second_attempt_is_the_last(setting, step):
    """A publication that was given up, or a restart, is sent again once."""
    it, request = Account(), {"study": "GSF1", "type": "cells", "dataLink": "x"}
    rules = []
    for attempt in (0, 1, 2):
        batch, item = it.planned(setting, request, attempt=attempt, step=step)
        rules.append(it.platform.compose(replace(batch, remote_id="7"), [item]).resend)
    assert rules == [Resend.FIND_FIRST, Resend.NEVER, Resend.NEVER]


def test_a_followed_task_composes_nothing():
    """What is only followed is never sent."""
    it = Account()
    batch, item = it.planned("task", {"id": "GSF1"})
    assert it.platform.compose(batch, [item]) is None


def test_the_mark_stands_behind_the_message():
    """Within the 255 characters of an ordinary text column, whatever the user wrote."""
    it = Account()
    batch, item = it.planned("publish", {"study": "GSF1", "versionMessage": "ü" * 200})
    query = it.platform.compose(batch, [item]).path.partition("?")[2]
    (message,) = parse_qs(query)["versionMessage"]
    assert message == "ü" * 200 + f" (orc-batch={batch.key})"
    assert len(message) <= 255


@pytest.mark.parametrize("header", ["Genestack-API-Token", "Authorization"])
async def test_either_header_is_accepted_and_a_wrong_token_is_not(header):
    """401 is an account without credentials, and nothing was done."""
    assert await Account(header=header).platform.user()
    it = Account(header=header, token="wrong")
    with pytest.raises(Unauthorised):
        await it.submit("publish", {"study": "GSF1"})
    assert it.simulator.truth.made() == {}


async def test_long_links_do_not_hide_the_job_that_a_conflict_names():
    """It stands behind both of them in the platform's message."""
    it = Account()
    request = {"type": "variant", "dataLink": LINK, "metadataLink": f"{LINK}.tsv"}
    first, _, _ = await it.submit("import", request)
    again, _, receipt = await it.submit("import", request, number=2)
    assert again.remote_id == first.remote_id == receipt.items[0].remote_id


@pytest.mark.parametrize("knobs", [{}, {"running_word": "STARTED", "job_times": "day_first"}])
async def test_an_import_is_polled_to_its_output(knobs):
    """One request while it runs, two at its end; odd words and dates end nothing and break nothing."""
    it = Account(**knobs)
    batch, item, _ = await it.submit("import", {"type": "study", "metadataLink": LINK})
    await it.clock.advance(10)
    (report,) = await it.ask(batch, item)
    assert (report.state, report.status) == (ItemState.RUNNING, knobs.get("running_word", "RUNNING"))
    await it.clock.advance(60)
    (report,) = await it.ask(batch, item)
    assert (report.state, json.loads(report.facts)["accession"][:3]) == (ItemState.SUCCEEDED, "GSF")
    assert (report.finished_at is None) == ("job_times" in knobs)
    assert (it.simulator.ledger.calls["get_job"], it.simulator.ledger.calls["get_output"]) == (2, 1)


@pytest.mark.parametrize("times", ["ms", "s", "text"])
async def test_the_end_of_a_task_is_dated_in_any_of_its_units(times):
    """The specification does not say which it is."""
    it = Account(task_times=times)
    batch, item, _ = await it.submit("publish", {"study": "GSF1"})
    begun = it.clock.now()
    await it.clock.advance(60)
    (report,) = await it.ask(batch, item)
    assert (report.state, report.finished_at // 1_000_000 - begun // 1_000_000) == (ItemState.SUCCEEDED, 20)


async def test_a_task_that_cannot_be_read_delays_no_other():
    """Each has a poll of its own: an error for one is no error for the rest."""
    it = Account()
    batches = [(await it.submit("publish", {"study": f"GSF{n}"}, number=n))[:2] for n in (1, 2)]
    assert len(it.platform.polls([batch for batch, _ in batches])) == 2
    it.simulator.faults.add(Fault(kind=FaultKind.ERROR, operation="get_task", count=4), it.clock.monotonic())

    await it.clock.advance(60)
    outcomes = []
    for batch, item in batches:
        try:
            outcomes += [report.state for report in await _in_time(it, batch, item)]
        except PlatformError:
            outcomes.append(None)
    assert outcomes == [None, ItemState.SUCCEEDED]


async def test_what_is_gone_is_not_reported():
    """A task or job that ODM does not know any more is missed, and not failed."""
    it = Account()
    for setting, request in (("publish", {"study": "GSF1"}), ("import", {"type": "cells", "dataLink": "x"})):
        batch, item, _ = await it.submit(setting, request)
        assert await it.ask(replace(batch, remote_id="99"), replace(item, remote_id="GSF-unknown")) == []


async def test_an_import_that_ended_cannot_be_stopped():
    """The refusal says that there is nothing to stop."""
    it = Account()
    batch, item, _ = await it.submit("import", {"type": "cells", "dataLink": "x"})
    await it.clock.advance(60)
    with pytest.raises(Refused):
        await it.platform.abort(batch, item)


async def _in_time(it, batch, item):
    """Ask, moving the clock on while the transport waits between its repeats."""
    reports = []

    async def act():
        try:
            reports.append(await it.ask(batch, item))
        except PlatformError as error:
            reports.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(act)
        while not reports:
            await anyio.wait_all_tasks_blocked()
            if not reports:
                await it.clock.advance(max(0.0, it.clock.next_deadline - it.clock.monotonic()))
    if isinstance(reports[0], PlatformError):
        raise reports[0]
    return reports[0]
