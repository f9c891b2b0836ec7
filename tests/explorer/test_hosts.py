"""Which names a request may be addressed to."""

import socket

import pytest

from lastlayer.explorer.hosts import LOOPBACK, hosts_at, is_loopback


@pytest.mark.parametrize(
    "header",
    ["127.0.0.1", "127.0.0.1:8765", "localhost", "LocalHost:1", "localhost.", "localhost.:8765", "[::1]", "[::1]:8765"],
)
def test_names_of_loopback_are_served(header):
    assert LOOPBACK.serves(header)


@pytest.mark.parametrize(
    "header",
    [
        *("", "evil.example", "evil.example:8765", "127.0.0.1.evil.example", "localhost.evil.example", "localhost.."),
        *("::1", "[::1", "[::1]x", "127.0.0.1:8765:1", "127.0.0.1:80x", "127.0.0.1:123456", "localhost ", " localhost"),
        *("user@localhost", "localhost/x", "localhost,evil.example", "127.1", "2130706433", "0.0.0.0", "10.0.0.1"),
        *("127.0.0.\u0661", "localhost\n", "[::ffff:127.0.0.1]"),
    ],
)
def test_others_are_not(header):
    assert not LOOPBACK.serves(header)


def test_on_all_interfaces_addresses_are_served_and_unknown_names_are_not():
    name = socket.gethostname()
    for bound in ("0.0.0.0", "::"):
        hosts = hosts_at(bound)
        for header in ("192.168.1.5:8765", "[fe80::1]:8765", "localhost", f"{name.upper()}:8765"):
            assert hosts.serves(header)
        for header in ("evil.example", f"{name}.evil.example", "192.168.1.5.evil.example", "*"):
            assert not hosts.serves(header)


def test_on_one_address_that_alone_is_served():
    hosts = hosts_at("192.168.1.5")
    assert hosts.serves("192.168.1.5:8765")
    assert not hosts.serves("localhost")
    assert not hosts.serves("192.168.1.6")
    assert hosts_at("Lab.Example").serves("lab.example:80")
    assert hosts_at("FE80:0::1").serves("[fe80::1]:80")  # another spelling of the address


@pytest.mark.parametrize(("bound", "expected"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True)])
def test_loopback(bound, expected):
    assert is_loopback(bound) is expected
    assert hosts_at(bound).serves(f"[{bound}]" if ":" in bound else bound)
    assert hosts_at(bound).serves("localhost")


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.168.1.5", "lab.example", "", "localhost.evil.example"])
def test_not_loopback(bound):
    assert not is_loopback(bound)


def test_they_are_listed():
    assert str(LOOPBACK) == "127.0.0.1 or [::1] or localhost"
    assert str(hosts_at("0.0.0.0")).endswith(" or an IP address")
