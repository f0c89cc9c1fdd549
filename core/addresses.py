"""Addresses that people may send us to: which of them lie inside, where nothing of ours may be asked."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from core.errors import InvalidInput

URL_MOST: Final = 2000
_EMBEDS_IPV4: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
"""Prefixes whose last four bytes are an IPv4 address that is really meant."""


def is_public(address: str) -> bool:
    """Whether this IP address is one of the open internet: not private, link-local, loopback, reserved or for
    many, neither itself nor the IPv4 address that it stands for."""
    try:
        meant = _meant(ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    return meant.is_global and not (meant.is_multicast or meant.is_reserved or meant.is_unspecified)


def is_loopback(host: str) -> bool:
    """Whether this host is this very machine, by its name or address alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return _meant(ip_address(host)).is_loopback
    except ValueError:
        return False


def check_webhook_url(url: str, *, allow_private: bool) -> None:
    """Raises InvalidInput unless signals may be sent there: over https, or over http to this very machine
    where private addresses are allowed. What a name stands for is looked at whenever something is sent."""
    split = _split(url)
    host = split.hostname or ""
    if split.scheme != "https" and not (split.scheme == "http" and is_loopback(host)):
        raise _wrong(url, "it begins with https:// (http:// only for a program on this machine)")
    if split.username is not None or split.password is not None:
        raise _wrong(shown_url(url), "it has no user name or password in it; our signature proves who sends")
    if not allow_private and inside(host):
        raise _wrong(
            url, "it is on the open internet; webhooks.allow_private in the settings opens what is not"
        )


def inside(host: str) -> bool:
    """Whether a host says by itself, without being looked up, that it is not on the open internet."""
    try:
        ip_address(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2].lower()
        # Some read a name that ends in a number as an address, such as 0x7f.1: no real one does.
        return is_loopback(host) or last.isdigit() or last.startswith("0x")
    return not is_public(host)


def shown_url(url: str) -> str:
    """An address as lists, logs and the audit show it: what follows the host may be a secret."""
    split = urlsplit(url)
    host = f"[{split.hostname}]" if ":" in (split.hostname or "") else split.hostname or ""
    port = f":{split.port}" if split.port else ""
    rest = "/…" if split.path not in ("", "/") or split.query else ""
    return f"{split.scheme}://{host}{port}{rest}"


def _split(url: str) -> SplitResult:
    """Raises InvalidInput for what is no address of ours."""
    try:
        split = urlsplit(url)
        fits = bool(split.hostname) and split.port != 0
    except ValueError:
        fits = False
    if not fits or len(url) > URL_MOST or not url.isascii() or not url.isprintable() or " " in url:
        raise _wrong(url[:80], "it is an address such as https://example.com/countersign")
    if split.fragment:
        raise _wrong(shown_url(url), "it has no # in it")
    return split


def _wrong(url: str, allowed: str) -> InvalidInput:
    return InvalidInput(field="url", given=url, allowed=allowed)


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The address that is really asked: of one that stands for an IPv4 address, that."""
    if isinstance(address, IPv4Address):
        return address
    if address.sixtofour is not None:
        return address.sixtofour
    if int(address) > 1 and any(address in network for network in _EMBEDS_IPV4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
