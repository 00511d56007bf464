"""Who has not consented to being measured leaves no trace by opening a mail or following a link.

A task is sent by a real server to 30 people, 9 of them in France, who were not asked. Everybody
opens and clicks. Then all that was stored is searched for signs of the nine, and an hour later one
of the others withdraws.
"""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from devenv import database as databases
from devenv.common import ADDON
from devenv.run import environment
from tests.server.common.odoo_server import wait_until

PEOPLE, FRENCH = 30, 9
AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {mark} Safari/604.1"
MARK = "quokka"  # in the user agent of those who are not measured
WITHDRAWN = "wombat"  # in that of the person who withdraws, from then on
BODY = """<div><p>Dear <t t-out="object.name">friend</t>,</p>
<p><a href="https://shop.example.com/spring">Our spring collection</a> is here.</p>
<p>Azure Interior, 1 Orchard Road, Singapore. You get this mail because you are our customer.
<a href="/unsubscribe_from_list">Unsubscribe</a></p></div>"""
PUBLIC = "https://www.example.com"
# What 19.0.1.9.0 added.
NEW_TABLES = ("directmail_consent", "directmail_anonymous_hit")
NEW_COLUMNS = {
    "directmail_delivery": ["measuring"],
    "directmail_task": ["nobody_measured"],
    "directmail_task_version": ["open_base", "click_base"],
    "directmail_template": ["needs_new_review"],
    "res_company": ["directmail_measuring_default", "directmail_measuring_unknown",
                    "directmail_unmeasured_countries", "directmail_unasked_clicks"],
}  # fmt: skip


@pytest.fixture(scope="module")
def task(shop):
    """A finished task; everybody has opened it and followed its link."""
    shop.root.call("ir.config_parameter", "set_param", ["email_marketing_dm.machine_seconds", "0"])
    shop.body = BODY
    shop.template = shop.make_template()
    shop.review(shop.template)
    shop.add_people("measured", PEOPLE)
    shop.server.query(
        """UPDATE res_partner SET country_id = (SELECT id FROM res_country WHERE code = 'FR')
            WHERE email = ANY(%s)""",
        [address(number) for number in range(1, FRENCH + 1)],
    )
    task = shop.make_task("measured")
    shop.act(task, "send")
    shop.wait(task, "done")
    for number in range(1, PEOPLE + 1):
        hit(shop, task, number, MARK if number <= FRENCH else f"person{number}")
    shop.import_results(task)
    settle(shop, task, opened=PEOPLE - FRENCH, anonymous=FRENCH)
    return task


def address(number):
    return f"p-measured-{number}@customer.example"


def read_mail(shop, task, number):
    """Return (path of the pixel, path of the link, token of the recipient) in a person's mail."""
    [row] = [
        row for row in shop.emulator.ledger(tag=shop.tag(task)) if row["to"] == address(number)
    ]
    text = shop.emulator.mail(row["env_id"])["html"]
    [pixel] = re.findall(rf"{PUBLIC}(/directmail/open/[\w-]+)", text)
    [link] = re.findall(rf"{PUBLIC}(/directmail/click/[\w/-]+)", text)
    [token] = re.findall(r"/directmail/unsubscribe/([\w-]+)", text)
    return pixel, link, token


def call(shop, path, mark, **data):
    with requests.Session() as http:
        http.trust_env = False
        return http.request(
            "POST" if data else "GET",
            shop.server.url + path,
            data=data or None,
            headers={"User-Agent": AGENT.format(mark=mark)},
            allow_redirects=False,
            timeout=30,
        )


def hit(shop, task, number, mark):
    pixel, link, _token = read_mail(shop, task, number)
    assert call(shop, pixel, mark).status_code == 200
    followed = call(shop, link, mark)
    assert followed.headers["Location"].startswith("https://shop.example.com/spring?")


def read_figures(shop, task):
    return shop.user.read(
        "directmail.task",
        task,
        "opened_count",
        "clicked_count",
        "anonymous_open_count",
        "anonymous_click_count",
    )


def settle(shop, task, opened, anonymous):
    """Wait until all hits are in the task's figures; they never exceed what is expected."""

    def is_there():
        found = read_figures(shop, task)
        return found["opened_count"] + found["anonymous_open_count"] >= opened + anonymous and (
            found["clicked_count"] + found["anonymous_click_count"] >= opened + anonymous
        )

    wait_until(is_there, between=shop.server.wake_crons)


def count_facts(shop, task):
    return shop.server.query(
        """SELECT d.email, e.kind, count(*)
             FROM directmail_event e JOIN directmail_delivery d ON d.id = e.delivery_id
            WHERE d.task_id = %s AND e.kind IN ('open', 'click') GROUP BY 1, 2 ORDER BY 1, 2""",
        task,
    )


def dump(shop):
    return subprocess.run(
        ["pg_dump", "--data-only", shop.server.database],
        env=shop.server.environment, capture_output=True, check=True,
    ).stdout.decode("utf-8", "replace")  # fmt: skip


def test_one_template_and_one_review(shop, task):
    sent = shop.emulator.ledger(tag=shop.tag(task))
    assert len(sent) == PEOPLE
    assert len({row["template_id"] for row in sent}) == 1
    [template] = [
        row for row in shop.emulator.templates() if str(row["id"]) == str(sent[0]["template_id"])
    ]
    assert "{OpenToken}" in template["text"] and "{ClickToken}" in template["text"]
    calls = shop.emulator.calls()
    assert calls["CreateTemplate", "ok"] == 2, "the shop's first template, and this one"
    assert not [action for action, _answer in calls if action == "ModifyTemplate"]


def test_the_french_share_pixel_and_link(shop, task):
    mails = [read_mail(shop, task, number) for number in range(1, PEOPLE + 1)]
    assert len({mail[:2] for mail in mails[:FRENCH]}) == 1
    assert len({mail[:2] for mail in mails}) == 1 + PEOPLE - FRENCH
    assert len({mail[2] for mail in mails}) == PEOPLE


def test_figures(shop, task):
    found = read_figures(shop, task)
    assert (found["opened_count"], found["clicked_count"]) == (PEOPLE - FRENCH,) * 2
    assert (found["anonymous_open_count"], found["anonymous_click_count"]) == (FRENCH, FRENCH)
    report = shop.user.read("directmail.task.report", task, "open_rate", "click_rate")
    assert (report["open_rate"], report["click_rate"]) == (1, 1)


def test_nothing_is_stored_of_them(shop, task):
    facts = count_facts(shop, task)
    assert len(facts) == 2 * (PEOPLE - FRENCH)
    french = {address(number) for number in range(1, FRENCH + 1)}
    assert not french & {email for email, _kind, _count in facts}
    rows = shop.server.query(
        """SELECT count(*) FROM directmail_delivery
            WHERE task_id = %s AND email = ANY(%s) AND measuring = 'no'
              AND COALESCE(opened_at, clicked_at) IS NULL
              AND COALESCE(open_count, 0) + COALESCE(click_count, 0)
                  + COALESCE(machine_open_count, 0) + COALESCE(machine_click_count, 0) = 0""",
        task,
        list(french),
    )
    assert rows == [(FRENCH,)]
    assert MARK not in dump(shop)
    log = shop.server.log.read_text(errors="replace")
    assert "/directmail/open/" in log, "the search finds what is there"
    assert MARK not in log
    for number in range(1, FRENCH + 1):
        assert read_mail(shop, task, number)[2] not in log
    # The tables of anonymous hits are emptied into the counters.
    assert shop.server.query("SELECT count(*) FROM directmail_anonymous_hit") == [(0,)]


def test_exports_tell_nothing_of_them(shop, task):
    domain = [("task_id", "=", task), ("email", "in", [address(n) for n in range(1, FRENCH + 1)])]
    names = ["opened_at", "clicked_at", "open_count", "click_count", "event_ids", "partner_id"]
    rows = shop.user.call("directmail.delivery", "search_read", [domain, names])
    assert len(rows) == FRENCH
    assert not [row for row in rows if any(row[name] for name in names[:4])]
    people = [row["partner_id"][0] for row in rows]
    wizard = shop.admin.call("directmail.erasure", "create", [{"partner_ids": [(6, 0, people)]}])
    shop.admin.call("directmail.erasure", "action_export", [[wizard]])
    file = shop.admin.read("directmail.erasure", wizard, "file")["file"]
    told = json.loads(base64.b64decode(file))
    assert len(told["mails"]) == FRENCH
    for mail in told["mails"]:
        assert not mail["opened_at"] and not mail["clicked_at"]
        assert not [one for one in mail["what_happened"] if one["what"] in ("open", "click")]


def test_withdrawal_an_hour_later(shop, task):
    """The last person withdraws; their mail, whose pixel names them, records nothing more."""
    shop.server.query(
        """UPDATE directmail_delivery SET claimed_at = claimed_at - interval '1 hour',
                  sent_at = sent_at - interval '1 hour' WHERE task_id = %s RETURNING id""",
        task,
    )
    before = count_facts(shop, task)
    _pixel, _link, token = read_mail(shop, task, PEOPLE)
    answer = call(shop, f"/directmail/unsubscribe/{token}/measuring", "page", answer="no")
    assert answer.status_code == 200
    for _time in range(3):
        hit(shop, task, PEOPLE, WITHDRAWN)
    settle(shop, task, opened=PEOPLE - FRENCH, anonymous=FRENCH + 3)
    assert count_facts(shop, task) == before
    found = read_figures(shop, task)
    assert (found["opened_count"], found["clicked_count"]) == (PEOPLE - FRENCH,) * 2
    assert (found["anonymous_open_count"], found["anonymous_click_count"]) == (FRENCH + 3,) * 2
    assert WITHDRAWN not in dump(shop)
    log = shop.server.log.read_text(errors="replace")
    assert WITHDRAWN not in log
    opened = [line for line in log.splitlines() if re.search(r"/directmail/(open|click)/", line)]
    assert not [line for line in opened if token in line], "no request names who made it"
    # The answer is kept, with its proof.
    assert shop.server.query(
        "SELECT answer, origin, email FROM directmail_consent WHERE text IS NOT NULL"
    ) == [("no", "page", address(PEOPLE))]


def test_refusal_and_claim_at_once(shop, task):
    """Of two transactions that do not see each other one is repeated; the mail is a refused one."""
    other = shop.make_task("measured")
    shop.server.stop()
    script = (Path(__file__).parent / "common" / "runs_refusal.py").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "odoo", "shell", "-d", shop.server.database, "--no-http",
         "--log-level=error"],
        input=script.replace("TASK = 0", f"TASK = {other}"), text=True, capture_output=True,
        cwd="/tmp", env=environment(),
    )  # fmt: skip
    [line] = [line for line in done.stdout.splitlines() if "RESULT" in line] or [done.stderr]
    found = json.loads(line.partition("RESULT")[2])
    assert found == {
        "conflict": True,
        "states": ["sending", "sending"],
        "measuring": ["no", "withdrawn"],
    }


def put_back(shop):
    """Give the database the tables of 19.0.1.8.0, and templates as it compiled them."""
    views = shop.server.query(
        "SELECT table_name FROM information_schema.views WHERE table_name LIKE 'directmail%'"
    )
    for (view,) in views:  # updating the addon makes them anew
        shop.server.query(f'DROP VIEW "{view}" CASCADE')
    for table in NEW_TABLES:
        shop.server.query(f'DROP TABLE "{table}" CASCADE')
    for table, columns in NEW_COLUMNS.items():
        drops = ", ".join(f'DROP COLUMN "{column}" CASCADE' for column in columns)
        shop.server.query(f'ALTER TABLE "{table}" {drops}')
    shop.server.query(
        r"""UPDATE directmail_template
               SET submitted_text = regexp_replace(submitted_text, '\{(Open|Click)Token\}',
                                                   '{Token}', 'g'),
                   stored_text = regexp_replace(stored_text, '\{(Open|Click)Token\}',
                                                '{Token}', 'g')"""
    )
    # Their text at DirectMail is another one here, so it is sent as the body.
    shop.server.query("UPDATE directmail_account SET content_mode = 'body'")
    shop.server.query(
        "UPDATE ir_module_module SET latest_version = '19.0.1.8.0' WHERE name = %s",
        ADDON,
    )


def test_upgrade_with_a_running_task(shop, task):
    """Nothing is lost, the running task records nobody, and the template is reviewed again."""
    shop.server.stop()
    [(running,)] = shop.server.query("SELECT id FROM directmail_task WHERE state = 'sending'")
    shop.server.query(
        """UPDATE res_partner SET country_id = (SELECT id FROM res_country WHERE code = 'FR')
            WHERE email = ANY(%s)""",
        [address(number) for number in range(1, FRENCH + 1)],
    )
    # The calls of the mails that were claimed are over.
    shop.server.query(
        """UPDATE directmail_delivery SET lease_until = now() - interval '1 minute'
            WHERE state = 'sending'"""
    )
    kept = """SELECT (SELECT count(*) FROM directmail_delivery),
                     (SELECT count(*) FROM directmail_delivery WHERE opened_at IS NOT NULL),
                     (SELECT count(*) FROM directmail_event),
                     (SELECT count(*) FROM directmail_link),
                     (SELECT sum(value) FROM directmail_task_counter)"""
    before = shop.server.query(kept)
    put_back(shop)
    databases.install(shop.server.database, "-u", [ADDON], "measuring-upgrade")
    assert shop.server.query(kept) == before
    assert shop.server.query(
        "SELECT count(*) FROM res_company WHERE directmail_unmeasured_countries NOT LIKE 'FR,%'"
    ) == [(0,)]
    template = shop.template
    shop.server.start()
    found = shop.user.read("directmail.template", template, "needs_new_review", "state")
    assert (found["needs_new_review"], found["state"]) == (True, "approved")
    reviews = shop.user.call("directmail.home", "get_home")["reviews"]
    assert template in reviews["ids"]
    shop.let_account_run()
    shop.wait(running, "done")
    rows = shop.server.query(
        """SELECT measuring, count(*) FROM directmail_delivery
            WHERE task_id = %s AND state = 'sent' GROUP BY 1 ORDER BY 1""",
        running,
    )
    unmeasured = dict(rows)["no"]
    assert unmeasured >= FRENCH - 2 and sum(dict(rows).values()) == PEOPLE - 2
    for number in (FRENCH, PEOPLE - 1):
        hit(shop, running, number, "later")
    settle(shop, running, opened=0, anonymous=2)
    assert count_facts(shop, running) == []
    shop.user.call("directmail.template", "action_submit_again", [[template]])
    shop.review(template)
    found = shop.user.read("directmail.template", template, "needs_new_review", "state")
    assert (found["needs_new_review"], found["state"]) == (False, "approved")
    assert shop.user.read("directmail.task", running, "nobody_measured")["nobody_measured"]
    reviews = shop.user.call("directmail.home", "get_home")["reviews"]
    assert template not in reviews["ids"], "only the shop's first template is left"
