"""The keys of an ODM account."""

from pathlib import Path

import pytest

from orchestrator.platforms.registry import PLATFORMS
from orchestrator.settings import SettingsError, load

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def configured(tmp_path):
    """Loads a configuration with one account on ODM that has these keys."""
    (tmp_path / "key").write_text("the-token\n")

    def loaded(keys):
        address = "" if "base_url" in keys else ", base_url: 'https://odm.example.org'"
        text = f"{{platform: odm, api_key_file: key{address}{keys}}}"
        (tmp_path / "config.yaml").write_text(f"accounts: {{odm: {text}}}\n")
        return load(tmp_path / "config.yaml", {}).accounts["odm"]

    return loaded


def test_an_account_needs_its_address_and_a_token(configured):
    """The rest has defaults: the header of the profile page's token, and a budget although none is documented."""
    account = configured("")
    assert (account.header, account.budget.requests, account.budget.per) == ("Genestack-API-Token", 300, 300.0)
    assert configured(", header: Authorization").header == "Authorization"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (", header: Cookie", "accounts.odm.header: "),
        (", base_url: 'https://odm.example.org/api/v1'", "must not have /api/v1 at its end"),
        (", batch_size: {publish: 2}", "accounts.odm.batch_size.publish: must be at most 1"),
        (", page_size: 100", "accounts.odm.page_size: must be at most 1"),
        (", profile: x", "accounts.odm.profile: "),
    ],
)
def test_a_mistake_of_the_account_names_its_key(configured, keys, line):
    """Each on one line."""
    with pytest.raises(SettingsError) as caught:
        configured(keys)
    assert line in str(caught.value)


def test_every_kind_is_documented():
    """A kind that nobody can find in the documentation is a kind that nobody uses."""
    text = (DOCS / "platforms.md").read_text()
    assert [kind.name for kind in PLATFORMS["odm"].kinds if f"`{kind.name}`" not in text] == []
