# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Where requests of visitors come from, to limit how many one place can make."""

from __future__ import annotations

from ipaddress import ip_address, ip_network


def find_network(ip: str | None) -> str | None:
    """Return the network that a request comes from: an IPv4 address, or a /64 of IPv6.

    None for a private address: all requests come from it if Odoo is behind a proxy and does not
    know (`proxy_mode`), and one visitor would use up what is allowed to all.
    """
    try:
        address = ip_address(ip or "")
    except ValueError:
        return None
    if not address.is_global:
        return None
    return str(ip_network((address, 32 if address.version == 4 else 64), strict=False))
