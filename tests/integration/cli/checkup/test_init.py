"""`init`: a first configuration with its key file; and what every command has: `-h`, completion, a version."""

import io
import os
import pty
import stat
import subprocess
import sys

import pytest
import typer
import yaml
from commands import Desk

from orchestrator import __version__
from orchestrator.cli import program
from orchestrator.cli.commands import init
from orchestrator.platforms.registry import PLATFORMS
from orchestrator.settings import load

KEY = "key-5d2f8e11"
ANSWERED = ("init", "--platform", "ica", "--base-url", "http://127.0.0.1:1/ica/rest", "--no-check")


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """An empty folder, as the current directory; what is typed comes from a pipe."""
    desk = Desk(tmp_path)
    desk.config.unlink()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{KEY}\n"))
    return desk


def mode_of(path):
    """The rights of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


def test_options_answer_everything(desk):
    """The configuration is usable, only the owner can read the key, and the key is nowhere else."""
    before = os.umask(0)
    try:
        ended = desk.run(*ANSWERED, "--key-from", "-")
    finally:
        os.umask(before)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"wrote {desk.config} and {desk.folder / 'secrets/ica'}\n")
    secrets = desk.folder / "secrets"
    assert (mode_of(secrets), mode_of(secrets / "ica")) == (0o700, 0o600)
    settings = load(desk.config, {})
    assert settings.accounts["ica"].api_key.get_secret_value() == KEY
    assert settings.accounts["ica"].base_url == "http://127.0.0.1:1/ica/rest"
    assert KEY not in ended.out + desk.config.read_text()
    assert sorted(path.name for path in desk.folder.rglob("*")) == ["config.yaml", "ica", "secrets"]


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_platform_can_be_set_up(desk, name):
    """By what its declaration says: its address, and where to get a key."""
    declaration = PLATFORMS[name]
    address = (*declaration.base_urls, "https://platform.example.org")[0]
    (desk.folder / "key").write_text(KEY)
    ended = desk.run("init", "--platform", name, "--base-url", address, "--key-from", "key", "--no-check")
    assert (ended.code, ended.err) == (0, "")
    assert load(desk.config, {}).accounts[name].platform == name
    assert declaration.credential_help


@pytest.mark.parametrize("there", ["config.yaml", "secrets/ica"])
def test_nothing_is_overwritten(desk, there):
    """A configuration or a key that exists stays as it is, and so does the rest of the folder."""
    path = desk.folder / there
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    before = sorted(desk.folder.rglob("*"))
    ended = desk.run(*ANSWERED, "--key-from", "-")
    assert (ended.code, path.read_text(), sorted(desk.folder.rglob("*"))) == (2, "mine", before)
    assert f"{there} exists and is not overwritten" in ended.err


def test_a_configuration_that_cannot_be_written_leaves_no_key(desk, monkeypatch):
    """All or nothing."""
    real = init.rename_exclusively

    def full(source, target):
        if target.name == "config.yaml":
            raise OSError(28, "No space left on device", str(target))
        real(source, target)

    monkeypatch.setattr(init, "rename_exclusively", full)
    ended = desk.run(*ANSWERED, "--key-from", "-")
    assert (ended.code, "config.yaml cannot be written: No space left on device" in ended.err) == (2, True)
    assert [path for path in desk.folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "there is no terminal to ask on: add --platform, --base-url, --key-from"),
        (["--platform", "icaa", "--base-url", "https://x", "--key-from", "-"], "--platform: 'icaa' is no platform"),
        (
            ["--platform", "ica", "--base-url", "http://x.org", "--key-from", "-"],
            "--base-url: must begin with https://",
        ),
        ([*ANSWERED[1:], "--account", "My-ICA", "--key-from", "-"], "--account: is no name for an account"),
        ([*ANSWERED[1:], "--key-from", "missing"], "--key-from: missing cannot be read: No such file"),
        ([*ANSWERED[1:], "--key-from", "two-lines"], "two-lines must contain printable characters without spaces"),
        ([*ANSWERED[1:], "--key-from", "empty"], "empty is empty: it must hold the secret"),
    ],
)
def test_a_wrong_option_is_one_line_and_writes_nothing(desk, words, says):
    """What is wrong, without the key."""
    (desk.folder / "two-lines").write_text(f"{KEY} {KEY}\n{KEY}\n")
    (desk.folder / "empty").write_text("\n")
    ended = desk.run("init", *words)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert says in ended.err
    assert KEY not in ended.err
    assert not desk.config.exists()
    assert not (desk.folder / "secrets").exists()


def test_it_ends_with_the_doctor(desk, monkeypatch):
    """Of the configuration that was written, whatever the environment names; its exit code is the command's."""
    asked = []

    def doctor(path):
        asked.append(path)
        raise typer.Exit(4)

    monkeypatch.setattr(init, "doctor", doctor)
    ended = desk.run(*ANSWERED[:-1], "--key-from", "-")
    assert (ended.code, asked) == (4, [desk.config])


def test_on_a_terminal_it_asks_and_never_shows_the_key(tmp_path):
    """Platform, address and key; a wrong answer is asked for again."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "orchestrator", "init", "--no-check"]
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, cwd=tmp_path, start_new_session=True) as process:
        os.close(its)
        shown = ""
        for prompt, answer in (
            ("Platform: ", "ic"),
            ("Platform: ", "sevenbridges"),
            ("another address: ", "https://example.org"),
            ("another address: ", "3"),
            ("(is not shown): ", "has a space"),
            ("(is not shown): ", KEY),
        ):
            shown += _until(ours, prompt)
            os.write(ours, f"{answer}\n".encode())
        shown += _until(ours, None)
        assert process.wait() == 0
    os.close(ours)
    for text in ("'ic' is no platform", "must end in /v2", "Authentication token", "characters without spaces"):
        assert text in shown
    assert (KEY in shown, "has a space" in shown) == (False, False)
    account = yaml.safe_load((tmp_path / "config.yaml").read_text())["accounts"]["sevenbridges"]
    assert account["base_url"] == PLATFORMS["sevenbridges"].base_urls[2]
    assert (tmp_path / "secrets/sevenbridges").read_text() == f"{KEY}\n"


def _until(terminal, prompt):
    """What appears on the terminal up to a prompt, or to the end."""
    shown = ""
    while prompt is None or not shown.endswith(prompt):
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the process has closed its side
            piece = b""
        if not piece:
            assert prompt is None, shown
            return shown
        shown += piece.decode()
    return shown


# ---------------------------------------------------------------- every command

COMMANDS = [command for commands in program.GROUPS.values() for command in commands]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_help(command, option, capsys, monkeypatch):
    """With what it does, as the list of commands does."""
    monkeypatch.setattr(sys, "argv", ["orchestrator", command, option])
    with pytest.raises(SystemExit) as ended:
        program.run(program.build([command, option]))
    assert ended.value.code == 0
    assert f"Usage: orchestrator {command}" in capsys.readouterr().out


def test_the_version_is_printed(capsys, monkeypatch):
    """Without loading any command."""
    monkeypatch.setattr(sys, "argv", ["orchestrator", "--version"])
    app = program.build(["--version"])
    with pytest.raises(SystemExit) as ended:
        program.run(app)
    assert (ended.value.code, capsys.readouterr().out) == (0, f"orchestrator {__version__}\n")
    assert app.registered_commands == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell, capsys, monkeypatch):
    """What `--install-completion` sets up."""
    for words, expected in ((["re"], {"report", "resume", "retry"}), (["report", "--o"], {"--output", "--open"})):
        line = " ".join(["orchestrator", *words])
        environ = {"_ORCHESTRATOR_COMPLETE": f"complete_{shell}", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
        environ |= {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        environ |= {"_TYPER_COMPLETE_WORD_TO_COMPLETE": words[-1]}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["orchestrator"])
        with pytest.raises(SystemExit):
            program.run(program.build([]))
        shown = capsys.readouterr().out
        assert [each for each in expected if each not in shown] == []
        assert "submit" not in shown
