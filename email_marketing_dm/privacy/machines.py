# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Who loads an image or follows a link: a person, or a machine on the way to one.

20 to 40 % of the opens and clicks of a mailing come from machines. Nothing tells for certain, so
each hit is kept, with what we take it for.
"""

import re

# Gmail and Yahoo load images through a proxy *when the person opens the mail*, so these two are
# people: "… (via ggpht.com GoogleImageProxy)", "YahooMailProxy; …".
_ON_BEHALF = re.compile(r"googleimageproxy|yahoomailproxy", re.IGNORECASE)
# Loads everything as it arrives: Apple's Mail Privacy Protection says no more than this.
_PREFETCHER = re.compile(r"Mozilla/5\.0|.*Edge/12\.246 Mozilla/5\.0", re.IGNORECASE | re.DOTALL)
_SCANNER = re.compile(
    r"bot\b|bot/|crawl|spider|scan|prefetch|preview|monitor|headless|phantomjs|selenium"
    r"|curl/|wget/|python|java/|okhttp|go-http-client|libwww|httpclient|node-fetch|axios|ruby"
    r"|barracuda|proofpoint|mimecast|symantec|trendmicro|trend micro|fireeye|trellix|forcepoint"
    r"|sophos|ironport|messagelabs|safelinks|cloudmark|fortinet|fortimail|kaspersky|bitdefender"
    r"|microsoft office existence discovery|ms-office|slurp|facebookexternalhit|whatsapp|slack",
    re.IGNORECASE,
)
# Nobody opens a mail this soon after it was handed over, in seconds.
TOO_SOON = 2.0


def is_machine(user_agent, *, method="GET", age=None, too_soon=TOO_SOON, headers=None):
    """Tell whether a hit on a link or image looks like a machine's.

    :param str user_agent: as received
    :param float age: seconds since the mail was handed over, None where that is not known
    :param headers: the request's, with ``get`` that ignores case
    """
    if method != "GET":
        return True
    agent = (user_agent or "").strip()
    if not agent or _PREFETCHER.fullmatch(agent):
        return True
    if not _ON_BEHALF.search(agent) and _SCANNER.search(agent):
        return True
    purpose = (headers or {}).get("sec-purpose") or (headers or {}).get("purpose") or ""
    if "prefetch" in purpose or "preview" in purpose:
        return True
    # Clocks differ by a little, and ours is cut to seconds: nobody is early by a negative age.
    return age is not None and max(age, 0.0) < too_soon
