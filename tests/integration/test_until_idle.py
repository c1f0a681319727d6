"""`run --until-idle` comes to an end, also where nothing gets better: it says what is left to a person."""

import json
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner

from orchestrator.app import Left, daemon
from orchestrator.cli import run as command
from orchestrator.cli.program import build
from orchestrator.clock import SystemClock
from orchestrator.engine import results
from orchestrator.settings import load
from orchestrator.telemetry.bus import Bus

PACE = 500.0


class Fast(SystemClock):
    """Minutes pass in a moment."""

    def monotonic(self):
        return super().monotonic() * PACE

    async def sleep(self, seconds):
        await super().sleep(0.001 + seconds / PACE)


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


def links() -> dict[str, object]:
    job = {
        "name": "links",
        "kind": "ica.data_linking",
        "account": "ica",
        "project": "1" * 8 + "-1111" * 3 + "-" + "1" * 12,
    }
    return {"version": 1, "jobs": [job | {"items": [{"dataId": "fil.1"}]}]}


async def left_by(config: Path, prepare: object) -> Left:
    """Run until nothing moves."""
    async with daemon(load(config, {}), bus=Bus(), clock=Fast()) as running:
        await prepare(running)
        running.start()
        with anyio.fail_after(120):
            return await running.until_idle()


async def test_a_file_that_cannot_be_taken_in_does_not_hold_the_end_up(config, monkeypatch):
    """The disk stays full: after two minutes the file is named with the reason, and the program ends."""
    path = drop(config, links())

    async def break_the_store(running):
        async def full(*_given, **_more):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(running.store.jobs, "commit", full)

    left = await left_by(config, break_the_store)
    assert (list(left.files), left.jobs) == ([str(path)], [])
    assert "No space left" in left.files[str(path)]


async def test_a_result_that_cannot_be_written_does_not_hold_the_end_up(config, monkeypatch):
    """After some attempts it is left to a person; the database keeps it for the next start."""
    drop(config, {"version": 1, "jobs": links()["jobs"], "controls": [{"cancel": "links"}]})

    async def full(*_given):
        raise OSError(28, "No space left on device", "links.csv")

    async def nothing(_running):
        pass

    monkeypatch.setattr(results, "write_whole", full)
    left = await left_by(config, nothing)
    assert dict(left.results) == {"links": "No space left on device: links.csv"}
    monkeypatch.undo()
    assert await left_by(config, nothing) == Left([], {}, {})
    assert (config.parent / "queue/results/links.json").exists()


# ---------------------------------------------------------------- the command


@pytest.fixture
def ended(config, monkeypatch):
    """Runs the command with a daemon that leaves this behind."""

    def run(left: Left, **environ: str):
        async def leave(*_given, **_more):
            return left

        monkeypatch.setattr(command, "run_daemon", leave)
        return CliRunner().invoke(build(["run"]), ["run", "--config", str(config), "--until-idle"], env=environ)

    return run


@pytest.mark.parametrize(
    ("left", "code", "says"),
    [
        (Left(), 0, ""),
        (Left(files={"/q/a.json": "OSError: full"}), 1, "/q/a.json was not taken in: OSError: full\n"),
        (Left(results={"links": "full"}), 1, "links: its result was not written: full\n"),
    ],
)
def test_the_exit_code_tells_whether_something_of_ours_is_undone(ended, left, code, says):
    """Jobs that need a person are normal work; what we could not take in or write down is not."""
    result = ended(left)
    assert (result.exit_code, says in result.stderr) == (code, True)


def test_a_secret_that_everybody_can_read_is_warned_of(ended, config):
    """Once at the start, with the way out."""
    stderr = ended(Left()).stderr
    assert "secret_exposed" in stderr
    assert f"chmod o-r {config.parent / 'key'}" in stderr


def test_a_service_manager_that_cannot_be_understood_is_wrong_use(ended):
    """One line, and code 2."""
    result = ended(Left(), NOTIFY_SOCKET="nowhere")
    assert (result.exit_code, "NOTIFY_SOCKET" in result.stderr) == (2, True)
