"""Notices reach their receivers: signed, at least once, under one id, over three days of refusals and through kills."""

import itertools
import json
import shutil
from random import Random

import pytest
from standardwebhooks import Webhook
from virtual_time import Killed, OurClock, Steps, Time

from orchestrator.domain.model import JobSpec, NewItem
from orchestrator.domain.webhook import Notice, Notify, WebhookTerms
from orchestrator.notify import deliveries
from orchestrator.notify.client import Reply, UndeliverableError
from orchestrator.notify.deliveries import DAY, DELAYS, MOST_IN_FLIGHT, MOST_OF_HOST, Deliveries, Sender
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import ComponentError
from orchestrator.telemetry.webhook_events import WebhookDelayed, WebhookDelivered, WebhookGivenUp

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEWER = "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
HOOK = "https://lims.example.org/hook?token=t0ken"
OK = Reply(204, "", None)


class Receiver:
    """Takes the place of the client: keeps what it was sent, and answers as the test wants."""

    def __init__(self):
        self.answers = []
        self.sent = []
        self.always = OK

    async def post(self, target, headers, body):
        self.sent.append((target, headers, body))
        answer = self.answers.pop(0) if self.answers else self.always
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def ids(self):
        return [headers["webhook-id"] for _, headers, _ in self.sent]


class Desk:
    """A store, the deliveries, and a receiver, in virtual time."""

    def __init__(self, store, folder):
        self.store = store
        self.folder = folder
        self.time = Time()
        self.clock = OurClock(self.time)
        self.receiver = Receiver()
        self.events = []
        self.secrets = [SECRET]
        self.terms = WebhookTerms(("lims.example.org",), signed=True)
        self.start()

    def start(self):
        """As a process begins: nothing is left of the one before but the database."""
        bus = Bus()
        bus.subscribe(self.events.append)
        self.steps = Steps()
        self.deliveries = Deliveries(
            Sender("lab-1", lambda: self.secrets, self.terms),
            client=self.receiver,
            store=self.store,
            clock=self.clock,
            bus=bus,
            random=Random(1),
            group=self.steps,
        )

    async def settle(self, name="run", hook=HOOK, on=frozenset(Notice), **spec):
        given = {"kind": "ica.data_linking", "account": "ica", "project": "p", "digest": f"d {name}", "batch_size": 10}
        job = await self.store.jobs.load(
            JobSpec(name=name, notify=Notify(hook, on), **(given | spec)), self.clock.now()
        )
        await self.store.jobs.add_items(job, [NewItem(1, "fil.1", b"{}")])
        await self.store.jobs.commit([job], self.clock.now())
        await self.store.advance.cancel(name, now=self.clock.now())

    async def turn(self):
        """All that is due now; returns the seconds until there may be more."""
        while True:
            pause = await self.deliveries.turn()
            if not await self.steps.run():
                return pause

    async def run_for(self, seconds):
        end = self.time.monotonic() + seconds
        while (left := end - self.time.monotonic()) > 0:
            self.time.move(min(max(await self.turn(), 0.001), left))

    def published(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
async def desk(tmp_path, newest_sqlite):
    """A desk on an SQLite database."""
    shutil.copyfile(newest_sqlite, tmp_path / "orchestrator.db")
    store = await Store.open(f"sqlite:///{tmp_path / 'orchestrator.db'}", state_directory=tmp_path)
    await store.memory.instance("lab-1")
    yield Desk(store, tmp_path)
    await store.aclose()


# ---------------------------------------------------------------- what is sent


async def test_a_settled_job_is_announced_to_its_receiver(desk):
    """A small body with the id and the round; what was done is in the history and in the log, without the path."""
    await desk.settle(labels={"run": "0172"})
    await desk.turn()
    ((target, headers, body),) = desk.receiver.sent
    told = json.loads(body)
    assert (target.authority, target.path) == ("lims.example.org", "/hook?token=t0ken")
    assert (told["type"], told["id"], told["instance"]) == ("job.settled", headers["webhook-id"], "lab-1")
    assert told["data"] == {
        "job": "run",
        "kind": "ica.data_linking",
        "account": "ica",
        "project": "p",
        "labels": {"run": "0172"},
        "round": 1,
        "state": "cancelled",
        "needs": None,
        "detail": None,
        "counts": {"cancelled": 1},
    }
    assert len(body) < 1000
    assert desk.published(WebhookDelivered) == [WebhookDelivered("run", "settled", "lims.example.org", 1)]
    assert await desk.store.notices.counts() == (0, 0)


@pytest.mark.parametrize("secrets", [[SECRET], [NEWER, SECRET]])
async def test_the_signature_is_good_by_the_official_library(desk, secrets, monkeypatch):
    """With two secrets a receiver that has either of them accepts it; one that has neither does not."""
    desk.secrets[:] = secrets
    await desk.settle()
    await desk.turn()
    ((_, headers, body),) = desk.receiver.sent
    monkeypatch.setattr("standardwebhooks.webhooks.datetime", _At(desk.clock.now()))
    for secret in secrets:
        assert Webhook(secret).verify(body, dict(headers))["type"] == "job.settled"
    stranger = Webhook("whsec_" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    with pytest.raises(Exception, match="No matching signature"):
        stranger.verify(body, dict(headers))
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(secrets[0]).verify(body.replace(b"run", b"fun"), dict(headers))


async def test_a_secret_that_is_rotated_signs_the_next_attempt(desk, monkeypatch):
    """Without a restart: a notice that was refused before is signed with the new one."""
    desk.receiver.always = UndeliverableError("down")
    await desk.settle()
    await desk.turn()
    desk.secrets[:] = [NEWER]
    await desk.run_for(10)
    (_, first, body), (_, second, _) = desk.receiver.sent
    monkeypatch.setattr("standardwebhooks.webhooks.datetime", _At(desk.clock.now()))
    assert Webhook(SECRET).verify(body, dict(first))
    assert Webhook(NEWER).verify(body, dict(second))


class _At:
    """The library's clock at the time of the test."""

    def __init__(self, now):
        from datetime import UTC, datetime

        self._now = datetime.fromtimestamp(now / 1_000_000, tz=UTC)

    def now(self, tz=None):
        return self._now

    def fromtimestamp(self, value, tz=None):
        return type(self._now).fromtimestamp(value, tz=tz)


# ---------------------------------------------------------------- refusals


async def test_a_refused_notice_is_tried_twelve_times_over_three_days(desk):
    """Under one id, ever more rarely; then it is given up and shown, and never tried again."""
    desk.receiver.always = Reply(503, "closed for the night", None)
    await desk.settle()
    times = []
    for _ in range(len(DELAYS) + 1):
        await desk.turn()
        times.append(desk.time.monotonic())
        due = await desk.store.notices.next_due()
        if due is not None:
            desk.time.move((due - desk.clock.now()) / 1_000_000)
    assert len(desk.receiver.sent) == 12
    assert len(set(desk.receiver.ids)) == 1
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(delay <= gap <= 1.1 * delay + 1 for gap, delay in zip(gaps, DELAYS, strict=True))
    assert 2.9 * DAY < sum(gaps) < 3.3 * DAY
    assert await desk.store.notices.next_due() is None
    await desk.run_for(DAY / 24)
    assert len(desk.receiver.sent) == 12
    (given_up,) = desk.published(WebhookGivenUp)
    assert (given_up.reason, given_up.tries) == ("HTTP 503: closed for the night", 12)
    assert len(desk.published(WebhookDelayed)) == 11
    job = await desk.store.jobs.get("run")
    assert [event.detail for event in await desk.store.history.page(job.id) if event.event == "notify"] == [
        "given up: HTTP 503: closed for the night"
    ]


async def test_410_stops_at_once(desk):
    """The receiver wants no more of it."""
    desk.receiver.always = Reply(410, "", None)
    await desk.settle()
    await desk.run_for(DAY)
    assert len(desk.receiver.sent) == 1
    assert await desk.store.notices.counts() == (0, 1)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500])
async def test_only_2xx_is_a_delivery(desk, status):
    """A redirect is an answer like any other: it is not followed, and tried again."""
    desk.receiver.answers = [Reply(status, "", None)]
    await desk.settle()
    await desk.run_for(10)
    assert len(desk.receiver.sent) == 2
    assert desk.published(WebhookDelivered)[0].tries == 2


async def test_a_receiver_may_ask_for_more_time(desk):
    """`Retry-After` is kept where it is longer, up to a day."""
    desk.receiver.answers = [Reply(429, "", 3600.0), Reply(429, "", 1e9)]
    await desk.settle()
    await desk.run_for(3599)
    assert len(desk.receiver.sent) == 1
    await desk.run_for(2)
    assert len(desk.receiver.sent) == 2
    await desk.run_for(DAY + 2)
    assert len(desk.receiver.sent) == 3


async def test_no_answer_and_no_leave_are_refusals(desk):
    """A receiver that is gone, a host that is no longer allowed, a secret that was taken away."""
    desk.receiver.answers = [UndeliverableError("10.0.0.1 is not public")]
    await desk.settle()
    await desk.turn()
    desk.terms = WebhookTerms(("other.example.org",), signed=True)
    desk.start()
    await desk.run_for(6)
    desk.secrets = []
    desk.start()
    await desk.run_for(40)
    reasons = [event.reason for event in desk.published(WebhookDelayed)]
    assert reasons[0] == "10.0.0.1 is not public"
    assert "lims.example.org is no longer in `notify.allowed_hosts`" in reasons[1]
    assert "no secret to sign with" in reasons[2]
    assert len(desk.receiver.sent) == 1


# ---------------------------------------------------------------- kills


async def test_killed_between_delivery_and_its_record_it_is_sent_again_under_its_id(desk, monkeypatch):
    """The receiver knows it by its id; nothing is lost, and nothing is sent a third time."""
    await desk.settle()

    async def killed(*_args):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(desk.store.notices, "delivered", killed)
        with pytest.raises(Killed):
            await desk.turn()
    desk.start()
    await desk.run_for(3600)
    assert len(desk.receiver.sent) == 2
    assert len(set(desk.receiver.ids)) == 1
    assert desk.receiver.sent[0][2] == desk.receiver.sent[1][2]


async def test_a_restart_keeps_the_time_of_the_next_attempt(desk):
    """Ten restarts in an hour are no ten attempts."""
    desk.receiver.always = Reply(500, "", None)
    await desk.settle()
    await desk.run_for(3600)
    tried = len(desk.receiver.sent)
    for _ in range(10):
        desk.start()
        await desk.store.advance.recover(desk.clock.now())
        await desk.run_for(10)
    assert len(desk.receiver.sent) == tried
    desk.receiver.always = OK
    await desk.run_for(3600)
    assert len(desk.published(WebhookDelivered)) == 1


async def test_a_clock_that_was_ahead_delays_a_notice_by_a_day_at_most(desk):
    """Somebody set the clock right; the daemon need not be started again for that."""
    desk.clock.step(365 * DAY)
    desk.receiver.answers = [Reply(500, "", None)]
    await desk.settle()
    await desk.turn()
    desk.clock.step(-365 * DAY)
    await desk.run_for(1.2 * DAY)
    assert len(desk.published(WebhookDelivered)) == 1


async def test_a_database_that_fails_ends_nothing_and_loses_nothing(desk, monkeypatch):
    """It is reported, and the notice is sent again under its id."""
    await desk.settle()

    async def unavailable(*_args):
        raise StoreUnavailableError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(desk.store.notices, "delivered", unavailable)
        await desk.turn()
    await desk.run_for(11)
    assert len(desk.receiver.sent) == 2
    assert len(set(desk.receiver.ids)) == 1
    assert await desk.store.notices.counts() == (0, 0)


async def test_what_cannot_be_recorded_is_sent_ever_more_rarely(desk, monkeypatch):
    """A receiver is not called every ten seconds because our disk is full; others are called meanwhile."""
    await desk.settle()

    async def unavailable(*_args):
        raise StoreUnavailableError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(desk.store.notices, "delivered", unavailable)
        await desk.run_for(DAY)
    assert len(desk.receiver.sent) < 40
    assert [event.retry_in_s for event in desk.published(ComponentError)][:4] == [10.0, 20.0, 40.0, 80.0]
    await desk.run_for(3600)
    assert await desk.store.notices.counts() == (0, 0)


@pytest.mark.parametrize("place", ["compose", "signed_headers", "parse_target", "post"])
async def test_a_local_error_is_a_failed_attempt(desk, monkeypatch, place):
    """A bug in composing or sending is tried as rarely as a refusal, shown with its reason, and given up at last."""
    await desk.settle()

    def broken(*_args):
        raise ValueError("no such column")

    if place == "post":
        desk.receiver.always = ValueError("no such column")
    else:
        monkeypatch.setattr(deliveries, place, broken)
    await desk.turn()
    (pending,) = await desk.store.notices.undelivered()
    assert (pending.tries, pending.last_error) == (
        1,
        "it could not be sent by this program: ValueError: no such column",
    )
    assert "Traceback" in desk.published(ComponentError)[0].reason
    await desk.run_for(4 * DAY)
    assert len(desk.published(WebhookDelayed)) == len(DELAYS)
    (given_up,) = desk.published(WebhookGivenUp)
    assert given_up.tries == len(DELAYS) + 1


# ---------------------------------------------------------------- many


async def test_a_receiver_that_hangs_does_not_keep_others_waiting(desk):
    """Two attempts at a time to one host, eight in all."""
    for number in range(6):
        await desk.settle(f"slow{number}", "https://slow.example.org/hook")
    for number in range(10):
        await desk.settle(f"run{number}", f"https://h{number}.example.org/hook")
    desk.terms = WebhookTerms(("slow.example.org", *(f"h{number}.example.org" for number in range(10))), signed=True)
    desk.start()
    await desk.deliveries.turn()
    in_flight = list(desk.deliveries._in_flight.values())
    assert (len(in_flight), in_flight.count("slow.example.org")) == (MOST_IN_FLIGHT, MOST_OF_HOST)
    await desk.turn()
    assert len(desk.published(WebhookDelivered)) == 16


async def test_however_many_notices_of_one_receiver_are_due_others_go_out_beside_them(desk, monkeypatch):
    """What is due is read on until enough is in flight: the oldest may all be of the receiver that hangs."""
    monkeypatch.setattr(deliveries, "PORTION", 2)
    for number in range(7):
        await desk.settle(f"slow{number}", "https://slow.example.org/hook")
    await desk.settle("run", "https://fast.example.org/hook")
    desk.terms = WebhookTerms(("slow.example.org", "fast.example.org"), signed=True)
    desk.start()
    await desk.deliveries.turn()
    assert sorted(desk.deliveries._in_flight.values()) == ["fast.example.org"] + ["slow.example.org"] * MOST_OF_HOST
