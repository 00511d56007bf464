"""A series on two servers that are killed while people enter, are mailed and go on."""

import time
from dataclasses import dataclass
from random import Random

from tests.server.common.odoo_server import PATIENCE, wait_until
from tests.server.common.runs_decision import Pair
from tests.server.common.shop import Books

LATENCY = 0.02  # seconds, so that calls are under way when a server dies
#: of so many people, one is blacklisted
BLACKLISTED = 50
STEPS = ({}, {"kind": "wait", "wait_unit": "minute"}, {})
TASKS = """SELECT t.id, t.tag_name FROM directmail_task t
             JOIN directmail_series_step s ON s.id = t.series_step_id
            WHERE s.series_id = %s ORDER BY s.sequence, t.id"""
PROGRESS = """SELECT (SELECT count(*) FROM directmail_series_entry WHERE series_id = %s)
                   + (SELECT count(*) FROM directmail_delivery
                       WHERE state NOT IN ('waiting', 'sending'))"""
# A person without a mail has one reason: that of the step's delivery. Nobody else has any.
WRONG = {
    "people inside an ended series": "e.state = 'inside'",
    "people called off without a reason": "e.state = 'called_off' AND e.reason IS NULL",
    "people called off though all their mails were sent": """e.state = 'called_off' AND NOT EXISTS (
        SELECT FROM directmail_delivery d WHERE d.series_entry_id = e.id
           AND d.state = 'suppressed' AND d.reason IS NOT NULL)""",
    "people without a mail or reason": """e.state = 'finished' AND (
        SELECT count(*) FROM directmail_delivery d WHERE d.series_entry_id = e.id
           AND d.state IN ('sent', 'unknown')) != 2""",
    "people with a step twice": """EXISTS (
        SELECT FROM directmail_delivery d WHERE d.series_entry_id = e.id
         GROUP BY d.task_id HAVING count(*) > 1)""",
}


@dataclass(frozen=True)
class SeriesRun:
    """The result of a run.

    :ivar books: `Books` of all steps
    :ivar kills: how many of the kills came before the series had ended
    """

    books: Books
    kills: int


def run_series(shop, people, kills, seed, group="series"):
    """Let people go through a series of two mails, and kill one of two servers again and again."""
    random = Random(seed)
    shop.stop_importing()
    shop.emulator.configure_account(daily_quota=10 * people)
    series = start_series(shop, people, group)
    with Pair(shop) as pair:
        done = _kill(pair, series, people, kills, random)
        shop.emulator.clear_faults()
        # After the end nobody enters.
        wait_until(
            lambda: sum(count_entries(shop, series).values()) >= people,
            lambda: f"people do not enter: {count_entries(shop, series)}",
            pair.wake,
            PATIENCE + people / 20,
            longest_pause=0.5,
        )
        shop.user.call("directmail.series", "action_close", [[series]])
        wait_until(
            lambda: is_ended(shop, series),
            lambda: f"the series does not end: {count_entries(shop, series)}",
            pair.wake,
            PATIENCE + people / 20,
            longest_pause=0.5,
        )
    return SeriesRun(check_series(shop, series, people), done)


def start_series(shop, people, group):
    """Start a series for so many people, some of whom can't be mailed. Returns its id."""
    shop.add_people(group, people)
    shop.server.query(
        """INSERT INTO mail_blacklist (email, active, create_date, write_date)
           SELECT email_normalized, TRUE, now(), now() FROM res_partner
            WHERE ref = %s AND id %% %s = 0""",
        group,
        BLACKLISTED,
    )
    audience = shop.make_audience(group)
    shop.user.call("directmail.audience", "action_refresh", [[audience]])
    shop.emulator.set_fault("slow", action="SingleSendMail", delay=LATENCY)
    values = {
        "name": group,
        "account_id": shop.account,
        "sender_id": shop.sender,
        "audience_id": audience,
        "entry": "all",
        "step_ids": [
            (0, 0, {"sequence": n, "template_id": "kind" not in step and shop.template, **step})
            for n, step in enumerate(STEPS)
        ],
    }
    series = shop.user.call("directmail.series", "create", [values])
    shop.user.call("directmail.series", "action_start", [[series]])
    return series


def _kill(pair, series, people, kills, random):
    """Kill a server at random moments; return how many of the kills were dealt."""
    shop, done = pair.shop, 0
    # Entering, the first mail and the second one count alike.
    for target in sorted(random.randrange(int(2.8 * people)) for _number in range(kills)):
        wait_until(
            lambda target=target: shop.server.query(PROGRESS, series)[0][0] >= target,
            lambda: f"the series does not get on: {count_entries(shop, series)}",
            pair.wake,
            PATIENCE + people / 20,
            longest_pause=0.5,
        )
        time.sleep(random.uniform(0, 0.5))
        done += not is_over(shop, series)
        server = random.choice([shop.server, pair.second])
        server.kill()
        server.start()
    return done


def is_over(shop, series):
    return set(count_entries(shop, series)) <= {"finished", "called_off"} and bool(
        count_entries(shop, series)
    )


def is_ended(shop, series):
    query = "SELECT state FROM directmail_series WHERE id = %s"
    return shop.server.query(query, series) == [("ended",)]


def count_entries(shop, series):
    """Return {state: number of people}."""
    return dict(
        shop.server.query(
            "SELECT state, count(*) FROM directmail_series_entry WHERE series_id = %s GROUP BY 1",
            series,
        )
    )


def check_series(shop, series, people):
    """Compare entries and deliveries of an ended series with the emulator's ledger.

    :rtype: Books
    """
    [(blacklisted,)] = shop.server.query("SELECT count(*) FROM mail_blacklist")
    entries = count_entries(shop, series)
    wrong = [f"{entries}"] * (
        entries != {"finished": people - blacklisted, "called_off": blacklisted}
    )
    for complaint, condition in WRONG.items():
        [(number,)] = shop.server.query(
            f"SELECT count(*) FROM directmail_series_entry e WHERE series_id = %s AND {condition}",
            series,
        )
        wrong += [f"{number} {complaint}"] * bool(number)
    mailed, duplicates, unknown = 0, 0, 0
    for task, tag in shop.server.query(TASKS, series):
        found = [row["to"].lower() for row in shop.emulator.ledger(tag=tag)]
        mailed, duplicates = mailed + len(found), duplicates + len(found) - len(set(found))
        rows = shop.server.query(
            "SELECT state, lower(email) FROM directmail_delivery WHERE task_id = %s", task
        )
        sent = {address for state, address in rows if state == "sent"}
        unknown += sum(state == "unknown" for state, _address in rows)
        not_sent = {address for state, address in rows if state == "suppressed"}
        wrong += [f"{len(sent - set(found))} sent are not in the ledger"] * bool(sent - set(found))
        wrong += ["suppressed people were mailed"] * bool(not_sent & set(found))
    return Books(entries, duplicates, people - sum(entries.values()), unknown, mailed, wrong)
