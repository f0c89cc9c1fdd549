"""Where signals may be sent, and which addresses lie inside whatever way they are written."""

from __future__ import annotations

import pytest

from core.addresses import check_webhook_url, inside, is_public, shown_url
from core.errors import InvalidInput

INSIDE = (
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "::7f00:1",
)


@pytest.mark.parametrize("address", INSIDE)
def test_what_lies_inside(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_what_lies_outside(address: str) -> None:
    assert is_public(address)
    assert not inside(address)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.1", "0x7f.1", "2130706433", "::1", "0"])
def test_a_host_that_says_so_itself(host: str) -> None:
    assert inside(host)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://example.com/", "begins with https://"),
        ("ftp://example.com/", "begins with https://"),
        ("https://", "an address such as"),
        ("https://[::1", "an address such as"),
        ("https://example.com:99999/", "an address such as"),
        ("https://exämple.com/", "an address such as"),
        ("https://example.com/a b", "an address such as"),
        ("https://example.com/" + "x" * 2000, "an address such as"),
        ("https://example.com/#top", "no # in it"),
        ("https://user:word@example.com/", "no user name or password"),
        ("https://10.0.0.1/", "on the open internet"),
        ("https://localhost/", "on the open internet"),
        ("http://127.0.0.1:9000/", "on the open internet"),
    ],
)
def test_an_address_that_signals_may_not_be_sent_to(url: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as refused:
        check_webhook_url(url, allow_private=False)
    assert "user:word" not in refused.value.message


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://example.com/hook?key=1", False),
        ("https://10.0.0.1/", True),
        ("http://127.0.0.1:9000/x", True),
        ("http://[::1]/x", True),
    ],
)
def test_one_that_they_may(url: str, private: bool) -> None:
    check_webhook_url(url, allow_private=private)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:word@example.com:8443/services/T0/secret?key=1", "https://example.com:8443/…"),
        ("https://example.com/", "https://example.com"),
        ("http://[::1]:9/x", "http://[::1]:9/…"),
    ],
)
def test_no_list_shows_what_may_be_a_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown
