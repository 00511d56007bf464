"""How a server on this machine makes sure that this is the emulator, and says where it is itself.

Odoo's *Try it out* asks before it calls: a service that listens on the same port by chance, even
one that returns whatever it gets, does not know the answer. Each server that greets gets an account
of its own, so that several databases on one machine share nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from urllib.parse import urlsplit

from aiohttp import web

from .config import DEFAULT_ACCOUNT, merged
from .mailbox import LOOPBACK

PATH = "/.well-known/directmail-emulator"
NAME = "directmail-emulator"
#: the keys of accounts that greetings make; all have the secret of the default account
KEY = re.compile(r"LTAITRIAL[0-9a-f]{16}")
NONCE = re.compile(r"[0-9a-f]{32}")


class GreetingError(ValueError):
    """A greeting that can't be answered."""


def make_answer(nonce):
    """The answer to a nonce that only the emulator gives."""
    return f"{NAME} {hashlib.sha256(f'{NAME}:{nonce}'.encode()).hexdigest()}"


def answer(core, region, request, body):
    """Answer a greeting: ``{"nonce", "key", "public_url", "server_url", "database"}`` as JSON.

    Recipients of the account ``key`` then find what lies below ``public_url`` at ``server_url``,
    which must be on this machine, in the Odoo database ``database``.
    """
    host = urlsplit(f"//{request.host}").hostname
    # Browsers send Origin with each POST: no page of a web site may greet.
    if request.method != "POST" or host not in LOOPBACK or "Origin" in request.headers:
        return web.Response(status=403, text="Greetings come from servers on this machine.")
    try:
        nonce, account = _read(body)
        _remember(core, region, account)
    except (GreetingError, ValueError) as error:
        return web.Response(status=400, text=str(error))
    return web.Response(text=make_answer(nonce))


def _read(body):
    """``(nonce, account)`` of a greeting; the account as in the configuration."""
    data = json.loads(body)
    names = ("nonce", "key", "public_url", "server_url", "database")
    if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in names):
        raise GreetingError(f"a greeting has {', '.join(names)}")
    if not NONCE.fullmatch(data["nonce"]) or not KEY.fullmatch(data["key"]):
        raise GreetingError("nonce or key has another form")
    if urlsplit(data["server_url"]).hostname not in LOOPBACK:
        raise GreetingError("server_url is not on this machine")
    outcomes = {
        "mailbox_hosts": {data["public_url"]: data["server_url"]},
        "mailbox_headers": {"X-Odoo-Database": data["database"]},
    }
    return data["nonce"], {
        **DEFAULT_ACCOUNT,
        "access_key_id": data["key"],
        "senders": DEFAULT_ACCOUNT["senders"][:1],
        "settings": {"outcomes": outcomes},
    }


def _remember(core, region, data):
    """Make the account of a greeting, or note where its server is now."""
    account = core.accounts.by_key(data["access_key_id"], region)
    if account is None:
        core.accounts.create({**data, "region": region})
    elif merged(account.config.settings, data["settings"]) != account.config.settings:
        account.change({"settings": data["settings"]})
