"""What a configuration means: the file, the environment over it, and where paths begin."""

import itertools
import os
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from orchestrator.platforms.ica.account import IcaAccount, PollStrategy
from orchestrator.platforms.registry import PLATFORMS
from orchestrator.settings import (
    Address,
    BudgetSettings,
    Database,
    Queue,
    Retention,
    Server,
    Settings,
    SettingsError,
    find_config,
    load,
)

EXAMPLE = Path(__file__).parents[3] / "config.example.yaml"
MINIMAL = "accounts: {ica: {platform: ica, api_key_file: key}}\n"


@pytest.fixture
def configured(tmp_path):
    """Writes a configuration with a key file beside it and loads it with the variables given."""
    (tmp_path / "key").write_text("the-api-key\n")

    def loaded(text=MINIMAL, **variables):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return load(path, {f"ORCHESTRATOR_{name}": value for name, value in variables.items()})

    return loaded


# ---------------------------------------------------------------- the example


def example_with_key(tmp_path):
    """The example, copied to where its key file exists."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "ica").write_text("the-api-key")
    (tmp_path / "config.yaml").write_text(EXAMPLE.read_text())
    return tmp_path / "config.yaml"


def test_the_example_equals_the_defaults(tmp_path):
    """Loading the example gives what an account alone would give: every value in it is the default."""
    path = example_with_key(tmp_path)
    example = load(path, {})
    path.write_text("accounts: {ica: {platform: ica, api_key_file: secrets/ica}}\n")
    assert load(path, {}) == example


def keys_of(model, prefix=""):
    """Every key that a file may have under a model; `*` stands for the name of an account."""
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        if name == "accounts":
            yield from keys_of(IcaAccount, "accounts.*.")
            continue
        default = field.get_default()
        if isinstance(default, BaseModel):
            yield from keys_of(type(default), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def leaves_of(document, prefix=""):
    """Every key of a document that holds no mapping, or an empty one."""
    for name, value in document.items():
        shown = "*" if prefix == "accounts." else name
        if isinstance(value, dict) and value:
            yield from leaves_of(value, f"{prefix}{shown}.")
        else:
            yield f"{prefix}{shown}"


def test_the_example_has_every_key_and_no_other():
    """Whoever adds a key adds it to the example, with its comment."""
    written = yaml.safe_load(EXAMPLE.read_text())
    assert sorted(keys_of(Settings)) == sorted(leaves_of(written))


def test_every_key_of_the_example_is_explained():
    """Above each key, or above the mapping it begins, stands a comment for people."""
    lines = EXAMPLE.read_text().splitlines()
    sections = {"budget", "poll", "limits", "batch_size", "retention", "server", "notify", "queue", "log", "ica"}
    bare = [
        line.strip()
        for above, line in itertools.pairwise(lines)
        if ":" in line
        and not line.strip().startswith("#")
        and not above.strip().startswith("#")
        and above.strip().removesuffix(":") not in sections
    ]
    # Pairs and lists that one comment explains.
    kinds = [f"{kind.setting}: {kind.batch_size}" for kind in PLATFORMS["ica"].kinds[1:]]
    assert bare == ["ica:", "per: 300s", "max_interval: 5m", *kinds]


# ---------------------------------------------------------------- values


def test_the_defaults_are_those_of_the_manual(configured):
    """A file with one account starts with figures that are safe for the platform."""
    settings = configured()
    account = settings.accounts["ica"]
    assert account.budget == BudgetSettings(requests=1000, per="300s", use_at_most=1.0)
    assert (account.poll.min_interval, account.poll.max_interval, account.poll.strategy) == (10, 300, PollStrategy.AUTO)
    assert (account.batch_size.analysis_creation, account.batch_size.data_linking) == (100, 25_000)
    assert (account.limits.open_items, account.page_size) == (5000, 1000)
    assert account.base_url == "https://ica.illumina.com/ica/rest"
    assert settings.queue.max_bytes == 256 * 1024**2
    assert settings.retention == Retention(settled_jobs="90d", accepted_files="90d", rejected_files="30d")
    assert settings.server == Server(listen="127.0.0.1:8080")
    assert settings.instance is None


def test_settings_cannot_be_changed(configured):
    """Nobody turns a setting while the daemon runs, at no level."""
    settings = configured()
    with pytest.raises(ValidationError):
        settings.instance = "x"
    with pytest.raises(ValidationError):
        settings.accounts["ica"].budget.requests = 5


def test_relative_paths_are_taken_from_the_folder_of_the_file(configured, tmp_path):
    """Where the daemon was started makes no difference; defaults are no exception, absolute paths stay."""
    settings = configured(MINIMAL + "secrets_dir: .\nqueue: {directory: /srv/queue}\n")
    assert settings.database.path == tmp_path / "state" / "orchestrator.db"
    assert settings.accounts["ica"].api_key_file == tmp_path / "key"
    assert settings.secrets_dir == tmp_path
    assert settings.queue.directory == Path("/srv/queue")
    assert configured().queue.directory == tmp_path / "queue"


def test_yaml_is_read_as_json_would_be(configured):
    """Only JSON's own literals are typed: NO and 0172 stay what was written."""
    assert configured(MINIMAL + "instance: NO\n").instance == "NO"
    assert configured(MINIMAL + "instance: 0172\n").instance == "0172"
    assert configured("\ufeff" + MINIMAL + "instance: '172'\n").instance == "172"


@pytest.mark.parametrize("text", ["server: null\n", "server: {listen: null}\n", "server: {listen: ~}\n"])
def test_the_server_can_be_switched_off(configured, text):
    """Both ways of writing it mean the same."""
    assert configured(MINIMAL + text).server is None


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("127.0.0.1:0", Address("127.0.0.1", 0), "127.0.0.1:0"),
        ("'[::1]:8080'", Address("::1", 8080), "[::1]:8080"),
        ("localhost:80", Address("localhost", 80), "localhost:80"),
        ("127.9.9.9:80", Address("127.9.9.9", 80), "127.9.9.9:80"),
    ],
)
def test_loopback_addresses_need_no_token(configured, text, address, shown):
    """What only this machine reaches may be open."""
    listen = configured(MINIMAL + f"server: {{listen: {text}}}\n").server.listen
    assert listen == address
    assert str(listen) == shown


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/ica/rest", "http://[::1]:1", "http://localhost", "https://x.org/"]
)
def test_http_is_allowed_to_this_machine_alone(configured, url):
    """The simulator is reached without TLS; the slash at the end goes."""
    settings = configured(MINIMAL, ACCOUNTS__ICA__BASE_URL=url)
    assert settings.accounts["ica"].base_url == url.rstrip("/")


# ---------------------------------------------------------------- the environment


def test_a_variable_goes_over_the_file(configured):
    """Only the key that it names changes."""
    text = "accounts: {ica: {platform: ica, api_key_file: key, budget: {requests: 7, per: 1s}}}\n"
    settings = configured(text, ACCOUNTS__ICA__BUDGET__REQUESTS="500", QUEUE__REST="0s", INSTANCE="lab-1")
    assert settings.accounts["ica"].budget == BudgetSettings(requests=500, per="1s")
    assert settings.queue.rest == 0
    assert settings.instance == "lab-1"


def test_an_account_can_come_from_variables_alone(configured):
    """A container needs no file but an empty one."""
    settings = configured("# nothing\n", ACCOUNTS__ICA__PLATFORM="ica", ACCOUNTS__ICA__API_KEY="the-api-key")
    assert settings.accounts["ica"].api_key.get_secret_value() == "the-api-key"


def test_variables_hold_null_lists_and_mappings(configured):
    """Whatever the file can say, a variable can say too; a key's own variable goes over that of its section."""
    settings = configured(
        MINIMAL,
        SERVER="null",
        NOTIFY__ALLOWED_HOSTS="[]",
        ACCOUNTS__ICA__BUDGET='{"requests": 5, "per": "1s"}',
        ACCOUNTS__ICA__BUDGET__REQUESTS="6",
    )
    assert settings.server is None
    assert settings.notify.allowed_hosts == ()
    assert settings.accounts["ica"].budget == BudgetSettings(requests=6, per="1s")


def test_only_the_mapping_handed_in_is_read(configured, monkeypatch):
    """The process' own environment changes nothing, neither in `load` nor in the model."""
    monkeypatch.setenv("ORCHESTRATOR_INSTANCE", "leaked")
    assert configured().instance is None
    assert Settings(accounts={"ica": {"platform": "ica"}}).instance is None


def test_variables_of_others_are_none_of_our_business(configured):
    """Only the exact prefix counts, and the variable that names the file is no setting."""
    assert configured(MINIMAL, CONFIG="/else/where.yaml").instance is None
    assert configured().instance is None


# ---------------------------------------------------------------- the database


@pytest.mark.parametrize(
    ("url", "shown", "passwords"),
    [
        ("postgresql://orc:p%40ss@db/orc", "postgresql://orc:***@db/orc", ("p%40ss", "p@ss")),
        ("postgresql://db/orc?user=o&password=pw12", "postgresql://db/orc?user=o&password=***", ("pw12",)),
        ("postgresql:///orc?host=/run/postgresql", "postgresql:///orc?host=/run/postgresql", ()),
    ],
)
def test_the_password_of_a_database_is_known_but_never_shown(configured, url, shown, passwords):
    """The log is told what to hide, in every spelling; texts show stars."""
    settings = configured(MINIMAL, DATABASE=url)
    assert settings.database.url == url
    assert settings.database.path is None
    assert str(settings.database) == shown
    assert shown in repr(settings)
    assert set(settings.secrets) == {"the-api-key", *passwords}


def test_an_absolute_database_file_has_four_slashes(configured):
    """As SQLAlchemy writes it."""
    settings = configured(MINIMAL + "database: sqlite:////var/lib/orchestrator/state.db\n")
    assert settings.database == Database("sqlite:////var/lib/orchestrator/state.db")
    assert settings.database.path == Path("/var/lib/orchestrator/state.db")
    assert settings.database.passwords == ()


# ---------------------------------------------------------------- finding the file


def test_the_file_named_goes_before_the_variable_and_the_usual_places(tmp_path):
    """--config, then $ORCHESTRATOR_CONFIG, then ./config.yaml; a file that was named need not exist yet."""
    (tmp_path / "config.yaml").touch()
    environ = {"ORCHESTRATOR_CONFIG": "lab.yaml"}
    assert find_config(Path("mine.yaml"), environ, tmp_path) == tmp_path / "mine.yaml"
    assert find_config(Path("/etc/mine.yaml"), environ, tmp_path) == Path("/etc/mine.yaml")
    assert find_config(None, environ, tmp_path) == tmp_path / "lab.yaml"
    assert find_config(None, {"ORCHESTRATOR_CONFIG": ""}, tmp_path) == tmp_path / "config.yaml"


def test_a_folder_that_may_not_be_entered_has_no_configuration(tmp_path, monkeypatch):
    """Who stands in root's home as another user gets the system's configuration, or is told that there is none."""
    exists = Path.exists

    def denied(path):
        if path == tmp_path / "config.yaml":
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path)

    monkeypatch.setattr(Path, "exists", denied)
    with pytest.raises(SettingsError, match="there is neither"):
        find_config(None, {}, tmp_path)


def test_the_systems_file_comes_last(tmp_path, monkeypatch):
    """/etc is looked at when the folder has nothing."""
    monkeypatch.setattr("orchestrator.settings.loading.SYSTEM_CONFIG", tmp_path / "etc.yaml")
    (tmp_path / "etc.yaml").touch()
    assert find_config(None, {}, tmp_path) == tmp_path / "etc.yaml"


def test_without_any_file_the_places_are_named(tmp_path, monkeypatch):
    """The error says where was looked and what to do."""
    monkeypatch.setattr("orchestrator.settings.loading.SYSTEM_CONFIG", tmp_path / "etc.yaml")
    with pytest.raises(SettingsError, match=r"config\.yaml nor .*etc\.yaml: `orchestrator init` writes"):
        find_config(None, {}, tmp_path)


def test_however_the_file_is_named_the_paths_are_the_same(configured, tmp_path, monkeypatch):
    """A command that names the file by `..`, or by a link to its folder, knows the running daemon."""
    usual = configured().database
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path / "elsewhere")
    for named in (Path("../config.yaml"), tmp_path / "link" / "config.yaml"):
        assert load(find_config(named, {}, Path.cwd()), {}).database == usual


def test_a_relative_file_name_still_gives_absolute_paths(tmp_path, monkeypatch):
    """`--config config.yaml` and a later change of folder do not move the queue."""
    (tmp_path / "key").write_text("the-api-key")
    (tmp_path / "config.yaml").write_text(MINIMAL)
    monkeypatch.chdir(tmp_path)
    assert load(Path("config.yaml"), {}).queue == Queue(directory=Path(os.fsdecode(tmp_path)) / "queue")
