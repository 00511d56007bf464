"""Recipients a second, from plan to accepted, against Odoo's own Email Marketing.

Ours: an email task by Odoo's cron runner, limiter off, to an emulator that limits nothing. Theirs:
a mailing to the same contacts with the same text, its two crons run back to back in one process
(its own schedule would send 1,000 an hour), to a local SMTP server that accepts at once. Both send
the whole HTML to each recipient. The two take turns on one machine.

    python -m benchmarks.dispatch_vs_mass_mailing            (SCALE=people)
"""

import statistics
import subprocess
import sys

from tests.server.common.runs_sending import count_most

from ._dispatch import check, make_body, open_shop, send, set_rate, unlimit
from ._figures import ROOT, alternate, report, run_in_odoo, scale, spread

GOAL = 15
#: Run by Odoo's shell. The figure is the seconds from putting the mailing in the queue to its
#: last mail being taken by the SMTP server.
THEIRS = """
import time
env["ir.mail_server"].search([]).unlink()
env["ir.mail_server"].create({"name": "sink", "smtp_host": "127.0.0.1", "smtp_port": %(port)s})
mailing = env["mailing.mailing"].create({
    "subject": "News", "mailing_model_id": env["ir.model"]._get("res.partner").id,
    "mailing_domain": "[('ref', '=', %(group)r)]", "body_arch": %(body)r, "body_html": %(body)r,
    "email_from": "news@mail.example.com", "reply_to": "news@mail.example.com",
})
env.cr.commit()
crons = env.ref("mass_mailing.ir_cron_mass_mailing_queue"), env.ref(
    "mail.ir_cron_mail_scheduler_action")
# Only this process runs them; the server would take turns with it.
for cron in crons:
    cron.active = False
env.cr.commit()
begin = time.time()
mailing.action_put_in_queue()
env.cr.commit()
while mailing.state != "done" or env["mail.mail"].search_count([("state", "=", "outgoing")]):
    for cron in crons:
        cron.method_direct_trigger()
        env.cr.commit()
        env.invalidate_all()
seconds = time.time() - begin
traces = env["mailing.trace"].search([("mass_mailing_id", "=", mailing.id)])
sent = len(traces.filtered(lambda trace: trace.trace_status == "sent"))
print("RESULT", sent, seconds)
"""


def main():
    people = scale(5000)
    body = make_body()
    with open_shop("mailing", body=body) as shop, sink() as port:
        unlimit(shop)
        shop.server.query("UPDATE directmail_account SET content_mode = 'body'")
        send(shop, shop.make_task("warm", 50))
        numbers = iter(range(10**6))

        def ours():
            task = shop.make_task(f"run{next(numbers)}", people)
            seconds = send(shop, task)
            check(shop, task, people)
            return people / seconds

        def theirs():
            group = f"mailing{next(numbers)}"
            shop.add_people(group, people)
            script = THEIRS % {"port": port, "group": group, "body": body}
            sent, seconds = run_in_odoo(shop.server.database, script)
            if sent != people:
                raise SystemExit(f"Email Marketing sent {sent} of {people}")
            return people / seconds

        mine, odoo = alternate(ours, theirs)
        most = count_most(shop, shop.account)
        set_rate(shop, 100)
        limited = ours()
    return report(
        "dispatch_vs_mass_mailing", statistics.median(mine) / statistics.median(odoo), ">=", GOAL,
        f"{people:,} people; ours {spread(mine)} a second, Odoo's {spread(odoo, 1)} a second",
        f"with the limiter at 100 a second: {limited:.1f} a second, which is"
        f" {limited / statistics.median(odoo):.1f} times Odoo's; 1 run",
        f"{len(body)} bytes of HTML each; ours had at most {most} mails under way",
    )  # fmt: skip


def sink():
    """Start the SMTP server; as a context manager it gives its port."""
    return _Sink()


class _Sink:
    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._smtp_sink"], cwd=ROOT, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        return int(self._process.stdout.readline())

    def __exit__(self, *_details):
        self._process.terminate()
        self._process.wait()


if __name__ == "__main__":
    sys.exit(not main())
