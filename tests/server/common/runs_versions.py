"""A/B tests with a control group, on two servers that are killed, and a database restored."""

import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass
from hashlib import md5
from random import Random

from devenv import postgres
from tests.server.common.odoo_server import PATIENCE, wait_until
from tests.server.common.runs_decision import (
    CHOSEN,
    CLICKED,
    Pair,
    click,
    decide,
    find_wrong_decision,
)
from tests.server.common.shop import Books

LETTERS = "ABC"
CONTROL, TEST_GROUP = 10, 40  # percent
LATENCY = 0.06  # seconds, so that calls are under way when a server dies
STEP = 150  # most mails between two kills
#: {how the rest is decided on: (winner, `winner_by`)}
DECISIONS = {
    "winner": (CLICKED, "test"),
    "hand": (CHOSEN, "hand"),
    "split": (False, "policy"),
}
# `not_before` of the rest before the decision: `engine.versions.HELD`.
IS_HELD = "not_before IS NOT DISTINCT FROM '9999-01-01'"


@dataclass(frozen=True)
class VersionsRun:
    """The result of a run.

    :ivar books: `Books` of the task at the end
    :ivar sizes: {"A", "B", "C" of the test group, "control" or "rest": number of people}
    :ivar kills: number of kills of both servers before all tasks were done, apart from those in
        the middle of the decisions
    :ivar wrong: complaints, in words
    """

    books: Books
    sizes: Counter
    kills: int
    wrong: list


def run_versions(shop, people, kills, seed, ways=tuple(DECISIONS)):
    """Send three versions to a test group and then to the rest, and kill both servers meanwhile.

    Between the two the database is lost and restored from a dump. For each way of the decision
    there is one email task; they are sent at the same time, and decided one after the other: both
    servers die in the middle of each decision, and then decide at the same moment, while a user
    chooses a version.

    :param int people: in each task
    :param kills: how often both servers die before the decisions, and how often after them
    :param ways: keys of `DECISIONS`: people click one version more; or nobody clicks, and the user
        is first, or the rest is split evenly
    :return: {way: `VersionsRun`}
    """
    random = Random(seed)
    shop.stop_importing()
    shop.emulator.configure_account(daily_quota=10 * people * len(ways))
    tasks, letters = {}, {}
    for way in ways:
        tasks[way], letters[way] = _make_test(shop, f"versions{way}", people)
    everything = [*tasks.values()]
    shop.emulator.set_fault("slow", action="SingleSendMail", delay=LATENCY)
    with Pair(shop) as pair:
        for task in everything:
            shop.act(task, "send")
        done = _kill_both(pair, everything, kills, random, is_test_group_out)
    _import_all(shop, everything, people)
    before = {way: _read_people(shop, task) for way, task in tasks.items()}
    _lose_and_restore(shop)
    changed = {way for way, task in tasks.items() if _read_people(shop, task) != before[way]}
    wrong = {way: ["the restored database assigns otherwise"] * (way in changed) for way in ways}
    if "winner" in ways:
        click(shop, tasks["winner"])
    with Pair(shop) as pair:
        shop.admin.call("directmail.account", "action_activate", [[shop.account]])
        for way, task in tasks.items():
            let_hours_pass(shop, task)
            wrong[way] += decide(shop, pair, task, random, by_hand=way == "hand")
        done += _kill_both(pair, everything, kills, random, _is_done)
    shop.emulator.clear_faults()
    _import_all(shop, everything, people)
    runs = {}
    for way, task in tasks.items():
        winner, by = DECISIONS[way]
        sizes = Counter(_get_group(task, key) for key in before[way])
        found = [
            *wrong[way],
            *find_wrong_decision(shop, task, winner, by),
            *_find_wrong_before(task, before[way]),
            *_find_wrong_after(task, before[way], _read_people(shop, task), winner),
            *_find_wrong_mails(shop, task, letters[way]),
            *_find_unbalanced(sizes, people),
        ]
        runs[way] = VersionsRun(shop.check(task, people), sizes, done, found)
    return runs


def _import_all(shop, tasks, people):
    for task in tasks:
        shop.import_results(task, seconds=PATIENCE + people / 50)


def plan_twice(shop, people, group):
    """Plan a test, lose the database, restore a dump from before the plan, and plan it again.

    Nobody is mailed, because the account's quota is reserved.

    :return: the people of both plans, as {address key: (version, whether in the rest, reason)}
    """
    shop.server.query("UPDATE directmail_account SET quota_reserve = daily_quota")
    task, _letters = _make_test(shop, group, people)
    plans = []
    with tempfile.NamedTemporaryFile() as dump:
        _dump(shop, dump)
        for _number in range(2):
            shop.act(task, "send")
            shop.wait(task, "sending")
            plans.append(_read_people(shop, task))
            shop.server.kill()
            _restore(shop, dump)
            shop.server.start()
            shop.admin.call("directmail.account", "action_activate", [[shop.account]])
    return plans


def _make_test(shop, group, people):
    """Make a task with versions A, B and C.

    :return: (task's id, {DirectMail's id of a template: letter})
    """
    task = shop.make_task(
        group,
        people,
        control_share=CONTROL,
        test_share=TEST_GROUP,
        test_hours=1,
        test_undecided="split",
    )
    templates = {"A": shop.template}
    for letter in "BC":
        templates[letter] = shop.make_template(f"{letter} {group}")
        shop.review(templates[letter])
    shop.user.call(
        "directmail.task.version",
        "create",
        [
            [
                {
                    "task_id": task,
                    "letter": letter,
                    "template_id": letter != "A" and templates[letter],
                }
                for letter in LETTERS
            ]
        ],
    )
    refs = {
        shop.user.read("directmail.template", template, "remote_ref")["remote_ref"]: letter
        for letter, template in templates.items()
    }
    return task, refs


def _kill_both(pair, tasks, kills, random, is_over):
    """Kill both servers at random moments of a part of the tasks, and wait until it is over.

    :param is_over: function (`Shop`, task) that tells whether it is over for a task
    :return: number of kills before that
    """
    shop = pair.shop

    def are_over():
        return all(is_over(shop, task) for task in tasks)

    def complain():
        states = [shop.read(task, "state", "state_message") for task in tasks]
        return f"it stops: {_count_rows(shop, tasks)}, {states}"

    for done in range(kills):
        target = _count_out(shop, tasks) + random.randint(1, STEP)
        wait_until(
            lambda: are_over() or _count_out(shop, tasks) >= target,  # noqa: B023
            complain,
            pair.wake,
        )
        if are_over():
            return done
        pair.kill(random)
        pair.start()
    left = _count_rows(shop, tasks).total()
    wait_until(are_over, complain, pair.wake, PATIENCE + left / 10, longest_pause=1)
    return kills


def _count_rows(shop, tasks):
    return sum((Counter(shop.count_rows(task)) for task in tasks), Counter())


def _count_out(shop, tasks):
    rows = _count_rows(shop, tasks)
    return rows["sent"] + rows["unknown"]


def _is_done(shop, task):
    return shop.state(task) == "done"


def is_test_group_out(shop, task):
    """Tell whether only the rest waits."""
    [(held, left)] = shop.server.query(
        f"""SELECT count(*) FILTER (WHERE {IS_HELD}),
                   count(*) FILTER (WHERE state = 'sending' OR NOT ({IS_HELD}))
              FROM directmail_delivery WHERE task_id = %s AND state IN ('waiting', 'sending')""",
        task,
    )
    return held and not left


def _lose_and_restore(shop):
    """Dump the database, drop it, and restore the dump under the same name."""
    with tempfile.NamedTemporaryFile() as dump:
        shop.server.kill()
        _dump(shop, dump)
        _restore(shop, dump)
    shop.server.start()


def _dump(shop, dump):
    _run(shop, "pg_dump", "-Fc", shop.server.database, stdout=dump)


def _restore(shop, dump):
    """Drop the database of a server that is dead, and make it again from a dump."""
    name = shop.server.database
    _run(shop, "dropdb", "--force", name)
    _run(shop, "createdb", name)
    _run(shop, "pg_restore", "-d", name, "--no-owner", dump.name)


def _run(shop, program, *arguments, **options):
    """Run a program of PostgreSQL."""
    command = [postgres.binaries() / program, *arguments]
    subprocess.run(command, check=True, env=shop.server.environment, **options)


def let_hours_pass(shop, task):
    """Put the mails of the test group, and with them the decision, two hours back."""
    shop.server.query(
        """UPDATE directmail_delivery SET claimed_at = claimed_at - interval '2 hours'
            WHERE task_id = %s AND claimed_at IS NOT NULL""",
        task,
    )
    shop.server.query(
        "UPDATE directmail_task SET verdict_at = verdict_at - interval '2 hours' WHERE id = %s",
        task,
    )


def _read_people(shop, task):
    """Return {address key: (version, whether in the rest, reason)}."""
    rows = shop.server.query(
        "SELECT address_key, version, is_rest, reason FROM directmail_delivery WHERE task_id = %s",
        task,
    )
    return {key: tuple(values) for key, *values in rows}


def _find_wrong_before(task, people):
    """Compare the plan with the documented hash, computed here once more."""
    wrong = Counter()
    for key, (version, is_rest, reason) in people.items():
        group = _get_group(task, key)
        if (reason == "control_group") != (group == "control"):
            wrong["control"] += 1
        if group in LETTERS and (version, is_rest) != (group, None):
            wrong["test group"] += 1
        if group == "rest" and (version, is_rest) != (None, True):
            wrong["rest"] += 1
    return [f"{number} are wrong in the {group}" for group, number in wrong.items()]


def _find_unbalanced(sizes, people):
    """The groups are as large as a hash makes them: within five standard deviations."""
    control = people * CONTROL / 100
    version = (people - control) * TEST_GROUP / 100 / len(LETTERS)
    expected = {"control": control, **dict.fromkeys(LETTERS, version)}
    return [
        f"{sizes[group]} people are in {group}, not about {number:.0f}"
        for group, number in expected.items()
        if abs(sizes[group] - number) > 5 * number**0.5
    ]


def _find_wrong_after(task, before, after, winner):
    """The test group keeps its versions; the rest has the winner, or is split by another hash."""
    wrong = before.keys() ^ after.keys()
    for key, (version, _is_rest, reason) in after.items():
        if _get_group(task, key) != "rest":
            right = before[key][0]
        elif winner:
            right = winner
        else:
            right = LETTERS[int(_get_share(f"version/{task}/rest", key) * len(LETTERS))]
        if version != right or reason != before[key][2]:
            wrong.add(key)
    return [f"{len(wrong)} people were lost or changed their version"] * bool(wrong)


def _find_wrong_mails(shop, task, letters):
    """Compare the emulator's ledger with the versions: one mail each, none for the control."""
    rows = shop.server.query(
        "SELECT lower(email), version, reason FROM directmail_delivery WHERE task_id = %s", task
    )
    versions = {email: reason != "control_group" and version for email, version, reason in rows}
    mailed = Counter()
    wrong = Counter()
    for row in shop.emulator.ledger(tag=shop.tag(task)):
        email = row["to"].lower()
        mailed[email] += 1
        if not versions[email]:
            wrong["people without a version were mailed"] += 1
        elif letters[str(row["template_id"])] != versions[email]:
            wrong["people got another version"] += 1
    twice = sum(number > 1 for number in mailed.values())
    return [
        *(f"{number} {sentence}" for sentence, number in wrong.items()),
        *[f"{twice} people were mailed twice"] * bool(twice),
    ]


def _get_group(task, key):
    """Return the version of a person in the test group, "rest" or "control"."""
    if _get_share(f"control/{task}", key) < CONTROL / 100:
        return "control"
    place = _get_share(f"version/{task}", key) / (TEST_GROUP / 100)
    return LETTERS[int(place * len(LETTERS))] if place < 1 else "rest"


def _get_share(salt, key):
    return int(md5(f"{salt}/{key}".encode()).hexdigest()[:8], 16) / 16**8
