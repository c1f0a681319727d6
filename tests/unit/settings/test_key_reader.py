"""API keys and secrets of webhooks that are replaced while the daemon runs."""

import pytest

from orchestrator.settings import key_reader, load
from orchestrator.settings.webhook_secrets import webhook_secret_reader
from orchestrator.telemetry.redaction import Redactor

OLD, NEW = (f"whsec_{letter * 32}" for letter in "AB")
VARIABLE = "ORCHESTRATOR_ACCOUNTS__ICA__API_KEY"


@pytest.fixture
def reader(tmp_path):
    """What reads the key again, of a configuration with these lines; it knows of new keys in `heard`."""

    def made(more="", environ=None, heard=None):
        (tmp_path / "config.yaml").write_text("accounts: {ica: {platform: ica}}\n" + more)
        settings = load(tmp_path / "config.yaml", environ or {})
        return key_reader(settings, "ica", environ or {}, (heard if heard is not None else []).append)

    return made


def test_a_key_file_that_is_replaced_is_read_again(reader, tmp_path):
    """As Kubernetes replaces a mounted secret: by a link to a new folder. Each new key is told once, before its use."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/ica_api_key").write_text("the-first-key\n")
    heard = []
    read = reader("secrets_dir: keys\n", heard=heard)
    assert (read(), heard) == ("the-first-key", [])
    (tmp_path / "new").write_text("the-second-key\n")
    (tmp_path / "keys/ica_api_key").unlink()
    (tmp_path / "keys/ica_api_key").symlink_to(tmp_path / "new")
    assert [read(), read()] == ["the-second-key"] * 2
    assert heard == ["the-second-key"]


@pytest.mark.parametrize("content", [None, "", "two words\n"])
def test_a_key_file_that_is_just_being_replaced_changes_nothing(reader, tmp_path, content):
    """Gone for a moment, or empty: the key that was is tried on."""
    (tmp_path / "keys").mkdir()
    path = tmp_path / "keys/ica_api_key"
    path.write_text("the-first-key\n")
    read = reader("secrets_dir: keys\n")
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert read() == "the-first-key"


def test_a_key_from_a_variable_stays(reader):
    """Nobody changes the variables of a running process."""
    assert reader(environ={VARIABLE: "the-first-key"})() == "the-first-key"


def test_what_is_learnt_later_is_kept_out_of_texts_too():
    """Beside what was known from the start."""
    redactor = Redactor(["the-first-key"])
    redactor.learn("the-first-key-and-more")
    assert redactor.text("the-first-key the-first-key-and-more") == "[redacted] [redacted]"


def test_secrets_of_webhooks_are_rotated_without_a_restart(tmp_path):
    """Old, both, new; each new one is kept out of the log before its use."""
    file, heard = tmp_path / "webhooks", []
    file.write_text(f"{OLD}\n")
    read = webhook_secret_reader(file, (OLD,), heard.append)
    assert (read(), heard) == ((OLD,), [])
    file.write_text(f"{NEW}\n{OLD}\n")
    assert (read(), heard) == ((NEW, OLD), [NEW])
    file.write_text(f"{NEW}\n")
    assert (read(), heard) == ((NEW,), [NEW])


@pytest.mark.parametrize("content", [None, "", "whsec_no\n"])
def test_a_file_of_webhook_secrets_that_is_being_replaced_changes_nothing(tmp_path, content):
    """Gone for a moment, empty, or half written: the secrets read last are used."""
    file = tmp_path / "webhooks"
    if content is not None:
        file.write_text(content)
    read = webhook_secret_reader(file, (OLD,), lambda _: None)
    assert read() == (OLD,)
    file.write_text(f"{NEW}\n")
    assert read() == (NEW,)


def test_without_a_file_there_are_no_secrets_to_read_again():
    """As at the start."""
    assert webhook_secret_reader(None, (), lambda _: None)() == ()
