"""A bare loop of SDK calls in a process of its own: what sending can't be faster than.

    python -m benchmarks._sdk_loop ENDPOINT KEY SECRET NUMBER THREADS < mail.json

No database, no claims, no books. Prints the seconds that the calls took.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from alibabacloud_dm20151123.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions

import devenv.without_odoo  # noqa: F401
from email_marketing_dm.directmail.records import Mail
from email_marketing_dm.directmail.transport import _send_request


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
        begin = time.perf_counter()
        accepted = sum(pool.map(send, range(int(number))))
        seconds = time.perf_counter() - begin
    if accepted != int(number):
        raise SystemExit(f"only {accepted} of {number} were accepted")
    print(seconds)


if __name__ == "__main__":
    main()
