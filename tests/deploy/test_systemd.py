"""The service under systemd: its files are sound, and say the same as the program, its configuration and the docs."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.cli import program
from orchestrator.clock import ManualClock
from orchestrator.domain.model import ItemState, JobState, Needs
from orchestrator.intake.directory.moves import Folders
from orchestrator.settings import SettingsError, load
from orchestrator.settings.credentials import key_file_name
from orchestrator.settings.loading import SYSTEM_CONFIG
from orchestrator.settings.state import state_directory
from orchestrator.telemetry import events, job_events, webhook_events
from orchestrator.telemetry.events import ComponentError, DaemonStarted, Event, RequestDone, UnexpectedKind
from orchestrator.telemetry.journal import name_of
from orchestrator.telemetry.metrics import AccountReading, BackupReading, Metrics, Readings, StoreReading

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy/systemd"
UNIT = DEPLOY / "orchestrator.service"
DROP_IN = DEPLOY / "example-drop-in.conf"
INSTALLED = "/opt/orchestrator/bin/orchestrator"
SUBMITTERS = "orchestrator-submit"
WORST_EXPOSURE = 15
"""Tenths of `systemd-analyze security`'s points that the unit may have; it has 13."""

OUR_PART = {
    "event_handler_error",
    "file_events_failed",
    "intake_failed",
    "library_warning",
    "log_lines_lost",
    "move_journal_corrupt",
    "move_not_synced",
    "watchdog_notify_failed",
}
"""What the log may say beside the events of the bus."""


def tool(name):
    """The path of a program; in CI it has to be there."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing: .ci/run has to install it")
        pytest.skip(f"needs {name}")
    return path


def run(*command):
    """Run a program to its end."""
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def read_unit(path):
    """`Key` → all that it is set to, in order, without regard to sections."""
    found = {}
    for line in path.read_text().splitlines():
        if line and line[0] not in "#;[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def seconds(text):
    """Of systemd's way to write a time, what the unit uses of it."""
    number, unit = re.fullmatch(r"([0-9]+)(s|min)", text).groups()
    return int(number) * {"s": 1, "min": 60}[unit]


@pytest.fixture
def unit():
    return read_unit(UNIT)


@pytest.fixture
def runnable(tmp_path):
    """A copy of the unit, with its drop-in, whose program exists on this machine."""
    folder = tmp_path / "units"
    (folder / "orchestrator.service.d").mkdir(parents=True)
    copy = folder / UNIT.name
    text = UNIT.read_text()
    assert text.count(INSTALLED) == 1
    copy.write_text(text.replace(INSTALLED, sys.executable))
    shutil.copy(DROP_IN, folder / "orchestrator.service.d/local.conf")
    return copy


def settings(tmp_path, config=DEPLOY / "config.yaml", variables=None, **keys):
    """The configuration as the service loads it, with credentials as systemd hands them out."""
    credentials = tmp_path / "credentials"
    credentials.mkdir(exist_ok=True)
    for name, key in keys.items():
        (credentials / name).write_text(key)
    token = tmp_path / "token"
    token.write_text("token")
    environ = {"CREDENTIALS_DIRECTORY": str(credentials), "ORCHESTRATOR_SERVER__TOKEN_FILE": str(token)}
    return load(config, {**environ, **(variables or {})})


# ---------------------------------------------------------------- what systemd says of them


def test_systemd_has_nothing_against_the_unit_and_its_drop_in(runnable):
    """It leaves with 0 over unknown keys too, and only tells of them: silence is what counts."""
    seen = run(tool("systemd-analyze"), "verify", "--man=no", str(runnable))
    assert (seen.returncode, seen.stdout, seen.stderr) == (0, "", "")


@pytest.mark.parametrize("where", ["unit", "drop-in"])
def test_a_slip_in_the_unit_would_be_seen(runnable, where):
    """The test above can fail."""
    file = runnable if where == "unit" else runnable.parent / "orchestrator.service.d/local.conf"
    file.write_text(f"{file.read_text()}\n[Service]\nProtectSystm=strict\n")
    assert "ProtectSystm" in run(tool("systemd-analyze"), "verify", "--man=no", str(runnable)).stderr


def test_the_sandbox_stays_tight(runnable, tmp_path):
    """A unit without a sandbox does not pass the same bound."""
    bare = tmp_path / "bare.service"
    bare.write_text(f"[Service]\nExecStart={sys.executable}\n")
    command = [tool("systemd-analyze"), "security", "--offline=true", "--no-pager", f"--threshold={WORST_EXPOSURE}"]
    assert run(*command, str(runnable)).returncode == 0
    assert run(*command, str(bare)).returncode == 1


def test_a_crash_leaves_no_core_dump(unit):
    """It would hold keys, tokens and queue files that were being read; the documentation says so for other places."""
    assert unit["LimitCORE"] == ["0"]
    assert "core dump" in (ROOT / "docs/operations.md").read_text()


def test_users_and_folders_are_made_as_they_are_meant(tmp_path, needs):
    """What sysusers and tmpfiles make, run on an empty root: those of the submit group drop, the others see nothing."""
    needs(root=True)
    (tmp_path / "etc").mkdir()
    root = f"--root={tmp_path}"
    made = run(tool("systemd-sysusers"), root, str(DEPLOY / "orchestrator.sysusers.conf"))
    assert made.returncode == 0, made.stderr
    users = dict(line.split(":", 1) for line in (tmp_path / "etc/passwd").read_text().splitlines())
    groups = {line.split(":")[0]: line.split(":")[1:] for line in (tmp_path / "etc/group").read_text().splitlines()}
    assert users["orchestrator"].endswith("/nologin")
    assert groups[SUBMITTERS][2] == "orchestrator"

    made = run(tool("systemd-tmpfiles"), "--create", root, str(DEPLOY / "orchestrator.tmpfiles.conf"))
    assert made.returncode == 0, made.stderr
    spool = tmp_path / "var/spool/orchestrator"
    owner = (int(users["orchestrator"].split(":")[1]), int(groups[SUBMITTERS][1]))
    for folder, mode in ((".", 0o750), ("incoming", 0o3770), ("accepted", 0o2750), ("rejected", 0o2750)):
        status = (spool / folder).stat()
        assert (stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)) == (mode, owner), folder


# ---------------------------------------------------------------- that they agree with the program


def test_the_configuration_loads_and_says_what_is_the_default_anyway(tmp_path, unit):
    """Only the places, the name, the token and the log are this layout's own."""
    keys = {name: f"key-of-{name}" for name, _ in (each.split(":") for each in unit["LoadCredential"])}
    found = settings(tmp_path, **keys)
    assert found.database.path == Path("/var/lib/orchestrator/orchestrator.db")
    assert found.accounts["ica"].api_key.get_secret_value() == keys["ica_api_key"]
    example = load(ROOT / "config.example.yaml", {"ORCHESTRATOR_ACCOUNTS__ICA__API_KEY": "k"}, for_daemon=False)
    for section in ("retention", "notify", "allow_network_file_system"):
        assert getattr(found, section) == getattr(example, section)
    assert found.accounts["ica"].budget == example.accounts["ica"].budget
    assert found.accounts["ica"].base_url == example.accounts["ica"].base_url
    assert found.server.listen == example.server.listen


def test_each_account_has_its_credential_in_the_unit(tmp_path, unit):
    """The names are those that the program looks for; the drop-in shows the same for a second account."""
    written = yaml.safe_load((DEPLOY / "config.yaml").read_text())
    loaded = dict(each.split(":") for each in unit["LoadCredential"])
    assert loaded == {name: f"/etc/orchestrator/credentials/{name}" for name in map(key_file_name, written["accounts"])}
    (extra,) = read_unit(DROP_IN)["LoadCredential"]
    name, source = extra.split(":")
    assert (name, source) == (key_file_name("archive"), f"/etc/orchestrator/credentials/{name}")
    written["accounts"]["archive"] = written["accounts"]["ica"]
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(written))
    assert set(settings(tmp_path, config, ica_api_key="a", archive_api_key="b").accounts) == {"ica", "archive"}
    (tmp_path / "credentials" / name).unlink()
    with pytest.raises(SettingsError, match=r"accounts\.archive\.api_key"):
        settings(tmp_path, config)


def test_the_paths_are_absolute_and_the_sandbox_lets_them_be_written(tmp_path, unit):
    """Everything else is read-only to the service."""
    found = settings(tmp_path, ica_api_key="a")
    assert str(state_directory(found)) == f"/var/lib/{unit['StateDirectory'][0]}"
    assert unit["StateDirectoryMode"] == ["0700"]
    assert [str(found.queue.directory)] == unit["ReadWritePaths"]
    assert yaml.safe_load((DEPLOY / "config.yaml").read_text())["server"]["token_file"].startswith("/etc/orchestrator/")


def test_the_folders_of_tmpfiles_are_those_of_the_program(tmp_path):
    """And none of them is cleaned by age: what lies in incoming/ is work, and the rest is the daemon's to remove."""
    found = settings(tmp_path, ica_api_key="a")
    queue, state = found.queue.directory, state_directory(found)
    folders = Folders(queue)
    wanted = {queue, folders.incoming, folders.accepted, folders.rejected, folders.results, state}
    lines = [line.split() for line in (DEPLOY / "orchestrator.tmpfiles.conf").read_text().splitlines()]
    lines = [line for line in lines if line and line[0] != "#"]
    assert {Path(line[1]) for line in lines} == wanted
    for kind, path, mode, user, group, *age in lines:
        ours = "orchestrator" if Path(path) == state else SUBMITTERS
        assert (kind, user, group, age) == ("d", "orchestrator", ours, ["-"])
        rights = int(mode, 8)
        assert rights & 0o007 == 0
        assert bool(rights & 0o020) == (Path(path) == folders.incoming)
        assert bool(rights & stat.S_ISGID) == (Path(path) in wanted - {queue, state})


def test_systemd_does_not_repeat_what_repeating_does_not_mend(unit):
    """Wrong use and a held state are for a person; everything else is tried again, forever."""
    (codes,) = unit["RestartPreventExitStatus"]
    assert {int(code) for code in codes.split()} == {program.WRONG_USE, program.LOCKED}
    assert unit["Restart"] == ["on-failure"]
    assert unit["StartLimitIntervalSec"] == ["0"]


def test_the_unit_starts_the_program_that_is_installed(unit):
    """With the configuration at the place where every command looks for it, and as the user that sysusers makes."""
    assert unit["ExecStart"] == [f"{INSTALLED} run --config {SYSTEM_CONFIG}"]
    made = [
        line.split()[1] for line in (DEPLOY / "orchestrator.sysusers.conf").read_text().splitlines() if line[0] in "ug"
    ]
    assert made == [*unit["User"], *unit["SupplementaryGroups"]] == ["orchestrator", SUBMITTERS]
    assert unit["Type"] == ["notify"]
    assert unit["UMask"] == ["0027"]  # the group reads results


def test_a_stop_has_the_time_that_it_may_take(unit):
    """Ten seconds are promised; the watchdog's patience is longer than the pause between two signs of life."""
    assert seconds(unit["TimeoutStopSec"][0]) >= 2 * 10
    assert seconds(unit["WatchdogSec"][0]) >= 30
    assert seconds(unit["TimeoutStartSec"][0]) >= 600


def test_settings_of_the_drop_in_are_settings(tmp_path):
    """A variable that is no setting keeps the daemon from starting."""
    variables = dict(each.split("=", 1) for each in read_unit(DROP_IN)["Environment"])
    assert settings(tmp_path, variables=variables, ica_api_key="a").log.level == "debug"


# ---------------------------------------------------------------- the scripts


@pytest.mark.parametrize("script", ["install.sh", "orchestrator-doctor"])
def test_a_script_can_be_read_and_run(script):
    """By the shell that it names."""
    path = DEPLOY / script
    shell = path.read_text().splitlines()[0].split()[-1].rpartition("/")[2]
    seen = run(tool(shell), "-n", str(path))
    assert (seen.returncode, seen.stderr) == (0, "")
    assert path.stat().st_mode & stat.S_IXUSR


def test_the_install_script_installs_all_that_is_here():
    """The example of a drop-in stays an example."""
    text = (DEPLOY / "install.sh").read_text()
    there = {file.name for file in DEPLOY.iterdir()}
    assert {name for name in there if f'"$here/{name}"' in text} == there - {"install.sh", DROP_IN.name}
    assert f"instance: {yaml.safe_load((DEPLOY / 'config.yaml').read_text())['instance']}$" in text


def test_the_install_script_takes_the_versions_of_the_lock():
    """As constraints: each package with its version, and neither hashes nor comments."""
    expression = re.search(r"sed -n '([^']+)' \"\$checkout/requirements\.lock\"", (DEPLOY / "install.sh").read_text())[
        1
    ]
    told = run("sed", "-n", expression, str(ROOT / "requirements.lock")).stdout.splitlines()
    assert all(re.match(r"[A-Za-z0-9._-]+==[0-9]", line) and "--hash" not in line for line in told)
    assert {"anyio", "fastapi", "psycopg-binary", "sqlalchemy"} <= {line.partition("==")[0] for line in told}


# ---------------------------------------------------------------- docs/operations.md


@pytest.fixture
def page():
    pages = (ROOT / "docs/operations.md", *sorted((ROOT / "docs/operations").glob("*.md")))
    return "\n".join(page.read_text() for page in pages)


def test_every_event_that_the_page_explains_exists(page):
    """And it leaves none out that asks for a person's attention."""
    table = page.partition("## What the log says")[2].partition("What systemd says")[0]
    explained = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    found = [each for module in (events, job_events, webhook_events) for each in vars(module).values()]
    kinds = [kind for kind in found if isinstance(kind, type) and issubclass(kind, Event)]
    names = {name_of(kind.__new__(kind)) for kind in kinds if kind is not Event}
    assert explained - names == OUR_PART
    loud = {name_of(kind.__new__(kind)) for kind in kinds if kind.level is not Event.level}
    assert loud <= explained


def test_every_metric_of_the_alerts_exists():
    """An alert on a name that nothing has never fires."""
    rules = (ROOT / "deploy/observability/rules.yml").read_text()
    alerts = yaml.safe_load(rules)["groups"][0]["rules"]
    named = {name for alert in alerts for name in re.findall(r"\b(?:orchestrator|process)_\w+", alert["expr"])}
    assert len(named) > 8
    assert named - _metrics() - {"process_start_time_seconds"} == set()
    assert all(alert["annotations"]["summary"] for alert in alerts)
    labels = re.findall(r'(\w+)=~?"([^"]+)"', " ".join(alert["expr"] for alert in alerts))
    assert {value for label, value in labels if label == "needs"} <= {
        "|".join(n for n in Needs if n is not Needs.PAUSED)
    }
    assert {value for label, value in labels if label == "what"} <= {kind.name.lower() for kind in UnexpectedKind}


def _metrics():
    metrics = Metrics(ManualClock())
    for event in (
        DaemonStarted("1", "i", ("a",), 0),
        RequestDone("a", "r", "200", "submit", 0, 0),
        ComponentError("p", "", 1),
    ):
        metrics(event)
    account = AccountReading(1000, 0, 300.0, {"submit": 0}, closed=False, oldest_poll=1, skew=0.0)
    store = StoreReading(
        {("a", ItemState.PENDING): 1}, {("a", JobState.RUNNING, None): 1}, {"a": 0}, {"a": 1}, {"pending": 0}, 0
    )
    page = metrics.render(Readings({"a": account}, store, BackupReading(None, 1.0))).decode()
    return {sample.name for family in text_string_to_metric_families(page) for sample in family.samples}


def test_every_command_of_the_page_exists(page):
    """`orchestrator WORD`, in the blocks and in the text."""
    words = set(
        re.findall(
            r"(?<![\w/.-])(?<!exec )orchestrator ([a-z][a-z-]*)\b",  # the container has the same name
            "".join(re.findall(r"```sh\n.*?```|`[^`\n]+`", page, re.DOTALL)),
        )
    )
    known = {command.name or command.callback.__name__ for command in program.build([]).registered_commands}
    known |= {group.name or group.typer_instance.info.name for group in program.build([]).registered_groups}
    assert words
    assert words - known == set()
