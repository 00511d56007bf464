# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Hosts of DirectMail: public and VPC endpoints of the regions, and endpoints that users type."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .const import REGIONS, VPC_ENDPOINTS

PUBLIC, VPC, TEST, TRIAL = "public", "vpc", "test", "trial"
_HOSTS = {PUBLIC: dict(REGIONS), VPC: dict(VPC_ENDPOINTS)}
_LOCAL = ("127.0.0.1", "localhost", "::1")
# Matches dm.<region> and dm-vpc.<region> (help) also of regions that REGIONS doesn't list yet.
_DIRECTMAIL = re.compile(r"dm[a-z0-9-]*(\.[a-z0-9-]+)*\.aliyuncs\.com")
# Narrower: below other services customers choose names, such as dm-x.oss-cn-hangzhou.aliyuncs.com.
_REGIONAL = re.compile(r"dm(-vpc)?\.[a-z]{2}-[a-z0-9-]+\.aliyuncs\.com")


def get_host(connection: str, region: str) -> str:
    """Return the host of a region's endpoint; ``connection`` is PUBLIC or VPC."""
    return _HOSTS[connection][region]


def read_endpoint(text: str | None) -> tuple[str, str, str]:
    """Return (host and port, protocol, host) of an endpoint that a user typed.

    The default protocol is "https", for this machine "http".

    :raise ValueError: no host, another protocol, or a path, query, fragment or user name
    """
    text = (text or "").strip()
    parts = urlsplit(text if "//" in text else f"//{text}")
    host = (parts.hostname or "").rstrip(".")
    protocol = parts.scheme or ("http" if host in _LOCAL else "https")
    _port = parts.port  # raises ValueError for an invalid port
    misplaced = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if not host or protocol not in ("http", "https") or misplaced:
        raise ValueError("no endpoint")
    return parts.netloc, protocol, host


def is_directmail(host: str) -> bool:
    """Tell whether a host is named like an endpoint of DirectMail, public or VPC, in any region."""
    return bool(_DIRECTMAIL.fullmatch(host.lower().rstrip(".")))


def is_certain(host: str) -> bool:
    """Tell whether only DirectMail can answer at this host over HTTPS.

    Stricter than `is_directmail`: no name that a customer of another service could choose.
    """
    host = host.lower().rstrip(".")
    return bool(find_endpoint(host) or _REGIONAL.fullmatch(host))


def find_endpoint(host: str) -> tuple[str, str] | None:
    """Return the (PUBLIC or VPC, region) whose endpoint a host is, or None."""
    host = host.lower().rstrip(".")
    for connection, hosts in _HOSTS.items():
        for region, known in hosts.items():
            if host == known:
                return connection, region
    return None
