"""Unsubscribes as recipients do: by the link in the mail that has arrived."""

import requests

#: what a mail program posts to the link (RFC 8058)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def call(url, data=None, method="post"):
    """Call an address as a mail program or a browser does, without a login."""
    with requests.Session() as http:
        http.trust_env = False
        return getattr(http, method)(url, data=data, timeout=30)


def find_links(shop, task):
    """Return {address: path of the unsubscribe link} of a task's mails, as they arrived."""
    return {
        mail["to"].lower(): _read_link(shop.emulator, mail)
        for mail in shop.emulator.ledger(tag=shop.tag(task))
    }


def _read_link(emulator, mail):
    headers = emulator.mail(mail["env_id"], mail["to"])["headers"]
    link = {name.lower(): value for name, value in headers.items()}["list-unsubscribe"]
    return link.strip("<>").partition("www.example.com")[2]
