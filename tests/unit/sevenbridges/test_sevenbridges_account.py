"""The keys of a Seven Bridges account, and the places of its token."""

import pytest

from orchestrator.settings import SettingsError, exposed_secrets, key_reader, load

CGC = "https://cgc-api.sbgenomics.com/v2"
PROFILE = "accounts: {cgc: {platform: sevenbridges, profile: cgc}}\n"
PLAIN = f"accounts: {{cgc: {{platform: sevenbridges, base_url: '{CGC}'}}}}\n"
CREDENTIALS = f"""[default]
auth_token = other
api_endpoint = https://api.sbgenomics.com/v2

[cgc]
api_endpoint = {CGC}
auth_token = t0ken%of-cgc
"""


@pytest.fixture
def configured(tmp_path):
    """Writes a configuration, and a credentials file into the home directory; loads it."""

    def loaded(text, environ=None, credentials=CREDENTIALS):
        (tmp_path / ".sevenbridges").mkdir(exist_ok=True)
        if credentials is not None:
            (tmp_path / ".sevenbridges/credentials").write_text(credentials)
        (tmp_path / "key").write_text("of-the-file\n")
        (tmp_path / "config.yaml").write_text(text)
        return load(tmp_path / "config.yaml", {"HOME": str(tmp_path)} | (environ or {}))

    return loaded


@pytest.fixture
def mistakes(configured):
    """The lines of the error that a configuration must give."""

    def lines(*args, **more):
        with pytest.raises(SettingsError) as caught:
            configured(*args, **more)
        return str(caught.value).splitlines()

    return lines


def token_of(settings):
    return settings.accounts["cgc"].api_key.get_secret_value()


def test_a_profile_has_the_token_and_the_address(configured):
    """As the platform's own clients keep them; `%` means itself."""
    settings = configured(PROFILE)
    assert (token_of(settings), settings.accounts["cgc"].base_url) == ("t0ken%of-cgc", CGC)


def test_a_file_with_a_byte_order_mark_is_read(configured):
    """As editors on Windows save it."""
    assert token_of(configured(PROFILE, credentials="\ufeff" + CREDENTIALS)) == "t0ken%of-cgc"


def test_a_profile_may_be_in_another_file(configured, tmp_path):
    """The clients' own variable names it."""
    (tmp_path / "elsewhere").write_text(CREDENTIALS.replace("t0ken%of-cgc", "from-elsewhere"))
    settings = configured(PROFILE, {"SB_CREDENTIALS_FILE": str(tmp_path / "elsewhere")}, credentials=None)
    assert token_of(settings) == "from-elsewhere"


def test_the_clients_variables_are_one_more_place(configured):
    """The address beside the token is used where the account gives none."""
    environ = {"SB_AUTH_TOKEN": "of-the-variable", "SB_API_ENDPOINT": CGC}
    settings = configured("accounts: {cgc: {platform: sevenbridges}}\n", environ)
    assert (token_of(settings), settings.accounts["cgc"].base_url) == ("of-the-variable", CGC)
    assert token_of(configured(PLAIN, environ)) == "of-the-variable"


def test_other_platforms_do_not_read_what_its_clients_left(configured):
    """A variable of this platform's clients is no key of ICA."""
    ica = PLAIN.replace("}}", "}, ica: {platform: ica, api_key_file: key}}")
    settings = configured(ica, {"SB_AUTH_TOKEN": "of-the-variable"})
    assert settings.accounts["ica"].api_key.get_secret_value() == "of-the-file"


@pytest.mark.parametrize(
    ("text", "environ", "told"),
    [
        (PROFILE.replace("cgc}", "cgc, api_key_file: key}"), {}, "leave out either it or `api_key_file`"),
        (PROFILE.replace("cgc}", f"cgc, base_url: '{CGC}'}}"), {}, "leave out either it or `base_url`"),
        (PROFILE.replace("profile: cgc", "profile: lab"), {}, "has no profile [lab]; it has default, cgc"),
        (PROFILE, {"SB_AUTH_TOKEN": "x"}, "is given more than once, by [cgc] of"),
        (PROFILE, {"SB_CREDENTIALS_FILE": "/nowhere"}, "LoadCredential=cgc_api_key:FILE"),
        (PLAIN.replace("'}", "', api_key_file: key}"), {"SB_AUTH_TOKEN": "x"}, "is given more than once"),
        (PLAIN, {"SB_AUTH_TOKEN": "x", "SB_API_ENDPOINT": "https://other.org/v2"}, "make the two addresses equal"),
    ],
)
def test_a_token_that_cannot_be_had_is_told_with_the_way_out(mistakes, text, environ, told):
    """In one line, without the token."""
    lines = mistakes(text, environ)
    assert any(told in line for line in lines), lines
    assert not any("t0ken" in line for line in lines)


@pytest.mark.parametrize(
    ("credentials", "told"),
    [("[cgc]\nauth_token = x\n", "has no api_endpoint"), ("no sections", "is no credentials file")],
)
def test_a_credentials_file_must_be_whole(mistakes, credentials, told):
    """A profile without an address would send its token to another platform."""
    assert any(told in line for line in mistakes(PROFILE, credentials=credentials))


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("base_url: 'https://cgc-api.sbgenomics.com'", "base_url: must end in /v2"),
        ("batch_size: {task: 2}", "batch_size.task: must be at most 1"),
        ("batch_size: {import: 101}", "batch_size.import: must be at most 100"),
        ("page_size: 101", "page_size: must be at most 100"),
    ],
)
def test_what_the_platform_does_not_take_is_a_mistake(mistakes, key, told):
    """Its own limits are known before anything is sent."""
    address = "" if key.startswith("base_url") else f"base_url: '{CGC}', "
    (line,) = mistakes(f"accounts: {{cgc: {{platform: sevenbridges, api_key_file: key, {address}{key}}}}}\n")
    assert line.startswith(f"accounts.cgc.{told}")


def test_a_profile_is_read_again(configured, tmp_path):
    """While the daemon runs, as a key file is; a file that is just being written changes nothing."""
    environ, heard = {"HOME": str(tmp_path)}, []
    read = key_reader(configured(PROFILE), "cgc", environ, heard.append)
    file = tmp_path / ".sevenbridges/credentials"
    file.write_text("[cgc]\n")
    assert read() == "t0ken%of-cgc"
    file.write_text(CREDENTIALS.replace("t0ken%of-cgc", "new"))
    assert (read(), heard) == ("new", ["new"])


def test_a_credentials_file_that_all_can_read_is_reported(configured, tmp_path):
    """As any other file with a secret."""
    settings = configured(PROFILE)
    (tmp_path / ".sevenbridges/credentials").chmod(0o644)
    (warning,) = exposed_secrets(settings, {"HOME": str(tmp_path)})
    assert ".sevenbridges/credentials can be read by every user" in warning
    (tmp_path / ".sevenbridges/credentials").chmod(0o600)
    assert exposed_secrets(settings, {"HOME": str(tmp_path)}) == ()
