"""Which hosts are DirectMail itself: mail that goes there is real."""

import pytest

from email_marketing_dm.directmail.const import REGIONS
from email_marketing_dm.directmail.endpoints import (
    find_endpoint,
    get_host,
    is_certain,
    is_directmail,
    read_endpoint,
)


@pytest.mark.parametrize("region", [region for region, _host in REGIONS])
@pytest.mark.parametrize("connection", ["public", "vpc"])
def test_every_endpoint_is_directmail(region, connection):
    host = get_host(connection, region)
    for spelling in (host, host.upper(), f"{host}."):
        assert is_directmail(spelling)
        assert find_endpoint(spelling) == (connection, region)


def test_the_documented_hosts():
    assert get_host("public", "cn-hangzhou") == "dm.aliyuncs.com"
    assert get_host("public", "eu-central-1") == "dm.eu-central-1.aliyuncs.com"
    assert get_host("vpc", "cn-hangzhou") == "dm-vpc.cn-hangzhou.aliyuncs.com"
    assert get_host("vpc", "us-east-1") == "dm-vpc.us-east-1.aliyuncs.com"


@pytest.mark.parametrize("host", ["dm.ap-southeast-2.aliyuncs.com", "dm-vpc.moon-1.aliyuncs.com"])
def test_a_region_that_is_not_offered_is_directmail_all_the_same(host):
    assert is_directmail(host) and find_endpoint(host) is None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "dm.aliyuncs.com.evil.example",
        "aliyuncs.com",
        "evil-dm.aliyuncs.com",
        "dm.aliyuncs.com.local",
        "gateway.example.com",
        "",
    ],
)
def test_other_hosts(host):
    assert not is_directmail(host) and find_endpoint(host) is None


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("127.0.0.1:8080", ("127.0.0.1:8080", "http", "127.0.0.1")),
        (" localhost ", ("localhost", "http", "localhost")),
        ("gateway.example.com", ("gateway.example.com", "https", "gateway.example.com")),
        ("http://gate.example.com:81/", ("gate.example.com:81", "http", "gate.example.com")),
        ("https://[::1]:8080", ("[::1]:8080", "https", "::1")),
    ],
)  # fmt: skip
def test_reading(text, wanted):
    assert read_endpoint(text) == wanted


@pytest.mark.parametrize(
    "text", ["", None, "ftp://x.example", "http://", "x.example:99999", "https://u@x.example",
             "https://x.example/path", "[::1"],
)  # fmt: skip
def test_no_endpoint(text):
    with pytest.raises(ValueError):
        read_endpoint(text)


@pytest.mark.parametrize(
    "host, wanted",
    [
        ("dm.aliyuncs.com", True),
        ("dm-vpc.cn-hangzhou.aliyuncs.com", True),
        ("DM.AP-SOUTHEAST-2.aliyuncs.com.", True),
        ("dm-vpc.moon-1.aliyuncs.com", False),
        ("dm-vpc.oss-cn-hangzhou.aliyuncs.com", False),
        ("dm-x.oss-cn-hangzhou-internal.aliyuncs.com", False),
        ("127.0.0.1", False),
    ],
)
def test_hosts_that_nobody_else_can_have(host, wanted):
    assert is_certain(host) is wanted
