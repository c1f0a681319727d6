"""A wrong base_url is recognised at the request for a token, with what it should be."""

import pytest

from orchestrator.domain.errors import Missing, Refused, Transient, Unauthorised, WrongAddress
from orchestrator.platforms.ica.protocol.address import advice
from orchestrator.platforms.ica.protocol.session import Session

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (PAGE, "a page titled 'Sign in'"),
        (Missing("POST tokens at x: 404 without explanation", status=404), "404"),
        (Refused("POST tokens at x: 405", status=405), "405"),
        (Transient("POST tokens at x: 302 redirects to https://login.example.org/", status=302), "redirects to"),
    ],
)
async def test_what_is_not_the_platform_is_told_with_the_right_address(script, clock, answer, said):
    """A web page, a path that is not there, a login: nothing is sent, and the account says what to change."""
    script.lines["tokens"] = [answer]
    script.base_url = "https://ica.example.org/ica/rest/api"
    with pytest.raises(WrongAddress) as raised:
        await Session(script, "the-key", clock).user()
    assert said in str(raised.value)
    assert "base_url should be https://ica.example.org/ica/rest:" in str(raised.value)
    assert isinstance(raised.value, Unauthorised)


@pytest.mark.parametrize("error", [Transient("503", status=503), Transient("no answer"), Refused("403", status=403)])
async def test_other_failures_say_nothing_about_the_address(script, clock, error):
    """An outage, or a right that is missing, is what it is."""
    script.lines["tokens"] = [error]
    with pytest.raises(type(error)) as raised:
        await Session(script, "the-key", clock).user()
    assert raised.value is error


@pytest.mark.parametrize(
    ("base_url", "better"),
    [
        ("https://ica.illumina.com", "https://ica.illumina.com/ica/rest"),
        ("https://ica.illumina.com/ica/rest/api/v3", "https://ica.illumina.com/ica/rest"),
        ("https://ica.example.org/ica", "https://ica.example.org/ica/rest"),
        ("http://127.0.0.1:8000/ica/rest/api", "http://127.0.0.1:8000/ica/rest"),
    ],
)
def test_the_advice_names_the_address(base_url, better):
    """One path part too many, one too few, or none."""
    assert f"base_url should be {better}:" in advice(base_url)


def test_an_address_that_looks_right_points_to_what_is_on_the_way():
    """Then it is a proxy or a login page that answers."""
    assert "proxy" in advice("https://ica.illumina.com/ica/rest")
