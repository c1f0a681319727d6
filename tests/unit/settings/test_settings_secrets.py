"""Secrets: found in exactly one place, and shown in none."""

import os
import traceback

import pytest

from orchestrator.settings import SettingsError, exposed_secrets, key_file_name, load

PLAIN = "accounts: {ica: {platform: ica}}\n"
WITH_FILE = "accounts: {ica: {platform: ica, api_key_file: keys/ica}}\n"
VARIABLE = "ORCHESTRATOR_ACCOUNTS__ICA__API_KEY"
SECRET = "k3y-of-the-lab"


@pytest.fixture
def configured(tmp_path):
    """Writes a configuration and loads it in the environment given."""

    def loaded(text, environ=None, **options):
        (tmp_path / "config.yaml").write_text(text)
        return load(tmp_path / "config.yaml", environ or {}, **options)

    return loaded


@pytest.fixture
def refused(configured):
    """The lines of the error that a configuration must give."""

    def lines(text, environ=None):
        with pytest.raises(SettingsError) as caught:
            configured(text, environ)
        shown = "".join(traceback.format_exception(caught.value))
        assert SECRET not in shown
        assert caught.value.__context__ is None
        return str(caught.value).splitlines()

    return lines


@pytest.fixture
def keys(tmp_path):
    """A folder of secrets, and what writes one into it."""
    folder = tmp_path / "keys"
    folder.mkdir()

    def write(name, content=SECRET):
        (folder / name).write_text(content)
        return folder

    return write


def key_of(settings, account="ica"):
    """An account's key in clear."""
    return settings.accounts[account].api_key.get_secret_value()


def test_the_key_comes_from_the_file_that_is_named(configured, keys):
    """Blanks and the line end around it, as editors leave them, are no part of it."""
    keys("ica", f" {SECRET}\r\n\n")
    assert key_of(configured(WITH_FILE)) == SECRET


def test_the_key_comes_from_its_variable(configured):
    """For containers that get secrets as variables."""
    assert key_of(configured(PLAIN, {VARIABLE: SECRET})) == SECRET


def test_the_key_comes_from_the_folder_of_secrets(configured, keys):
    """NAME_api_key in secrets_dir, as a mounted Kubernetes secret has it, with its links."""
    folder = keys("data")
    (folder / key_file_name("ica")).symlink_to("data")
    assert key_of(configured(PLAIN + "secrets_dir: keys\n")) == SECRET


def test_the_key_comes_from_the_service_managers_credentials(configured, keys):
    """The same name in $CREDENTIALS_DIRECTORY, where systemd's LoadCredential puts it."""
    folder = keys("ica_api_key")
    assert key_of(configured(PLAIN, {"CREDENTIALS_DIRECTORY": str(folder)})) == SECRET


def test_one_file_reached_in_several_ways_is_one(configured, keys):
    """A folder that is named twice, or a file in it that is named too, contradicts nothing."""
    folder = keys("ica_api_key")
    text = "accounts: {ica: {platform: ica, api_key_file: keys/ica_api_key}}\nsecrets_dir: keys\n"
    assert key_of(configured(text, {"CREDENTIALS_DIRECTORY": str(folder)})) == SECRET


def test_two_places_are_refused_with_both_names(refused, keys, tmp_path):
    """Which key holds must not hang on an order that nobody remembers."""
    keys("ica")
    assert refused(WITH_FILE, {VARIABLE: "another-key"}) == [
        f"accounts.ica.api_key: is given more than once, by {VARIABLE} and {tmp_path}/keys/ica: keep one"
    ]
    folder = keys("ica_api_key")
    (line,) = refused(WITH_FILE, {"CREDENTIALS_DIRECTORY": str(folder)})
    assert "keys/ica: keep one" in line
    assert "keys/ica_api_key" in line


def test_without_a_key_every_way_to_give_one_is_named(refused):
    """Somebody who starts for the first time learns what to do."""
    (line,) = refused(PLAIN)
    assert line == (
        "accounts.ica.api_key: no API key found: name the file that holds it in accounts.ica.api_key_file,"
        f" or set {VARIABLE}, or put it into ica_api_key in secrets_dir"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is empty: it must hold the secret"),
        (" \n", "is empty: it must hold the secret"),
        (f"{SECRET}\nmore", "must contain printable characters without spaces, on one line"),
        (f"{SECRET} more", "must contain printable characters without spaces, on one line"),
        (f"{SECRET}é", "must contain printable characters without spaces, on one line"),
        ("x" * 65_537, "is too large for a secret"),
    ],
)
def test_a_file_without_a_usable_secret_is_refused(refused, keys, tmp_path, content, why):
    """A key that could not stand in a header is told by its file, not by its text."""
    keys("ica", content)
    assert refused(WITH_FILE) == [f"accounts.ica.api_key: {tmp_path}/keys/ica {why}"]


def test_a_missing_file_or_a_folder_is_told_by_name(refused, tmp_path):
    """So is a folder of secrets that is not there."""
    (line,) = refused(WITH_FILE)
    assert line == f"accounts.ica.api_key: {tmp_path}/keys/ica cannot be read: No such file or directory"
    (tmp_path / "keys" / "ica").mkdir(parents=True)
    assert refused(WITH_FILE) == [f"accounts.ica.api_key: {tmp_path}/keys/ica is not a file"]
    assert refused(PLAIN + "secrets_dir: gone\n", {VARIABLE: SECRET}) == [
        f"secrets_dir: there is no folder {tmp_path}/gone"
    ]


def test_a_pipe_in_the_place_of_a_secret_does_not_hang_the_start(refused, tmp_path):
    """Only files are opened."""
    (tmp_path / "keys").mkdir()
    os.mkfifo(tmp_path / "keys" / "ica")
    assert refused(WITH_FILE) == [f"accounts.ica.api_key: {tmp_path}/keys/ica is not a file"]


def test_an_empty_variable_is_refused(refused):
    """Set and empty is a mistake of a deployment, not the wish for no key."""
    assert refused(PLAIN, {VARIABLE: ""}) == [f"accounts.ica.api_key: {VARIABLE} is empty: it must hold the secret"]


@pytest.mark.parametrize(
    ("text", "key", "place"),
    [
        (
            f"accounts: {{ica: {{platform: ica, api_key: {SECRET}}}}}\n",
            "accounts.ica.api_key",
            f"accounts.ica.api_key_file, or set {VARIABLE}",
        ),
        (WITH_FILE + f"server: {{token: {SECRET}}}\n", "server.token", "server.token_file"),
    ],
)
def test_a_secret_in_the_file_is_refused_with_its_right_place(refused, keys, text, key, place):
    """Configuration files are copied, mailed and committed."""
    keys("ica", "another-key")
    assert refused(text) == [
        f"{key}: a secret is never written in this file: put it into a file and name that in {place}"
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ORCHESTRATOR_SERVER__TOKEN", "server.token is not read from a variable: name a file in"),
    ],
)
def test_other_secrets_come_from_files_alone(refused, keys, name, line):
    """The variable that would name the file is told."""
    keys("ica", "another-key")
    assert refused(WITH_FILE, {name: SECRET}) == [f"{name}: {line} {name}_FILE"]


@pytest.mark.parametrize("key", ["apikey", "api-key", "key", SECRET])
def test_a_secret_under_a_wrong_key_is_not_repeated(configured, keys, key):
    """The error names the key that is unknown and never what stood behind it."""
    keys("ica", "another-key")
    text = f"accounts: {{ica: {{platform: ica, api_key_file: keys/ica, {key}: value-{SECRET}}}}}\n"
    with pytest.raises(SettingsError) as caught:
        configured(text)
    assert f"value-{SECRET}" not in "".join(traceback.format_exception(caught.value))


def test_two_accounts_with_one_secret_are_refused(refused, keys):
    """Each would spend the whole budget of the same credential."""
    keys("ica")
    text = "accounts:\n  a: {platform: ica, api_key_file: keys/ica}\n  b: {platform: ica}\n"
    assert refused(text, {"ORCHESTRATOR_ACCOUNTS__B__API_KEY": SECRET}) == [
        "accounts.b.api_key: is the same as that of accounts.a: one credential is one account with one budget"
    ]


def test_accounts_on_different_platforms_may_have_one_secret(configured, keys):
    """It is another credential there: all simulated platforms accept the same one."""
    keys("ica")
    odm = "{platform: odm, base_url: https://odm.example.org, api_key_file: keys/ica}"
    settings = configured(f"accounts:\n  a: {{platform: ica, api_key_file: keys/ica}}\n  b: {odm}\n")
    assert list(settings.accounts) == ["a", "b"]


def test_tokens_are_read_from_their_files(configured, keys):
    """With a token the server may listen to everyone."""
    keys("ica")
    keys("token", "server-token\n")
    settings = configured(WITH_FILE + "server: {listen: '0.0.0.0:8080', token_file: keys/token}\n")
    assert settings.server.token.get_secret_value() == "server-token"
    assert settings.secrets == (SECRET, "server-token")


def test_a_token_that_can_be_guessed_is_refused_beyond_this_machine(refused, configured, keys):
    """Three letters are enough on loopback alone."""
    keys("ica")
    keys("token", "abc\n")
    (message,) = refused(WITH_FILE + "server: {listen: '0.0.0.0:8080', token_file: keys/token}\n")
    assert "the token has fewer than 12 characters" in message
    assert "abc" not in message
    assert configured(WITH_FILE + "server: {token_file: keys/token}\n").server.token is not None


def test_an_unusable_token_file_is_told_by_its_key(refused, keys, tmp_path):
    """A daemon that should be guarded does not start unguarded."""
    keys("ica", "another-key")
    keys("token", "")
    assert refused(WITH_FILE + "server: {token_file: keys/token}\n") == [
        f"server.token_file: {tmp_path}/keys/token is empty: it must hold the secret",
    ]


def test_no_secret_shows_in_any_text_of_the_settings(configured, keys):
    """Whatever prints, dumps or logs them shows stars or nothing."""
    keys("ica")
    keys("token", "server-token")
    settings = configured(
        WITH_FILE + "server: {token_file: keys/token}\n", {"ORCHESTRATOR_DATABASE": "postgresql://o:dbpass@h/d"}
    )
    texts = [repr(settings), str(settings), f"{settings.accounts}", str(settings.model_dump()), repr(settings.database)]
    for secret in settings.secrets:
        assert not any(secret in text for text in texts)
    assert settings.secrets == (SECRET, "server-token", "dbpass")


def test_commands_for_everyone_get_along_without_the_daemons_secrets(configured):
    """`submit` needs the queue directory, not the key; what can be read is read all the same."""
    settings = configured(WITH_FILE + "server: {token_file: gone}\n", for_daemon=False)
    assert key_of(settings) == ""
    assert settings.server.token is None
    assert settings.secrets == ()
    assert key_of(configured(PLAIN, {VARIABLE: SECRET}, for_daemon=False)) == SECRET


def test_commands_for_everyone_still_refuse_a_wrong_configuration(configured):
    """A mistake in the file is one for every command."""
    with pytest.raises(SettingsError, match="queues: unknown key"):
        configured(WITH_FILE + "queues: {}\n", for_daemon=False)


def test_a_secret_that_everyone_can_read_is_worth_a_warning(configured, keys, tmp_path):
    """It does not stop the daemon: in containers the mount decides, not the lab."""
    folder = keys("ica_api_key")
    keys("token", "server-token")
    (folder / "ica_api_key").chmod(0o644)
    (folder / "token").chmod(0o640)
    environ = {"CREDENTIALS_DIRECTORY": str(folder)}
    settings = configured(PLAIN + "server: {token_file: keys/token}\n", environ)
    path = tmp_path / "keys" / "ica_api_key"
    assert exposed_secrets(settings, environ) == (
        f"{path} can be read by every user of this machine: chmod o-r {path}",
    )
    path.chmod(0o600)
    assert exposed_secrets(settings, environ) == ()


# ---------------------------------------------------------------- webhooks

HOOK_SECRETS = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
WITH_HOOKS = f"{WITH_FILE}notify: {{allowed_hosts: [lims.example.org], secret_file: keys/hook}}\n"


@pytest.mark.parametrize("count", [1, 2])
def test_webhooks_are_signed_with_the_lines_of_their_file(configured, keys, count):
    """One secret or, while receivers change to a new one, two; the log's redaction knows them."""
    keys("ica")
    keys("hook", "\r\n".join(HOOK_SECRETS[:count]) + "\n\n")
    settings = configured(WITH_HOOKS)
    assert tuple(secret.get_secret_value() for secret in settings.notify.secrets) == HOOK_SECRETS[:count]
    assert set(HOOK_SECRETS[:count]) <= set(settings.secrets)
    assert HOOK_SECRETS[0] not in repr(settings)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "must hold one secret a line"),
        ("\n".join([*HOOK_SECRETS, HOOK_SECRETS[0]]), "must hold one secret a line"),
        ("k3y-of-the-lab", "line 1 is no secret: whsec_ and 24 to 64 bytes in base64"),
        (f"{HOOK_SECRETS[0]}\nwhsec_c2hvcnQ=", "line 2 is no secret"),
        ("whsec_" + "A" * 100, "line 1 is no secret"),
    ],
)
def test_a_file_without_secrets_says_how_to_make_one(refused, keys, content, says):
    """With the number of the line, and never with its text."""
    keys("ica")
    keys("hook", content)
    (line,) = [line for line in refused(WITH_HOOKS) if "notify" in line]
    assert says in line
    assert "openssl rand -base64 32" in line


def test_a_user_who_may_not_read_the_secret_may_validate(configured, keys):
    """`validate` and `submit` know which hosts are allowed, and need no secret."""
    keys("ica")
    settings = configured(WITH_HOOKS, for_daemon=False)
    assert (settings.notify.allowed_hosts, settings.notify.secrets) == (("lims.example.org",), ())
    assert settings.notify.secret_file is not None
