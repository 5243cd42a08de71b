"""A webhook goes to the public Internet alone, unless an operator says otherwise."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounts.destinations import Address, Allowed, Destination, Forbidden, destination_of, examine, is_public
from pipeline.errors import Misconfigured

NOBODY = Allowed()
PUBLIC = ("93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c")

INWARD = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255"),
    *("127.0.0.1", "127.0.0.53", "127.255.255.254", "169.254.0.1", "169.254.169.254", "169.254.170.2"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1"),
    *("192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1"),
    *("240.0.0.1", "255.255.255.255", "168.63.129.16"),
    *("::", "::1", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fd00::1", "fd00:ec2::254", "ff02::1", "100::1"),
    *("2001:db8::1", "3fff::1", "5f00::1", "2001::1", "2001:10::1", "2001:20::1", "2002:7f00:1::", "2002:a00:1::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "64:ff9b:1::7f00:1"),
    *("2001:0:7f00:1::", "2001:0:0:0:0:0:80ff:fffe", "fe80::1%eth0", "::ffff:0:127.0.0.1"),
)


@pytest.mark.parametrize("address", INWARD)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    found = examine("https://hooks.example/", NOBODY, [address])
    assert isinstance(found, Forbidden)
    assert found.reason == "address_forbidden"
    assert address not in found.detail


@pytest.mark.parametrize("address", [*PUBLIC, "1.1.1.1", "100.63.255.255", "172.32.0.1", "64:ff9b::101:101"])
def test_a_public_address_is_taken(address: str) -> None:
    assert isinstance(examine("https://hooks.example/", NOBODY, [address]), Destination)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_in_an_ipv6_address_is_judged_as_itself(number: int) -> None:
    plain = ipaddress.IPv4Address(number)
    for inside in (f"::ffff:{plain}", f"64:ff9b::{plain}"):
        assert is_public(ipaddress.IPv6Address(inside)) == is_public(plain)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6).filter(lambda it: it not in ipaddress.ip_network("64:ff9b::/96")))
def test_what_python_does_not_take_for_global_is_never_public(address: Address) -> None:
    inside = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    assert not is_public(address) or (inside or address).is_global


@pytest.mark.parametrize("address", INWARD)
def test_one_address_among_public_ones_is_enough(address: str) -> None:
    assert isinstance(examine("https://hooks.example/", NOBODY, [*PUBLIC, address]), Forbidden)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example/", "scheme_forbidden"),
        ("ftp://hooks.example/", "scheme_forbidden"),
        ("file:///etc/passwd", "scheme_forbidden"),
        ("gopher://hooks.example/", "scheme_forbidden"),
        ("//hooks.example/", "scheme_forbidden"),
        ("hooks.example", "scheme_forbidden"),
        ("", "url_invalid"),
        ("https://", "url_invalid"),
        ("https:///path", "url_invalid"),
        ("https://user@hooks.example/", "url_invalid"),
        ("https://user:pass@hooks.example/", "url_invalid"),
        ("https://@hooks.example/", "url_invalid"),
        ("https://good.example@127.0.0.1/", "url_invalid"),
        ("https://good.example\\@127.0.0.1/", "url_invalid"),
        ("https://hooks.example:0/", "url_invalid"),
        ("https://hooks.example:65536/", "url_invalid"),
        ("https://hooks.example:x/", "url_invalid"),
        ("https://hooks.example/#top", "url_invalid"),
        ("https://hooks.example/ x", "url_invalid"),
        ("https://hooks.example/\r\nX: y", "url_invalid"),
        ("https://hooks.example/\x00", "url_invalid"),
        ("https://hooks.example/ä", "url_invalid"),
        ("https://bücher.example/", "url_invalid"),
        ("https://exa%6Dple.com/", "url_invalid"),
        ("https://hooks..example/", "url_invalid"),
        ("https://-hooks.example/", "url_invalid"),
        ("https://[::1/", "url_invalid"),
        ("https://[fe80::1%25eth0]/", "url_invalid"),
        ("https://" + "a" * 64 + ".example/", "url_invalid"),
        ("https://hooks.example/" + "a" * 2048, "url_invalid"),
        # What resolvers take for 127.0.0.1
        ("https://127.1/", "url_invalid"),
        ("https://2130706433/", "url_invalid"),
        ("https://0x7f000001/", "url_invalid"),
        ("https://0x7f.0.0.1/", "url_invalid"),
        ("https://0177.0.0.1/", "url_invalid"),
        ("https://127.0.0.1.1/", "url_invalid"),
        ("https://hooks.0x/", "url_invalid"),
        ("https://127.0.0.1/", "address_forbidden"),
        ("https://127.0.0.1./", "address_forbidden"),
        ("https://[::1]/", "address_forbidden"),
        ("https://[::ffff:127.0.0.1]/", "address_forbidden"),
        ("https://169.254.169.254/latest/meta-data/", "address_forbidden"),
        ("https://localhost/", "address_forbidden"),
        ("https://LOCALHOST:8443/", "address_forbidden"),
        ("https://app.localhost/", "address_forbidden"),
    ],
)
def test_a_url_is_refused_before_anything_is_resolved(url: str, reason: str) -> None:
    found = examine(url, NOBODY)
    assert isinstance(found, Forbidden)
    assert found.reason == reason


def test_a_url_is_taken_apart_once() -> None:
    assert destination_of("HTTPS://Hooks.Example.:8443/a/b?c=d&e") == Destination(
        "https", "hooks.example", 8443, "/a/b?c=d&e"
    )
    assert destination_of("https://hooks.example?x=1") == Destination("https", "hooks.example", 443, "/?x=1")
    assert destination_of("https://[2606:2800::0001]") == Destination("https", "2606:2800::1", 443, "/")


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://hooks.example/", "hooks.example"),
        ("https://hooks.example:443/", "hooks.example"),
        ("http://hooks.example:443/", "hooks.example:443"),
        ("https://[2606:2800::1]:8443/", "[2606:2800::1]:8443"),
    ],
)
def test_the_authority_names_the_port_where_it_is_not_the_usual_one(url: str, authority: str) -> None:
    found = destination_of(url)
    assert isinstance(found, Destination)
    assert found.authority == authority


def test_a_host_without_an_address_is_refused() -> None:
    found = examine("https://hooks.example/", NOBODY, [])
    assert isinstance(found, Forbidden)
    assert found.reason == "host_unknown"


def test_an_allowed_name_may_be_anywhere_and_without_tls() -> None:
    allowed = Allowed.parse("hooks.internal, 10.1.0.0/16,::1")
    assert isinstance(examine("http://hooks.internal:8080/", allowed, ["192.168.0.7"]), Destination)
    assert isinstance(examine("http://hooks.internal:8080/", allowed), Destination)
    assert isinstance(examine("http://other.internal/", allowed, ["192.168.0.7"]), Forbidden)


def test_an_allowed_network_holds_for_addresses_and_for_names_that_lead_there() -> None:
    allowed = Allowed.parse("10.1.0.0/16,::1")
    assert isinstance(examine("http://10.1.2.3/", allowed), Destination)
    assert isinstance(examine("http://[::1]:8080/", allowed), Destination)
    assert isinstance(examine("http://hooks.example/", allowed, ["10.1.2.3"]), Destination)
    assert isinstance(examine("https://hooks.example/", allowed, ["10.1.2.3", "93.184.215.14"]), Destination)
    assert isinstance(examine("http://hooks.example/", allowed, ["10.1.2.3", "93.184.215.14"]), Forbidden)
    assert isinstance(examine("https://hooks.example/", allowed, ["10.1.2.3", "10.2.0.1"]), Forbidden)
    assert isinstance(examine("http://10.2.0.1/", allowed), Forbidden)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "not a name", "https://hooks.example", "300.1.1.1", "a..b"])
def test_a_setting_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="THALWEG_WEBHOOK_ALLOW"):
        Allowed.from_environment({"THALWEG_WEBHOOK_ALLOW": text})


pieces = st.sampled_from(
    ["https://", "http://", "//", "@", ":", "/", "\\", "?", "#", "[", "]", "%", ".", "127.0.0.1", "::1", "0x7f.1",
     "a.example", "localhost", "443", "0", "xn--a", "\t", "\r\n", " ", "ﬀ", "。"]
)  # fmt: skip


@given(st.lists(pieces | st.text(max_size=3), max_size=8).map("".join))
def test_whatever_the_url_is_it_is_judged_and_what_passes_is_clean(url: str) -> None:
    found = examine(url, NOBODY)
    if isinstance(found, Destination):
        assert found.scheme == "https"
        assert 1 <= found.port <= 65535
        assert found.target.startswith("/")
        assert f"{found.host}{found.authority}{found.target}".isprintable()
        assert " " not in found.target
        assert not any(mark in found.host for mark in "@/\\?#[]% ")
        assert found.address is None or is_public(found.address)
        assert destination_of(f"{found.scheme}://{found.authority}{found.target}") == found
    else:
        assert found.detail


@given(st.lists(st.ip_addresses().map(str), max_size=4))
def test_whatever_a_name_resolves_to_all_of_it_is_public_or_it_is_refused(addresses: list[str]) -> None:
    found = examine("https://hooks.example/", NOBODY, addresses)
    taken = bool(addresses) and all(is_public(ipaddress.ip_address(address)) for address in addresses)
    assert isinstance(found, Destination) == taken
