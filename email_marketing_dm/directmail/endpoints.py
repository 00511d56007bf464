# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Which hosts are DirectMail itself, and by which way an account reaches it."""

import re
from urllib.parse import urlsplit

from .const import REGIONS, VPC_ENDPOINTS

PUBLIC, VPC = "public", "vpc"
_HOSTS = {PUBLIC: dict(REGIONS), VPC: dict(VPC_ENDPOINTS)}
_LOCAL = ("127.0.0.1", "localhost", "::1")
# Also of regions that the tables don't know yet: dm.<region>, dm-vpc.<region> (help).
_DIRECTMAIL = re.compile(r"dm[a-z0-9-]*(\.[a-z0-9-]+)*\.aliyuncs\.com")
# Narrower, because customers of other services choose names there: dm-x.oss-cn-hangzhou.aliyuncs...
_REGIONAL = re.compile(r"dm(-vpc)?\.[a-z]{2}-[a-z0-9-]+\.aliyuncs\.com")


def get_host(connection, region):
    """Return the host of a region's endpoint; ``connection`` is PUBLIC or VPC."""
    return _HOSTS[connection][region]


def read_endpoint(text):
    """Return (host and port, protocol, host) of an endpoint as somebody typed it.

    Without a scheme it is HTTPS, on this machine HTTP.

    :raise ValueError: it can't be one
    """
    text = (text or "").strip()
    parts = urlsplit(text if "//" in text else f"//{text}")
    host = (parts.hostname or "").rstrip(".")
    protocol = parts.scheme or ("http" if host in _LOCAL else "https")
    _port = parts.port  # raises ValueError for what is no port
    misplaced = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if not host or protocol not in ("http", "https") or misplaced:
        raise ValueError("no endpoint")
    return parts.netloc, protocol, host


def is_directmail(host):
    """Tell whether a host is DirectMail itself, of whichever region and by whichever way."""
    return bool(_DIRECTMAIL.fullmatch(host.lower().rstrip(".")))


def is_certain(host):
    """Tell whether a host that answers by HTTPS can be nothing but DirectMail."""
    host = host.lower().rstrip(".")
    return bool(find_endpoint(host) or _REGIONAL.fullmatch(host))


def find_endpoint(host):
    """Return the (connection, region) whose endpoint a host is, or None."""
    host = host.lower().rstrip(".")
    for connection, hosts in _HOSTS.items():
        for region, known in hosts.items():
            if host == known:
                return connection, region
    return None
