"""`web_url`: where the pages of items are, for links in results and reports."""

import json
import re

import pytest

from orchestrator.settings import SettingsError, load

PAGE = "https://ica.example.org/{project}/{remote_id}"


@pytest.fixture
def configured(tmp_path):
    """Loads a configuration whose account has this `web_url`."""
    (tmp_path / "key").write_text("the-api-key\n")

    def loaded(web_url, **environ):
        account = {"platform": "ica", "api_key_file": "key", "web_url": web_url}
        (tmp_path / "config.yaml").write_text(json.dumps({"accounts": {"ica": account}}))
        return load(tmp_path / "config.yaml", environ)

    return loaded


def test_pages_of_the_platform_are_named_by_kind(configured):
    """With the placeholders kept, for each of the platform's kinds."""
    assert configured({"analysis_creation": PAGE}).accounts["ica"].web_url == {"analysis_creation": PAGE}
    variable = {"ORCHESTRATOR_ACCOUNTS__ICA__WEB_URL__ANALYSIS_CREATION": PAGE}
    assert configured({}, **variable).accounts["ica"].web_url == {"analysis_creation": PAGE}


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://x/{remote_id}", "must begin with https://"),
        ("javascript:alert(1)//{remote_id}", "must begin with https://"),
        ("https://x/{project}", "must contain {remote_id}"),
        ("https://{project}/{remote_id}", "must have its placeholders behind the host"),
        ("https://x/{key}/{remote_id}", "has {key}: known are {project} and {remote_id}"),
        ("https://x/{remote_id}/{", "has {: known are"),
        ("https://u:p@x/{remote_id}", "must not hold a user or a password"),
        ("https://x/ {remote_id}", "is not a valid URL"),
    ],
)
def test_an_address_of_a_page_is_https_and_names_the_item(configured, address, says):
    """Anything else is a mistake in the configuration."""
    with pytest.raises(SettingsError, match=re.escape(says)):
        configured({"analysis_creation": address})


def test_a_kind_that_the_platform_lacks_is_named(configured):
    """With the one that was probably meant."""
    with pytest.raises(SettingsError, match="'data_lnking', which is no kind of ica: did you mean `data_linking`"):
        configured({"data_lnking": PAGE})
