"""``make demo``: one whole campaign on a machine with nothing prepared, then a server to look at.

Environment: ``ONCE=1`` ends after the account (exit code 1 if a figure does not add up);
``PORT`` and ``EMULATOR_PORT`` ask for certain ports of Odoo and of the emulator's page.
"""

import contextlib
import fcntl
import os
import signal
import sys
import time

from . import postgres, run, setup, venv
from .common import ROOT, STATE, SetupError, main, remove, say, step

#: holds the process id of the demo that has set everything up: only its own `exec` keeps that
READY = "DEVENV_DEMO_READY"


def command():
    """Set everything up, then go on with the Python that was set up."""
    if os.environ.get(READY) != str(os.getpid()):
        setup.ensure()
        found = {**run.environment(), READY: str(os.getpid())}
        os.chdir(ROOT)
        os.execve(venv.PYTHON, [str(venv.PYTHON), "-m", "devenv.demo"], found)
    # SIGINT too: a process that a script started in the background begins with it ignored
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    with only_one():
        postgres.start()
        return demonstrate()


def interrupt(_number, _frame):
    """Let every way of being stopped stop the servers too."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def only_one():
    """Refuse to run twice at a time: the second run would take the first one's database."""
    path = STATE / "locks" / "demo"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError(
                "a demo of this checkout is running already; end it with Ctrl-C"
            ) from None
        yield


def demonstrate():
    """Run the campaign and print its account. :return: the exit code"""
    from directmail_emulator.testing import Emulator, EmulatorError

    from . import demo_account, demo_campaign, demo_server

    once = os.environ.get("ONCE", "") not in ("", "0")
    port = demo_server.choose_port("PORT", demo_server.PORT)
    page_port = demo_server.choose_port("EMULATOR_PORT")
    odoo = demo_server.OdooServer(port)
    with step("making the demo's database"):
        demo_server.make_database()
        made = demo_server.seed_database(odoo.url)
    data = STATE / "demo-emulator"
    remove(data)
    try:
        with Emulator(data=data, admin_port=page_port) as emulator, contextlib.closing(odoo):
            with step("starting Odoo"):
                odoo.start()
            with step("running the campaign"):
                campaign = demo_campaign.Campaign(odoo.url, emulator)
                campaign.run()
            account = demo_account.Account(campaign, emulator, made)
            print("\n".join(account.lines()), flush=True)
            if not once:
                stay(odoo, emulator)
            return 0 if account.adds_up else 1
    except EmulatorError as error:
        raise SetupError(f"the emulator: {error} (details: {data / 'emulator.log'})") from error


def stay(odoo, emulator):
    """Say where everything is and wait for Ctrl-C. :raise SetupError: if Odoo ends before"""
    from . import demo_data

    print(
        f"\nOdoo:     {odoo.url}/odoo  as marketing / {demo_data.PASSWORD}, or as admin / admin\n"
        f"Mailbox:  {emulator.admin}/  mails that the emulator took, templates to review\n"
        "Both stay up until Ctrl-C.",
        flush=True,
    )
    try:
        while odoo.is_running():
            time.sleep(0.5)
    except KeyboardInterrupt:
        # a second Ctrl-C must not leave a server behind
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        say("stopping ...")
        return
    raise SetupError("Odoo has ended; see the log in .devenv/log/demo-odoo.log")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    main(command)
