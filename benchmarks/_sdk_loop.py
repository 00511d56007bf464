"""A bare loop of SDK calls in a process of its own: what sending can't be faster than.

    python -m benchmarks._sdk_loop ENDPOINT KEY SECRET NUMBER THREADS < mail.json

No database, no claims, no books. Prints the seconds that the calls took, and those of a processor.
"""

import json
import subprocess
import sys
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from alibabacloud_dm20151123.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions

import devenv.without_odoo  # noqa: F401
from directmail_emulator.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET
from email_marketing_dm.directmail.records import Mail
from email_marketing_dm.directmail.transport import _send_request

from ._figures import ROOT

Took = namedtuple("Took", "seconds processor")


def call_sdk(shop, mail, number, threads):
    """Run the loop in a process of its own.

    :param dict mail: the fields of a `Mail`, see `copy_mail`
    :return: `Took`, both in seconds
    """
    command = [
        sys.executable, "-m", "benchmarks._sdk_loop", shop.emulator.endpoint,
        ACCESS_KEY_ID, ACCESS_KEY_SECRET, str(number), str(threads),
    ]  # fmt: skip
    done = subprocess.run(command, input=json.dumps(mail), text=True, capture_output=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stderr)
    return Took(*map(float, done.stdout.split()))


def copy_mail(shop, task):
    """Return the fields of a `Mail` of the task, from the emulator's own record."""
    [row, *_others] = shop.emulator.ledger(tag=shop.tag(task))
    if row["template_id"]:
        content = {
            "template_id": str(row["template_id"]),
            "variables": row["variables"],
        }
    else:
        content = {"html_body": shop.emulator.mail(row["env_id"])["html"]}
    return {
        "sender": row["sender"],
        "to": "somebody@x.example",
        "subject": row["subject"],
        "address_type": 0,
        "sender_name": "Azure",
        "tag": shop.tag(task),
        **content,
        "headers": {
            "Message-ID": row["message_id"],
            "X-User-Notify-Mid": row["message_id"].strip("<>").partition("@")[0],
            "List-Unsubscribe": f"<https://www.example.com/{row['message_id'].strip('<>')}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    }


def main():
    endpoint, key, secret, number, threads = sys.argv[1:]
    mail = Mail(**json.load(sys.stdin))
    config = Config(
        access_key_id=key, access_key_secret=secret, endpoint=endpoint, protocol="http",
        max_idle_conns=int(threads),
    )  # fmt: skip
    client, runtime = Client(config), RuntimeOptions()

    def send(index):
        request = _send_request(replace(mail, to=f"bare-{time.time_ns()}-{index}@x.example"))
        answer = client.single_send_mail_with_options(request, runtime)
        return bool(answer.body.env_id)

    with ThreadPoolExecutor(int(threads)) as pool:
        begin, used = time.perf_counter(), time.process_time()
        accepted = sum(pool.map(send, range(int(number))))
        took = Took(time.perf_counter() - begin, time.process_time() - used)
    if accepted != int(number):
        raise SystemExit(f"only {accepted} of {number} were accepted")
    print(*took)


if __name__ == "__main__":
    main()
