"""A daemon with a simulated platform and enough work for every page to show something."""

import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from processes import Started, free_port, get, running, until
from waiting import PATIENCE

PROJECT = "11111111-1111-1111-1111-111111111111"
PIPELINE = "f606f580-d476-47a8-9679-9ddb39fcb0a8"
TOKEN = "token-5d2f8e11"
_KNOBS = {"link_seconds": 1.0, "creation_seconds": 0.5, "analysis_seconds": 3.0, "await_seconds": 600.0}


@dataclass(frozen=True)
class Scene:
    """The daemon's address and its folder."""

    url: str
    folder: Path
    program: Path
    daemon: Started

    def kill_and_restart(self) -> None:
        """The daemon as after a loss of power."""
        self.daemon.kill()
        self.daemon.start()
        self.until_ready()

    def until_ready(self) -> None:
        """Wait until the server answers."""
        until(lambda: get(f"{self.url}/readyz"))

    def api(self, path: str) -> Any:
        """The answer of the API."""
        return json.loads(get(f"{self.url}{path}", TOKEN))

    def job(self, name: str) -> Any:
        """One job as the API describes it."""
        return self.api(f"/api/v1/jobs/{name}")["job"]

    def drop(self, name: str, text: str) -> None:
        """Put a queue file into incoming/."""
        draft = self.folder / f"queue/incoming/.{name}.tmp"
        draft.write_text(text)
        draft.rename(draft.with_name(name))

    def queue(self, name: str, *jobs: dict[str, Any]) -> None:
        """Put a queue file of these jobs into incoming/."""
        self.drop(name, yaml.safe_dump({"version": 1, "jobs": list(jobs)}, sort_keys=False))

    def until(self, name: str, *states: str) -> None:
        """Wait until a job is in one of these states; a rejected file fails the test at once."""

        def reached() -> bool:
            rejected = [path.read_text() for path in (self.folder / "queue/rejected").glob("*.error.json")]
            assert all("bad.yaml" in text for text in rejected), rejected
            return self.job(name)["state"] in states

        until(reached)

    def until_counts(self, name: str, **least: int) -> None:
        """Wait until a job has at least so many items in these states."""
        until(lambda: all(self.job(name)["counts"].get(state, 0) >= count for state, count in least.items()))


def analyses(name: str, *keys: str, **more: Any) -> dict[str, Any]:
    """A job of analyses."""
    items = [
        {"userReference": f"{name}/{key}", "pipelineId": PIPELINE, "analysisInput": {"inputs": []}} for key in keys
    ]
    return _job(name, "ica.analysis_creation", items) | {"engine": "nextflow"} | more


def links(name: str, *ids: str, **more: Any) -> dict[str, Any]:
    """A linking job."""
    return _job(name, "ica.data_linking", [{"dataId": each} for each in ids]) | more


def _job(name: str, kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "kind": kind, "account": "ica", "project": PROJECT, "items": items}


def log_in(page: Any, url: str, path: str = "/") -> None:
    """Log in as an operator, and go to a page of the daemon at `url`."""
    page.goto(f"{url}/login?next={path}")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log out").wait_for()


@contextmanager
def scene(folder: Path, *, slow: bool = False, **config: Any) -> Iterator[Scene]:
    """A running daemon with an empty database; `slow`: analyses take minutes, so that a page can be read meanwhile."""
    program = Path(sys.executable).with_name("orchestrator")
    platform, port = free_port(), free_port()
    (folder / "secrets").mkdir(exist_ok=True)
    for name, secret in (("ica", "simulator"), ("token", TOKEN)):
        (folder / f"secrets/{name}").write_text(f"{secret}\n")
        (folder / f"secrets/{name}").chmod(0o600)
    base_url = f"http://127.0.0.1:{platform}/ica/rest"
    settings = {
        "instance": "sequencing-lab",
        "queue": {"directory": "queue", "scan_interval": "100ms", "rest": "200ms"},
        "accounts": {
            "ica": {
                "platform": "ica",
                "base_url": base_url,
                "api_key_file": "secrets/ica",
                "poll": {"min_interval": "1s", "max_interval": "5s"},
                "batch_size": {"analysis_creation": 40, "data_linking": 500},
            }
        },
        "server": {"listen": f"127.0.0.1:{port}", "token_file": "secrets/token"},
    } | config
    (folder / "config.yaml").write_text(json.dumps(settings))
    knobs = _KNOBS | ({"analysis_seconds": 900.0} if slow else {})
    with running(folder, program, "simulator", "--port", platform):
        until(lambda: get(f"{base_url}/_simulator/knobs"))
        _put(f"{base_url}/_simulator/knobs", knobs)
        with Started(folder, program, "run", "--config", "config.yaml") as daemon:
            opened = Scene(f"http://127.0.0.1:{port}", folder, program, daemon)
            opened.until_ready()
            yield opened


def _put(url: str, body: Any) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="PUT")
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        answer.read()
