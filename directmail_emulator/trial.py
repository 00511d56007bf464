"""What an emulator is like that is started without options: ready for Odoo's *Try it out*."""

from __future__ import annotations

#: where Odoo looks for it; Odoo has the first number in `directmail/trial.py`
PORT, ADMIN_PORT = 8825, 8826

#: Templates are approved at once, and people behave as in an average mailing. Most open within half
#: a minute, so that one need not wait for figures.
CONFIG = {
    "review": {"mode": "approve", "seconds": 0.0},
    "outcomes": {
        "share": {
            "open": 0.27,
            "click": 0.07,
            "machine": 0.04,
            "scanner": 0.01,
            "soft": 0.02,
            "bounce": 0.012,
            "fail": 0.004,
            "spam": 0.004,
            "unsubscribe": 0.004,
            "complain": 0.001,
        },
        "delays": {"open": 12.0, "click": 6.0, "unsubscribe": 10.0, "complain": 15.0},
        "spread": 0.7,
    },
}

TEXT = """\
The DirectMail emulator is running at {endpoint}. It has no way to send a real mail.

Next, in Odoo on this computer, as an administrator of DirectMail:
  1. Open the app DirectMail and press Try it out.
  2. Press Start the trial.

Mails and templates:  {admin}
Ctrl-C ends the emulator, and nothing is kept. To keep everything, start it with --data FOLDER.
"""
