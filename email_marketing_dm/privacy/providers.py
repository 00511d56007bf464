# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Mailbox providers, as DirectMail names them in its events.

Only large providers have names here. The name of any other may be a domain of a single person, so
it is not stored.
"""

from __future__ import annotations

#: {provider: domains of its mailboxes}
DOMAINS = {
    "Gmail": ("gmail.com", "googlemail.com", "google.com"),
    "Microsoft": ("outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de", "hotmail.fr"),
    "Yahoo": ("yahoo.com", "yahoo.co.jp", "yahoo.co.uk", "yahoo.fr", "ymail.com", "aol.com"),
    "Apple": ("icloud.com", "me.com", "mac.com"),
    "QQ": ("qq.com", "foxmail.com", "vip.qq.com"),
    "NetEase": ("163.com", "126.com", "yeah.net", "vip.163.com"),
    "Alibaba": ("aliyun.com", "alibaba-inc.com"),
    "Sina": ("sina.com", "sina.cn"),
    "GMX and WEB.DE": ("gmx.de", "gmx.net", "gmx.com", "web.de"),
    "Orange": ("orange.fr", "wanadoo.fr"),
    "Free": ("free.fr",),
    "T-Online": ("t-online.de",),
    "Yandex": ("yandex.ru", "yandex.com"),
    "Mail.ru": ("mail.ru", "bk.ru", "inbox.ru", "list.ru"),
    "Naver": ("naver.com",),
    "Proton": ("proton.me", "protonmail.com"),
}
#: All that are not named above.
OTHER = "Other"
_BY_DOMAIN = {domain: name for name, domains in DOMAINS.items() for domain in domains}
_BY_NAME = {name.lower(): name for name in DOMAINS}
_BY_NAME |= {"google": "Gmail", "outlook": "Microsoft", "hotmail": "Microsoft", "tencent": "QQ"}


def get_provider(esp: str) -> str:
    """Return the provider's name: one of `DOMAINS`, or `OTHER`; "" if nothing is known.

    :param esp: a domain or a name, in any case
    """
    esp = esp.strip().strip(".").lower()
    if not esp:
        return ""
    return _BY_DOMAIN.get(esp) or _BY_NAME.get(esp) or OTHER
