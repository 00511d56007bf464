# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The emulator of a trial: where it listens, and how Odoo makes sure that it is the emulator.

A trial calls only this address, so that no account can make the server call another service. Before
a trial sends anything to the service that listens there, it has to return the hash of a nonce.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass

from .outside import fetch

HOST = "127.0.0.1"
#: of `python -m directmail_emulator`; the emulator has the same numbers in its `trial.py`
PORT = 8825
PATH = "/.well-known/directmail-emulator"
COMMAND = "python -m directmail_emulator"
NAME = "directmail-emulator"
#: AccessKey secret of all accounts of the emulator; not secret, because calls stay on this machine
SECRET = "emulator-secret"
SECONDS = 2  # for the answer


@dataclass(frozen=True)
class Guest:
    """The Odoo database that introduces itself to the emulator by `greet`.

    The emulator's simulated recipients follow the links in mails at `server_url`.

    :ivar key: AccessKey ID of the account in the emulator, from `make_key`
    :ivar public_url: what the links in mails begin with
    :ivar server_url: of this Odoo server on this machine
    :ivar database: of this Odoo server
    """

    key: str
    public_url: str
    server_url: str
    database: str


def make_key(uuid: str) -> str:
    """Return the AccessKey ID of a database's own account in the emulator.

    :param uuid: of the database, so that two databases share no templates and tags
    """
    return f"LTAITRIAL{hashlib.sha256(uuid.encode()).hexdigest()[:16]}"


def make_command(port: int) -> str:
    """Return the command that starts the emulator at a port of this machine."""
    return COMMAND if port == PORT else f"{COMMAND} --trial --port {port}"


def make_endpoint(port: int) -> str:
    """Return host and port of the emulator."""
    return f"{HOST}:{port}"


def greet(port: int, guest: Guest) -> bool:
    """Tell whether the emulator listens at a port of this machine, and introduce the guest."""
    nonce = secrets.token_hex(16)
    body = json.dumps({"nonce": nonce, **asdict(guest)}).encode()
    answer = fetch(f"http://{make_endpoint(port)}{PATH}", body, anywhere=True, seconds=SECONDS)
    known = f"{NAME} {hashlib.sha256(f'{NAME}:{nonce}'.encode()).hexdigest()}"
    return answer.status == 200 and hmac.compare_digest(answer.text.encode(), known.encode())
