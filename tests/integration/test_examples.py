"""The files of `examples/`, run as they stand there against the simulated platforms."""

import json
import shutil

import anyio
import pytest
from queue_documents import EXAMPLES, example_files, parsed
from waiting import patience

from orchestrator.app import daemon
from orchestrator.platforms.registry import KINDS, PLATFORMS
from orchestrator.settings import load
from orchestrator.simulator import ica, odm, serve, sevenbridges
from orchestrator.simulator.registry import PLATFORMS as SIMULATED
from orchestrator.simulator.registry import SideBySide
from orchestrator.telemetry.bus import Bus

QUICK = {
    "ica": lambda: ica.Simulator(
        ica.Config(knobs=ica.Knobs(link_seconds=0.2, data_seconds=0.2, creation_seconds=0.1, analysis_seconds=0.3))
    ),
    "sevenbridges": lambda: sevenbridges.Simulator(
        sevenbridges.Config(
            knobs=sevenbridges.Knobs(
                task_seconds=0.3,
                creating_seconds=0.1,
                transfer_seconds=0.2,
                file_job_seconds=0.2,
                drs_seconds=0.2,
                automation_seconds=0.3,
            )
        )
    ),
    "odm": lambda: odm.Simulator(odm.Config(knobs=odm.Knobs(publish_seconds=0.2, import_seconds=0.2))),
}
"""Platforms whose work takes no time to speak of; any other as it is."""
FILES = [file for file in example_files() if "jobs" in parsed(file.read_text())]
CONTROLS = [file for file in example_files() if file not in FILES]


@pytest.fixture(scope="module")
def queue(tmp_path_factory):
    """The queue directory after all examples were submitted, those with controls after the others."""
    folder = tmp_path_factory.mktemp("examples")
    anyio.run(_run, folder)
    return folder / "queue"


async def _run(folder):
    (folder / "key").write_text("simulator\n")
    platforms = {name: QUICK[name]() if name in QUICK else make(1) for name, make in SIMULATED.items()}
    async with serve(SideBySide(platforms.values())) as root:
        accounts = {
            name: {
                "platform": name,
                "base_url": f"{root}{platform.base_path}",
                "api_key": f"simulator-{name}",
                "poll": {"min_interval": "100ms", "max_interval": "200ms"},
            }
            for name, platform in platforms.items()
            if name in PLATFORMS
        }
        environ = {f"ORCHESTRATOR_ACCOUNTS__{name.upper()}__API_KEY": "simulator" for name in accounts}
        for account in accounts.values():
            del account["api_key"]
        for files in (FILES, CONTROLS):
            for name, account in accounts.items():
                await _submit(folder, files, {name: account}, environ)


async def _submit(folder, files, accounts, environ):
    """Submit the files of one account with the tables beside them, and wait until nothing moves any more."""
    (account,) = accounts
    mine = [file for file in files if account in _accounts_of(file)]
    if not mine:
        return
    config = {"accounts": accounts, "server": None, "queue": {"scan_interval": "50ms", "rest": "50ms"}}
    (folder / "config.yaml").write_text(json.dumps(config))
    incoming = folder / "queue/incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    for file in mine:
        for table in [job["table"] for job in parsed(file.read_text()).get("jobs", []) if "table" in job]:
            shutil.copyfile(file.parent / table, incoming / table)
        shutil.copyfile(file, incoming / f"{account}-{file.name}")
    own = {name: value for name, value in environ.items() if account.upper() in name}
    async with daemon(load(folder / "config.yaml", own), bus=Bus()) as running:
        running.start()
        with patience():
            await running.until_idle()


def _accounts_of(file):
    """The accounts that a file is about; controls are about the jobs of the first platform."""
    return {job["account"] for job in parsed(file.read_text()).get("jobs", [])} or {next(iter(PLATFORMS))}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_job_of_an_example_succeeds(file, queue):
    """With each of its items, as many as the file or its table has."""
    for job in parsed(file.read_text())["jobs"]:
        result = json.loads((queue / f"results/{job['name']}.json").read_text())
        assert result["job"]["state"] == "succeeded", result
        assert set(result["job"]["counts"]) == {"succeeded"}
        listed = [item for item in result["items"] if item["parent"] is None]
        assert len(listed) == (job.get("count") or len(job["items"]))


@pytest.mark.parametrize("file", example_files(), ids=lambda file: file.name)
def test_every_example_is_accepted(file, queue):
    """None was rejected, with its tables."""
    assert list((queue / "rejected").iterdir()) == []
    assert [path.name for path in (queue / "accepted").iterdir() if path.name.endswith(f"-{file.name}")]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_an_example(name):
    """In a file, or at least in its declaration."""
    kinds = {job["kind"] for file in FILES for job in parsed(file.read_text())["jobs"]}
    assert name in kinds or KINDS[name].example, f"{name} has no example: add one to examples/ or to its Kind"


def test_every_file_is_listed():
    """In the table of the folder's page."""
    page = (EXAMPLES / "README.md").read_text()
    assert [file.name for file in example_files() if file.relative_to(EXAMPLES).as_posix() not in page] == []
