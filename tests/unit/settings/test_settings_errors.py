"""Every mistake in a configuration is reported at once, one line each, with its key and what to do."""

import sys

import pytest

from orchestrator.settings import SettingsError, load
from orchestrator.settings.mounts import network_file_system

MINIMAL = "accounts: {ica: {platform: ica, api_key_file: key}}\n"


@pytest.fixture
def problems(tmp_path):
    """Writes a configuration, expects it to be refused, and gives the lines of the error."""
    (tmp_path / "key").write_text("the-api-key\n")

    def refused(text=MINIMAL, /, **variables):
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(SettingsError) as caught:
            load(path, {f"ORCHESTRATOR_{name}": value for name, value in variables.items()})
        assert caught.value.path == path
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return refused


@pytest.mark.parametrize(
    "text", ["", "# all commented out\n", "---\n", "null\n", "accounts: {}\n", "log: {level: info}\n"]
)
def test_a_file_without_accounts_says_so(problems, text):
    """An empty file is no riddle."""
    missing = "is missing: name at least one account, as in config.example.yaml, or let `orchestrator init` write one"
    assert problems(text) == [f"accounts: {missing}"]


def test_a_driver_that_is_not_installed_is_a_mistake_of_the_configuration(problems, monkeypatch):
    """PostgreSQL's is an extra; a command that needs no database says so too, and not with a traceback."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    (problem,) = problems(MINIMAL + "database: postgresql://host/name\n")
    begin = "database: PostgreSQL's driver cannot be loaded (import of psycopg halted; None in sys.mod"
    assert problem.startswith(begin)
    assert problem.endswith(": install the program with it, `pip install '.[postgres]'`")


def test_everything_is_reported_at_once(problems):
    """Nobody fixes a file mistake by mistake: file, variables, values and secrets are reported together."""
    lines = problems(
        """
accounts: {ica: {platform: ica, api_key_file: gone, page_size: 0}}
log: {levels: info}
queue: {rest: 5}
queue: {}
""",
        FOO="1",
    )
    assert [line.split(":")[0] for line in lines] == [
        "queue",
        "ORCHESTRATOR_FOO",
        "accounts.ica.api_key",
        "queue.rest",
        "accounts.ica.page_size",
        "log.levels",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("queues: {}", "queues: unknown key; did you mean queue?"),
        ("log: {xyz: 1}", "log.xyz: unknown key; known here: level, format"),
        ("server: {tokenfile: x}", "server.tokenfile: unknown key; did you mean token_file?"),
        ("server: {listen: 8080}", "server.listen: must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"),
        ("instance: 172", "instance: must be text: put it in quotes"),
        ("instance: a b", "instance: must be letters, digits, dots, dashes and underscores, at most 64"),
        ("log: {level: loud}", "log.level: must be 'debug', 'info', 'warning' or 'error'"),
        ("log: null", "log: must be a mapping of keys to values; leave it out to take the defaults"),
        ("queue: {rest: -1s}", "queue.rest: must be a duration: a number and ms, s, m, h or d"),
        ("queue: {rest: 999999999999d}", "queue.rest: must be at most 36500d"),
        ("retention: {settled_jobs: 36501d}", "retention.settled_jobs: must be at most 36500d"),
        ("queue: {rest: 300}", "queue.rest: must be a duration: a number and ms, s, m, h or d"),
        ("queue: {scan_interval: 0s}", "queue.scan_interval: must be more than 0"),
        ("queue: {max_bytes: 1000}", "queue.max_bytes: must be a size: a whole number and B, KiB, MiB"),
        ("queue: {max_bytes: 0B}", "queue.max_bytes: must be at least 1"),
        ("queue: {directory: ''}", "queue.directory: must not be empty"),
        ("queue: {directory: null}", "queue.directory: must be text"),
        ("retention: {settled_jobs: 0d}", "retention.settled_jobs: must be more than 0"),
        ("allow_network_file_system: 7", "allow_network_file_system: must be true or false"),
        ("backup: {keep: 0}", "backup.keep: must be at least 1"),
        ("backup: {interval: 0s}", "backup.interval: must be more than 0"),
        ("backup: {directory: 'a?b'}", "backup.directory: must not have ? in its path"),
        ("backup: {every: 1d}", "backup.every: unknown key; known here: directory, interval, keep"),
        ("notify: {allowed_hosts: ['https://a.org']}", "notify.allowed_hosts.0: must be HOST or HOST:PORT as in the"),
        ("notify: {allowed_hosts: [7]}", "notify.allowed_hosts.0: must be text: put it in quotes"),
        ("notify: {allow_private: [10.0.0.1/8]}", "notify.allow_private.0: must be a network such as 10.1.0.0/16"),
        ("notify: {secret: x}", "notify.secret: unknown key; did you mean secret_file?"),
        ("notify: {secrets: [x]}", "notify.secrets: a secret is never written in this file: put it into a file"),
        ("notify: {secret_file: missing}", "notify.secret_file: "),
        ("notify: null", "notify: must be a mapping of keys to values; leave it out to take the defaults"),
        ("server: {listen: ':8080'}", "server.listen: must be HOST:PORT, such as 127.0.0.1:8080"),
        ("server: {listen: '::1:8080'}", "server.listen: must be HOST:PORT, such as"),
        ("server: {listen: 'localhost:70000'}", "server.listen: must be HOST:PORT with a port from 0 to 65535"),
        ("server: {listen: '0.0.0.0:8080'}", "server.token_file: is needed, as server.listen (0.0.0.0:8080) can be"),
        ("server: {listen: 'lab.example.org:80'}", "server.token_file: is needed"),
        ("database: sqlite://x.db", "database: must name a file: sqlite:///state/orchestrator.db"),
        ("database: 'sqlite:///:memory:'", "database: must name a file: the state has to outlive the daemon"),
        ("database: sqlite:///a.db?mode=ro", "database: must not hold ? or #"),
        ("database: mysql://h/d", "database: must begin with sqlite:/// or postgresql://"),
        ("database: postgresql://h", "database: must name a database"),
        ("database: 'postgresql://h:x/d'", "database: is not a valid URL"),
        ("log: !secret {level: info}", "log: on line 2 has a tag (!secret): leave it out"),
        ("queue: {rest: 1s, rest: 2s}", "queue.rest: is given twice, on lines 2 and 2: keep one"),
        ("log: {[a]: b}", "log.?: on line 2 a key must be a word"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_the_way_out(problems, text, line):
    """One line, which a person who never saw our code can act on."""
    (problem,) = problems(MINIMAL + text + "\n")
    assert problem.startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("platform: dnanexus", "platform: must be 'ica'"),
        ("platform: [ica]", "platform: must be 'ica'"),
        ("base_url: 'http://ica.illumina.com'", "base_url: must begin with https://: over http the API key"),
        ("base_url: 'http://localhost.evil.org'", "base_url: must begin with https://"),
        ("base_url: 'http://128.0.0.1'", "base_url: must begin with https://"),
        ("base_url: ica.illumina.com", "base_url: must be a URL such as"),
        ("base_url: 'https://me:pw@ica.org'", "base_url: must not hold a user or a password"),
        ("base_url: 'https://ica.org/?a=b'", "base_url: must not hold ? or #"),
        ("budget: {requests: 0}", "budget.requests: must be at least 1"),
        ("budget: {requests: many}", "budget.requests: must be a whole number"),
        ("budget: {requests: 1.5}", "budget.requests: must be a whole number"),
        ("budget: {per: 0s}", "budget.per: must be more than 0"),
        ("budget: {per: 5 minutes}", "budget.per: must be a duration"),
        ("budget: {use_at_most: 0}", "budget.use_at_most: must be more than 0"),
        ("budget: {use_at_most: 1.1}", "budget.use_at_most: must be at most 1"),
        ("budget: {use_at_most: nan}", "budget.use_at_most: must be a number"),
        ("budget: {requests: 1, use_at_most: 0.5}", "budget.use_at_most: leaves no request at all"),
        ("poll: {min_interval: 6m}", "poll: max_interval (5m) must not be shorter than min_interval (6m)"),
        ("poll: {strategy: often}", "poll.strategy: must be 'auto' or 'items'"),
        ("limits: {open_items: 0}", "limits.open_items: must be at least 1"),
        ("batch_size: {data_linking: 0}", "batch_size.data_linking: must be at least 1"),
        ("page_size: 1001", "page_size: must be at most 1000"),
    ],
)
def test_a_mistake_of_an_account_is_told_with_its_path(problems, text, line):
    """The name of the account is part of the key."""
    platform = "" if text.startswith("platform") else "platform: ica, "
    (problem,) = problems(f"accounts: {{ica: {{{platform}api_key_file: key, {text}}}}}\n")
    assert problem.startswith(f"accounts.ica.{line}")


@pytest.mark.parametrize("name", ["ICA", "1ca", "my-ica", "i ca"])
def test_the_name_of_an_account_is_small_letters(problems, name):
    """A variable has to be able to name it."""
    (problem,) = problems(f"accounts: {{{name}: {{platform: ica, api_key_file: key}}}}\n")
    assert problem.startswith(f"accounts.{name}: is no name for an account: small letters")


@pytest.mark.parametrize("name", ["my__ica", "ica_"])
def test_the_name_of_an_account_leaves_the_delimiter_alone(problems, name):
    """Two underscores separate keys in a variable, so a name with them could not be told from a path."""
    (problem,) = problems(f"accounts: {{{name}: {{platform: ica, api_key_file: key}}}}\n")
    assert problem.startswith(f"accounts.{name}: is no name for an account: __ separates")


@pytest.mark.parametrize("text", ["accounts: [ica]\n", "accounts: ica\n", "accounts:\n"])
def test_accounts_of_another_shape_are_explained(problems, text):
    """A list of accounts is a likely mistake."""
    (problem,) = problems(text)
    assert problem.startswith("accounts: must be a mapping from names to accounts, at least one")


def test_an_account_without_platform_is_incomplete(problems):
    """There is no default that could be meant."""
    assert problems("accounts: {ica: {api_key_file: key}}\n") == ["accounts.ica.platform: is missing"]


# ---------------------------------------------------------------- the environment


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"FOO": "1"}, "ORCHESTRATOR_FOO: unknown variable; after ORCHESTRATOR_ may stand INSTANCE, DATABASE"),
        ({"": "1"}, "ORCHESTRATOR_: unknown variable"),
        ({"INSTANCE__NAME": "x"}, "ORCHESTRATOR_INSTANCE__NAME: unknown variable"),
        ({"SERVICE_HOST": "10.0.0.1"}, "ORCHESTRATOR_SERVICE_HOST: unknown variable; Kubernetes sets it"),
        ({"PORT_8080_TCP": "tcp://x"}, "ORCHESTRATOR_PORT_8080_TCP: unknown variable; Kubernetes sets it"),
        (
            {"SERVER": "null", "SERVER__LISTEN": "localhost:1"},
            "ORCHESTRATOR_SERVER__LISTEN: contradicts ORCHESTRATOR_SERVER: keep one of them",
        ),
        (
            {"QUEUE__RESTS": "1s"},
            "queue.rests: unknown key; did you mean rest? (set by ORCHESTRATOR_QUEUE__RESTS)",
        ),
        (
            {"ACCOUNTS__ICA__PAGE_SIZE": "many"},
            "accounts.ica.page_size: must be a whole number (set by ORCHESTRATOR_ACCOUNTS__ICA__PAGE_SIZE)",
        ),
        (
            {"LOG__LEVEL": ""},
            "log.level: must be 'debug', 'info', 'warning' or 'error' (set by ORCHESTRATOR_LOG__LEVEL)",
        ),
        (
            {"NOTIFY__ALLOWED_HOSTS": '["a.org/hook"]'},
            "notify.allowed_hosts.0: must be HOST or HOST:PORT as in the URL, such as lims.example.org",
        ),
        (
            {"ACCOUNTS__ICA__BUGDET__REQUESTS": "5"},
            "accounts.ica.bugdet: unknown key; did you mean budget? (set by ORCHESTRATOR_ACCOUNTS__ICA__BUGDET__REQUES",
        ),
        ({"QUEUE": "fast"}, "queue: must be a mapping of keys to values"),
        ({"QUEUE": '{"rest": "1"}'}, "queue.rest: must be a duration"),
    ],
)
def test_a_mistake_in_a_variable_names_the_variable(problems, variables, line):
    """What was set in a unit or a manifest is not searched for in the file; none is silently without effect."""
    (problem,) = problems(MINIMAL, **variables)
    assert problem.startswith(line)


def test_an_account_that_a_variable_made_is_searched_for_there(problems):
    """A mistyped name in a variable makes a second account, of which the file knows nothing."""
    key, platform = problems(MINIMAL, ACCOUNTS__ICB__PAGE_SIZE="5")
    assert key.startswith("accounts.icb.api_key: no API key found: name the file")
    assert key.endswith(" (set by ORCHESTRATOR_ACCOUNTS__ICB__PAGE_SIZE)")
    assert platform == (
        "accounts.icb.platform: is missing (accounts.icb is set by ORCHESTRATOR_ACCOUNTS__ICB__PAGE_SIZE)"
    )


def test_a_key_that_the_file_has_too_is_mended_there(problems):
    """The variable is not blamed for what the file says wrongly beside it."""
    text = "accounts: {ica: {platform: ica, api_key_file: key, bugdet: {per: 1s}}}\n"
    assert problems(text, ACCOUNTS__ICA__BUGDET__REQUESTS="5") == [
        "accounts.ica.bugdet: unknown key; did you mean budget?"
    ]


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [\n", "config.yaml, line 2, column 1: is not valid YAML: "),
        ("a: b\n---\nc: d\n", "config.yaml, line 2, column 1: is not valid YAML: but found another document"),
        ("a:\tb: c\n", "config.yaml, line 1, column "),
        (b"a: \xff\n", "config.yaml: is not UTF-8 text"),
        ("a: \x01\n", "config.yaml: is not valid YAML: it holds control characters"),
        ("- a\n", "config.yaml: must be a mapping of keys to values"),
        ("words\n", "config.yaml: must be a mapping of keys to values"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_place(problems, text, line):
    """Line and column, where YAML knows them."""
    (problem,) = problems(text)
    assert problem.startswith(line)


def test_a_missing_file_is_told_by_name(tmp_path):
    """Including a folder in the place of a file."""
    with pytest.raises(SettingsError, match=r"gone\.yaml: cannot be read: No such file"):
        load(tmp_path / "gone.yaml", {})
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load(tmp_path, {})


def test_an_alias_is_refused_even_when_it_turns_in_a_circle(problems):
    """What stands in the file is what holds; an endless value does not hang the start."""
    assert problems(MINIMAL + "log: &x {level: *x}\n")[0] == "log.level: is an alias (*name): write the values out"


# ---------------------------------------------------------------- the file system under the database

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv/lab\\040data rw - nfs4 nas:/lab rw
31 30 8:2 / /srv/lab\\040data/local rw shared:2 master:1 - xfs /dev/sdb1 rw
32 22 0:41 / /mnt/win rw - cifs //nas/win rw
33 22 0:42 / /mnt/over rw - nfs nas:/over rw
34 33 8:3 / /mnt/over rw - btrfs /dev/sdc1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/x.db", None),
        ("/srv/lab data/state/x.db", "nfs4"),
        ("/srv/lab data/local/x.db", None),
        ("/srv/lab", None),
        ("/mnt/win/x.db", "cifs"),
        ("/mnt/over/x.db", None),
    ],
)
def test_the_deepest_and_topmost_mount_decides(tmp_path, path, kind):
    """A local disk inside a network share is local, and a mount over another hides it."""
    assert kind == network_file_system(type(tmp_path)(path), MOUNTS)


def test_sqlite_on_a_network_file_system_is_refused_unless_allowed(problems, tmp_path, monkeypatch):
    """The error names file and file system; the switch and PostgreSQL are the ways out."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:40 / {tmp_path} rw - nfs4 nas:/lab rw\n")
    monkeypatch.setattr("orchestrator.settings.loading.MOUNTS", mounts)

    (problem,) = problems(MINIMAL)

    assert problem.startswith(
        "database: state/orchestrator.db is on a network file system (nfs4), where SQLite loses data"
    )
    config = tmp_path / "config.yaml"
    assert load(config, {"ORCHESTRATOR_ALLOW_NETWORK_FILE_SYSTEM": "true"}).allow_network_file_system
    assert load(config, {"ORCHESTRATOR_DATABASE": "postgresql://db/orc"}).database.path is None
    assert load(config, {}, for_daemon=False).database.path == tmp_path / "state" / "orchestrator.db"


def test_a_budget_that_stands_for_no_limit_is_refused(problems):
    """The rate limiter keeps a slot for each request of a window: so many would take all of the memory."""
    (line,) = problems("accounts: {ica: {platform: ica, api_key_file: key, budget: {requests: 1000000000}}}\n")
    assert line == "accounts.ica.budget.requests: must be at most 1000000"
