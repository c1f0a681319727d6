"""Which webhooks may be called: by their URL, the list of allowed hosts, and the address that a name resolves to."""

from ipaddress import ip_address, ip_network

import pytest

from orchestrator.domain.webhook import WebhookTerms, may_connect, parse_allowed_host, parse_target


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://LIMS.example.org/hook?a=1", "lims.example.org", "/hook?a=1"),
        ("https://lims.example.org:443", "lims.example.org", "/"),
        ("https://lims.example.org:8443/x", "lims.example.org:8443", "/x"),
        ("http://127.0.0.1:9000/x", "127.0.0.1:9000", "/x"),
        ("https://[2001:db8::1]:8443/x", "[2001:db8::1]:8443", "/x"),
    ],
)
def test_a_target_is_compared_by_host_and_port(url, authority, path):
    """The port of the scheme is left out; the path, which may hold a token, is no part of it."""
    target = parse_target(url)
    assert (target.authority, target.path) == (authority, path)
    assert WebhookTerms((authority,), signed=True).allow(target)
    assert not WebhookTerms((f"x{authority}", authority.partition(":")[0] + ":1"), signed=True).allow(target)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("lims.example.org/hook", "must be a URL"),
        ("ftp://lims.example.org/hook", "must be a URL"),
        ("http://lims.example.org/hook", "must begin with https://"),
        ("https://", "must be a URL"),
        ("https://me:secret@lims.example.org/", "must not hold a user"),
        ("https://lims.example.org@evil.example.org/", "must not hold a user"),
        ("https://lims.example.org/#top", "must not hold #"),
        ("https://lims.example.org:99999/", "is not a valid URL"),
        ("https://lims.example.org/a b", "is not a valid URL"),
        ("https://l\u0131ms.example.org/", "is not a valid URL"),
        ("https://lims.example.org/\r\nX: y", "is not a valid URL"),
    ],
)
def test_a_url_that_cannot_be_called_says_why(url, says):
    """Before anything is resolved or sent."""
    with pytest.raises(ValueError, match=says):
        parse_target(url)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("LIMS.example.org", "lims.example.org"),
        ("lims.example.org:443", "lims.example.org"),
        ("lims.example.org:8443", "lims.example.org:8443"),
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("[::1]:9000", "[::1]:9000"),
    ],
)
def test_an_allowed_host_has_one_spelling(text, host):
    """The same as that of the targets which it is compared with."""
    assert parse_allowed_host(text) == host


@pytest.mark.parametrize(
    "text",
    ["", "https://lims.example.org", "lims.example.org/hook", "*.example.org", "a b", "h:0", "h:70000", "[x]", "::1"],
)
def test_an_allowed_host_is_exact(text):
    """No scheme, no path, no pattern."""
    with pytest.raises(ValueError, match="HOST or HOST:PORT"):
        parse_allowed_host(text)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_a_public_address_may_be_connected_to(address):
    """Also one that is written as IPv6."""
    assert may_connect(ip_address(address), ())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "ff0e::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "64:ff9b::a01:203",
        "2002:a01:203::1",
        "2001:0:a01:203::1",
    ],
)
def test_an_address_that_is_not_public_needs_leave(address):
    """Loopback, private, link-local, shared, multicast, and IPv6 that ends at an IPv4 address; a network allows it."""
    assert not may_connect(ip_address(address), ())
    plain = getattr(ip_address(address), "ipv4_mapped", None) or ip_address(address)
    assert may_connect(ip_address(address), [ip_network(f"{plain}/{plain.max_prefixlen}")])
    assert not may_connect(ip_address(address), [ip_network("198.18.0.0/15"), ip_network("fc00::/16")])
