"""`run --until-idle` comes to an end, also where nothing gets better: it says what is left to a person."""

import json
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from idle_time import IdleTime
from typer.testing import CliRunner
from waiting import patience

from orchestrator.app import LONGEST_NOTICES, Leftovers, daemon
from orchestrator.cli.commands import run as command
from orchestrator.cli.program import build
from orchestrator.connections import SecretReaders
from orchestrator.domain.errors import Unauthorised
from orchestrator.engine import results
from orchestrator.settings import key_reader, load
from orchestrator.simulator import serve
from orchestrator.simulator.ica import Config, Simulator
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import CredentialRejected


@pytest.fixture
async def clock(monkeypatch):
    """Time that passes only while the whole daemon waits for it."""
    async with IdleTime.passing(monkeypatch) as passing:
        yield passing


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of a daemon whose platform nobody can reach."""
    (tmp_path / "key").write_text("key-93bd10c7")
    (tmp_path / "key").chmod(0o644)
    account = {"platform": "ica", "base_url": "http://127.0.0.1:1/rest", "api_key_file": "key"}
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"queue": {"directory": "queue"}, "accounts": {"ica": account}, "server": None}))
    return path


def drop(config: Path, document: object) -> Path:
    """Put a queue file into incoming/."""
    path = config.parent / "queue/incoming/work.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def refusing(monkeypatch):
    """Makes the platform refuse the credential."""

    async def prepare(running):
        async def refuse(*_given, **_more):
            raise Unauthorised("POST tokens at ica: 401", status=401)

        monkeypatch.setattr(running.dispatches[0]._steps._platform._session, "send", refuse)
        monkeypatch.setattr(running.dispatches[0]._steps._platform._session, "user", refuse)

    return prepare


def links() -> dict[str, object]:
    job = {
        "name": "links",
        "kind": "ica.data_linking",
        "account": "ica",
        "project": "1" * 8 + "-1111" * 3 + "-" + "1" * 12,
    }
    return {"version": 1, "jobs": [job | {"items": [{"dataId": "fil.1"}]}]}


async def left_by(config: Path, clock: IdleTime, prepare: object) -> Leftovers:
    """Run until nothing moves."""
    async with daemon(load(config, {}), bus=Bus(), clock=clock) as running:
        await prepare(running)
        running.start()
        with patience():
            return await running.until_idle()


async def test_a_file_that_cannot_be_taken_in_does_not_hold_the_end_up(config, clock, monkeypatch):
    """The disk stays full: after two minutes the file is named with the reason, and the program ends."""
    path = drop(config, links())

    async def break_the_store(running):
        async def full(*_given, **_more):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(running.store.jobs, "commit", full)

    left = await left_by(config, clock, break_the_store)
    assert (list(left.files), left.jobs) == ([str(path)], [])
    assert "No space left" in left.files[str(path)]


async def test_what_is_not_for_the_queue_is_nothing_left_undone(config, clock):
    """A note and a folder in incoming/ are left there, and the program ends as if they were not."""
    note = config.parent / "queue/incoming/notes.txt"
    note.parent.mkdir(parents=True)
    note.write_text("x")
    (note.parent / "run-0172").mkdir()

    async def nothing(_running):
        pass

    assert await left_by(config, clock, nothing) == Leftovers([], {}, {})
    assert note.exists()


async def test_a_result_that_cannot_be_written_does_not_hold_the_end_up(config, clock, monkeypatch):
    """After some attempts it is left to a person; the database keeps it for the next start."""
    drop(config, {"version": 1, "jobs": links()["jobs"], "controls": [{"cancel": "links"}]})

    def full(*_given):
        raise OSError(28, "No space left on device", "links.csv")

    async def nothing(_running):
        pass

    monkeypatch.setattr(results, "open_draft", full)
    left = await left_by(config, clock, nothing)
    assert dict(left.results) == {"links": "No space left on device: links.csv"}
    monkeypatch.undo()
    assert await left_by(config, clock, nothing) == Leftovers([], {}, {})
    assert (config.parent / "queue/results/links.json").exists()


async def test_a_webhook_is_waited_for_and_named_when_it_was_not_delivered(config, clock):
    """For a minute, with some attempts in it; the exit code stays as it is."""
    (config.parent / "hook").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    told = json.loads(config.read_text())
    told["notify"] = {"allowed_hosts": ["127.0.0.1:1"], "allow_private": ["127.0.0.0/8"], "secret_file": "hook"}
    config.write_text(json.dumps(told))
    job = links()["jobs"][0] | {"notify": {"webhook": "http://127.0.0.1:1/hook"}}
    drop(config, {"version": 1, "jobs": [job], "controls": [{"cancel": "links"}]})

    async def nothing(_running):
        pass

    began = clock.monotonic()
    left = await left_by(config, clock, nothing)
    assert LONGEST_NOTICES <= clock.monotonic() - began < 3 * LONGEST_NOTICES
    assert [*left.webhooks] == ["links: settled (round 1)"]
    assert "127.0.0.1" in left.webhooks["links: settled (round 1)"]
    assert (left.jobs, left.results) == ([], {})


def test_an_undelivered_webhook_is_named_and_no_failure(ended):
    """On stderr, with the reason; what the job came to is in its result."""
    result = ended(Leftovers(webhooks={"links: settled (round 1)": "HTTP 503"}))
    assert result.exit_code == 0
    assert "links: settled (round 1): its webhook was not delivered: HTTP 503\n" in result.stderr


async def test_a_credential_that_is_refused_does_not_hold_the_end_up(config, clock, refusing):
    """After some refusals the account is left to a person, and is named with the reason."""
    drop(config, links())
    left = await left_by(config, clock, refusing)
    assert ([job.spec.name for job in left.jobs], [*left.accounts]) == (["links"], ["ica"])
    assert "put a valid key in place" in left.accounts["ica"]


async def test_a_key_that_is_replaced_opens_the_account_without_a_restart(config, clock):
    """The file is read again while the platform refuses the old key, and the new one is kept out of the log."""
    heard, bus, closed = [], Bus(), anyio.Event()
    bus.subscribe(lambda event: closed.set() if isinstance(event, CredentialRejected) else None)
    async with serve(Simulator(Config(api_keys=("the-new-key",)))) as base_url:
        settings = load(config, {"ORCHESTRATOR_ACCOUNTS__ICA__BASE_URL": base_url})
        drop(config, links())
        keys = {"ica": key_reader(settings, "ica", {}, heard.append)}
        async with daemon(settings, bus=bus, clock=clock, secrets=SecretReaders(keys)) as running:
            running.start()
            with patience():
                await closed.wait()
                (config.parent / "key").write_text("the-new-key\n")
                left = await running.until_idle()
    assert (left.jobs, left.accounts, heard) == ([], {}, ["the-new-key"])


# ---------------------------------------------------------------- the command


@pytest.fixture
def ended(config, monkeypatch):
    """Runs the command with a daemon that leaves this behind."""

    def run(left: Leftovers, **environ: str):
        async def leave(*_given, **_more):
            return left

        monkeypatch.setattr(command, "run_daemon", leave)
        return CliRunner().invoke(build(["run"]), ["run", "--config", str(config), "--until-idle"], env=environ)

    return run


@pytest.mark.parametrize(
    ("left", "code", "says"),
    [
        (Leftovers(), 0, ""),
        (Leftovers(files={"/q/a.json": "OSError: full"}), 1, "/q/a.json was not read: OSError: full\n"),
        (Leftovers(results={"links": "full"}), 1, "links: its result was not written: full\n"),
        (Leftovers(accounts={"ica": "401"}), 4, "account ica: the credential is refused: 401\n"),
    ],
)
def test_the_exit_code_tells_whether_something_of_ours_is_undone(ended, left, code, says):
    """Jobs that need a person are normal work; what we could not take in or write down is not."""
    result = ended(left)
    assert (result.exit_code, says in result.stderr) == (code, True)


def test_a_secret_that_everybody_can_read_is_warned_of(ended, config):
    """Once at the start, with the way out."""
    stderr = ended(Leftovers()).stderr
    assert "secret_exposed" in stderr
    assert f"chmod o-r {config.parent / 'key'}" in stderr


def test_a_service_manager_that_cannot_be_understood_is_wrong_use(ended):
    """One line, and code 2."""
    result = ended(Leftovers(), NOTIFY_SOCKET="nowhere")
    assert (result.exit_code, "NOTIFY_SOCKET" in result.stderr) == (2, True)


def test_a_job_that_waits_for_one_that_nobody_dropped_says_so(config):
    """A name that is not in the database is distinguished from a job that still runs."""
    document = links()
    document["jobs"][0]["after"] = ["notyet"]
    drop(config, document)
    result = CliRunner().invoke(build(["run"]), ["run", "--config", str(config), "--until-idle"])
    waiting = "links: waiting for notyet: no such job yet"
    assert (result.exit_code, [line.startswith(waiting) for line in result.stderr.splitlines()].count(True)) == (0, 1)


@pytest.mark.parametrize("blocked", ["state", "state/lock", "state/budget-ica.slots"])
def test_a_state_that_cannot_be_written_is_wrong_use(config, blocked):
    """One line that names the place, and code 2: most often it belongs to another user."""
    place = config.parent / blocked
    place.parent.mkdir(exist_ok=True)
    if blocked == "state":
        place.write_text("a file where the folder should be")
    else:
        place.mkdir()
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator", "run", "--until-idle", "--config", config],
        check=False,
        capture_output=True,
        text=True,
    )
    lines = [line for line in ended.stderr.splitlines() if "secret_exposed" not in line]
    assert (ended.returncode, len(lines)) == (2, 1)
    assert str(place) in lines[0]
