# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Tells hits of persons on images and links from hits of mail scanners and proxies.

20 to 40 % of the opens and clicks of a mailing come from machines. No sign is certain, so each hit
is stored together with the verdict.
"""

import re
from typing import Protocol

# Gmail and Yahoo load images through a proxy *when the person opens the mail*, so these two count
# as people: "… (via ggpht.com GoogleImageProxy)", "YahooMailProxy; …".
_ON_BEHALF = re.compile(r"googleimageproxy|yahoomailproxy", re.IGNORECASE)
# Apple's Mail Privacy Protection loads everything on arrival and sends only this as user agent.
_PREFETCHER = re.compile(r"Mozilla/5\.0|.*Edge/12\.246 Mozilla/5\.0", re.IGNORECASE | re.DOTALL)
_SCANNER = re.compile(
    r"bot\b|bot/|crawl|spider|scan|prefetch|preview|monitor|headless|phantomjs|selenium"
    r"|curl/|wget/|python|java/|okhttp|go-http-client|libwww|httpclient|node-fetch|axios|ruby"
    r"|barracuda|proofpoint|mimecast|symantec|trendmicro|trend micro|fireeye|trellix|forcepoint"
    r"|sophos|ironport|messagelabs|safelinks|cloudmark|fortinet|fortimail|kaspersky|bitdefender"
    r"|microsoft office existence discovery|ms-office|slurp|facebookexternalhit|whatsapp|slack",
    re.IGNORECASE,
)
# Seconds after the mail was handed to DirectMail in which no person can have opened it.
TOO_SOON = 2.0


class Headers(Protocol):
    """Headers of a request, looked up without regard to case."""

    def get(self, key: str, /) -> str | None: ...


def is_machine(
    user_agent: str | None,
    *,
    method: str = "GET",
    age: float | None = None,
    too_soon: float = TOO_SOON,
    headers: Headers | None = None,
) -> bool:
    """Tell whether a hit on a link or image looks like a machine's.

    :param user_agent: as received
    :param age: seconds since the mail was handed to DirectMail; None if unknown
    :param too_soon: seconds below which ``age`` means a machine
    :param headers: of the request
    """
    if method != "GET":
        return True
    agent = (user_agent or "").strip()
    if not agent or _PREFETCHER.fullmatch(agent):
        return True
    if not _ON_BEHALF.search(agent) and _SCANNER.search(agent):
        return True
    purpose = (headers and (headers.get("sec-purpose") or headers.get("purpose"))) or ""
    if "prefetch" in purpose or "preview" in purpose:
        return True
    # Clocks differ a little and the stored time has whole seconds, so age can be negative.
    return age is not None and max(age, 0.0) < too_soon
