"""`doctor` about accounts: what the platform, or a running daemon, says of them."""

import fcntl
import socket
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import pytest
from checkup import KEY, about, configure, examine, write_key, wrong
from processes import free_port
from waiting import PATIENCE, patience

from orchestrator import __version__
from orchestrator.app import daemon
from orchestrator.cli.checkup import credentials
from orchestrator.cli.checkup.daemon import answers, clock
from orchestrator.cli.commands.doctor import exit_code
from orchestrator.cli.sources import http
from orchestrator.clock import SystemClock
from orchestrator.connections import open_rate_limiter
from orchestrator.settings import load
from orchestrator.simulator import OffsetClock, serve
from orchestrator.simulator.ica import Config, Knobs, Simulator
from orchestrator.telemetry.bus import Bus

# ---------------------------------------------------------------- credentials, without a daemon


@asynccontextmanager
async def platform(desk, clock=None, **knobs):
    """A simulated platform that the account of the desk speaks to."""
    simulator = Simulator(Config(api_keys=(KEY,), knobs=Knobs(**knobs)), clock)
    async with serve(simulator) as base_url:
        configure(desk, {"base_url": base_url})
        yield simulator


async def examined(desk):
    return await anyio.to_thread.run_sync(examine, desk)


def spent(desk):
    """Requests that the slot file counts."""
    settings = load(desk.config, {})
    account = settings.accounts["ica"]
    with open_rate_limiter(
        "ica", account, state=desk.state, memory={"seen": "yes"}, clock=SystemClock(), random=None
    ) as budget:
        return budget.used


async def test_a_good_credential_costs_one_request_that_the_next_start_knows_of(desk):
    """Each check adds one; the database is not made for it."""
    async with platform(desk) as simulator:
        for number in (1, 2):
            code, found = await examined(desk)
            (account,) = about(found, "account")
            assert (code, account["result"], f"; {number} of 1000 requests" in account["found"]) == (0, "ok", True)
            assert about(found, "clock")[0]["result"] == "ok"
            assert simulator.ledger.calls["createJwtToken"] == number
    assert (spent(desk), desk.database.exists()) == (2, False)


async def test_a_refused_credential_is_code_4_whatever_else_is_wrong(desk):
    """4 wins; the key is in no line."""
    write_key(desk, "not-the-key-1")
    (desk.queue).write_text("no folder")
    async with platform(desk):
        ended = await anyio.to_thread.run_sync(desk.run, "doctor")
    assert (ended.code, "not-the-key-1" in ended.out, ended.err) == (4, False, "")
    assert "wrong    account       ica: the credential is refused: POST tokens at 127.0.0.1: 401" in ended.out
    assert "wrong    queue " in ended.out


async def test_a_clock_that_is_off_is_wrong(desk):
    """By more than a minute, as the platform's own date tells."""
    ahead = OffsetClock()
    await ahead.advance(3600)
    async with platform(desk, ahead):
        code, found = await examined(desk)
    (told,) = about(found, "clock")
    assert (code, told["result"], "behind the platform's" in told["found"]) == (2, "wrong", True)


@pytest.mark.parametrize(("seconds", "result"), [(0.5, "ok"), (-60, "ok"), (61, "wrong"), (-61, "wrong")])
def test_a_minute_is_the_bound(seconds, result):
    """Either way; beyond it keys' ages count as over."""
    assert clock("ica", seconds).result == result


def test_a_clock_that_is_right_is_said_to_agree():
    """The platform's date has whole seconds."""
    assert clock("ica", 1.9).found == "this machine's clock agrees with the platform's"


async def test_a_budget_that_is_used_up_is_waited_for_and_told(desk, monkeypatch):
    """Not a request more than the platform allows, not to find something out either."""
    async with platform(desk) as simulator:
        configure(desk, {"budget": {"requests": 1}})
        assert (await examined(desk))[0] == 0
        monkeypatch.setattr(credentials, "_TIMEOUT", 0.1)
        code, found = await examined(desk)
        (account,) = about(found, "account")
        assert (code, account["result"], "the request budget was used up" in account["found"]) == (0, "warning", True)
        assert simulator.ledger.calls["createJwtToken"] == 1


def test_a_platform_that_cannot_be_reached_is_no_refusal(desk):
    """Code 2: the network, the address or a proxy is to be mended, and not the key."""
    code, found = examine(desk)
    (account,) = about(found, "account")
    assert (code, account["result"], "can be reached from this machine" in account["remedy"]) == (2, "wrong", True)


def test_nothing_is_sent_where_it_could_not_be_counted(desk, monkeypatch):
    """A state folder that takes no files."""
    desk.state.write_text("no folder")
    monkeypatch.setattr(credentials, "ask_all", None)
    code, found = examine(desk)
    (account,) = about(found, "account")
    assert (code, account["result"]) == (2, "warning")
    assert "the request could not be recorded" in account["found"]


# ---------------------------------------------------------------- the daemon


def test_a_port_that_something_else_has_is_found(desk):
    """A start would fail for it."""
    listen = f"127.0.0.1:{free_port()}"
    configure(desk, server={"listen": listen})
    assert about(examine(desk)[1], "daemon")[1]["found"] == f"{listen} is free"
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        configure(desk, server={"listen": listen})
        told = wrong(about(examine(desk)[1], "daemon"))
        assert (told[0]["subject"], "cannot listen on" in told[0]["found"]) == ("server.listen", True)


@pytest.mark.parametrize("server", [None, {"listen": "127.0.0.1:9"}])
def test_a_daemon_that_does_not_answer_keeps_its_budget_to_itself(desk, server, monkeypatch):
    """No request is sent, and where to look is told."""
    monkeypatch.setattr(credentials, "ask_all", None)
    configure(desk, server=server)
    desk.state.mkdir()
    with (desk.state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, found = examine(desk)
    (account,) = about(found, "account")
    assert (code, account["result"], "the daemon's log" in account["remedy"]) == (0, "warning", True)
    assert "a request would use the daemon's budget without its knowledge" in account["found"]
    assert about(found, "daemon")[0]["result"] == ("ok" if server is None else "warning")


@asynccontextmanager
async def running(desk):
    """The daemon of the desk, with its server."""
    configure(desk, server={"listen": f"127.0.0.1:{free_port()}"})
    async with daemon(load(desk.config, {}), bus=Bus()) as built:
        built.start()
        yield built


async def until_told(desk, condition):
    """Examine until something is found; fails the test when it never is."""
    with patience():
        while True:
            code, found = await examined(desk)
            if condition(found):
                return code, found
            await SystemClock().sleep(0.05)


async def test_a_running_daemon_is_asked_and_the_platform_is_not(desk, monkeypatch):
    """It tells the budget and whether anything was heard; before, nothing is promised."""
    monkeypatch.setattr(credentials, "ask_all", None)
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", PATIENCE)
    async with platform(desk) as simulator, running(desk) as built:
        code, found = await until_told(desk, lambda found: "running, version" in about(found, "daemon")[0]["found"])
        (account,) = about(found, "account")
        assert (code, account["result"], "the daemon has had no answer from the platform" in account["found"]) == (
            0,
            "warning",
            True,
        )
        assert not simulator.ledger.calls
        await built.dispatches[0]._steps._platform.user()
        code, found = await examined(desk)
        assert simulator.ledger.calls["createJwtToken"] == 1
        (account,) = about(found, "account")
        assert (code, account["result"], "1 of 1000 requests" in account["found"]) == (0, "ok", True)
        assert about(found, "clock")[0]["result"] == "ok"


def told_by_daemon(**account):
    budget = {"used": 3, "limit": 10, "per_seconds": 300.0, "closed_for_seconds": 0.0}
    told = {"name": "ica", "closed": False, "detail": None, "last_error": None, "clock_skew_seconds": 0.4}
    told |= {"learned": {"embedded": "live"}, "budget": budget} | account
    return {"daemon": {"version": __version__}, "accounts": [told]}


@pytest.mark.parametrize(
    ("account", "code", "says"),
    [
        ({}, 0, "accepts the credential; 3 of 10 requests in 5m used"),
        ({"closed": True, "detail": "401 at the platform"}, 4, "the credential is refused: 401 at the platform"),
        ({"last_error": "look search:p: 403"}, 0, "requests keep failing: look search:p: 403"),
        ({"clock_skew_seconds": -75.0}, 2, "75 s behind the platform's"),
        ({"clock_skew_seconds": None}, 0, "the daemon has had no answer from the platform"),
        ({"name": "other"}, 0, "not known to the running daemon"),
    ],
)
def test_what_the_daemon_tells_of_an_account_is_judged(desk, account, code, says):
    """A refusal is code 4, as if we had been refused ourselves."""
    found = list(answers(told_by_daemon(**account), load(desk.config, {})))
    assert exit_code(found) == code
    assert any(says in finding.found for finding in found)


def test_a_daemon_of_another_version_is_told(desk):
    """After an upgrade that nobody has restarted it for."""
    told = told_by_daemon() | {"daemon": {"version": "0.0.1"}}
    first = next(iter(answers(told, load(desk.config, {}))))
    assert (first.result, first.remedy) == ("warning", "restart it")
