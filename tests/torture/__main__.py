"""``python -m tests.torture``: the long forms of the runs in ``tests/server``.

Prints per run one line ``TORTURE <name> duplicates=… lost=… unknown=… ok|broken seed=…``.
Environment: SEED repeats a run, ONLY=name runs one, PEOPLE, KILLS, EVENTS, EXAMPLES, APPS,
SERIES_PEOPLE and VERSIONS_PEOPLE change the size.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from benchmarks._dispatch import unlimit
from devenv import database as databases
from directmail_emulator.nat import WAYS
from directmail_emulator.testing import Emulator
from tests.server.common.odoo_server import OdooServer
from tests.server.common.runs_apps import run_alone, run_apps
from tests.server.common.runs_behaviors import (
    FirstContact,
    all_others,
    open_branch,
    send_campaign,
)
from tests.server.common.runs_events import Forger, find_differences, prepare, run_cron, settle
from tests.server.common.runs_fatigue import open_track
from tests.server.common.runs_matrix import APPS, run_matrix
from tests.server.common.runs_sending import (
    FAULTS,
    THREADS,
    count_most,
    run_blows,
    run_collision,
    run_fault,
    run_idle,
    run_kills,
    run_overlap,
    unknown_ids,
)
from tests.server.common.runs_series import run_series
from tests.server.common.runs_versions import DECISIONS, run_versions
from tests.server.common.shop import EMULATOR, SHORT, Books, Shop

from .cluster import Cluster

SEED = int(os.environ.get("SEED") or random.randrange(10**6))
PEOPLE = int(os.environ.get("PEOPLE") or 5000)
KILLS = int(os.environ.get("KILLS") or 50)
EVENTS = int(os.environ.get("EVENTS") or 100_000)
FAULT_PEOPLE = min(PEOPLE, 1000)
OTHER_KILLS = 5
VERSIONS_PEOPLE = int(os.environ.get("VERSIONS_PEOPLE") or 100_000)
VERSIONS_KILLS = min(KILLS, 10)
SERIES_PEOPLE = int(os.environ.get("SERIES_PEOPLE") or 100_000)
SERIES_KILLS = min(KILLS, 30)
MODEL_EXAMPLES = int(os.environ.get("EXAMPLES") or 300)


@contextlib.contextmanager
def open_shop(name, cluster=None, crons=2):
    """An emulator, an Odoo on a database of its own, an active account."""
    database = databases.fresh(f"torture_{name}")
    try:
        if cluster:
            cluster.take_over(database)
        environment = cluster and cluster.environment
        with (
            Emulator(settings=EMULATOR) as emulator,
            OdooServer(database, crons, environment) as server,
        ):
            yield Shop(server, emulator, **SHORT)
    finally:
        databases.drop(database)


def kill_odoo():
    """Odoo dies KILLS times in one task."""
    with open_shop("kill") as shop:
        task, caught = run_kills(shop, PEOPLE, KILLS, SEED)
        yield (
            shop.check(task, PEOPLE),
            [
                *(f"a kill left {len(ids)} unknown" for ids in caught if len(ids) > THREADS),
                *["unknown mails that no kill explains"][
                    : len(unknown_ids(shop, task) - set().union(*caught))
                ],
                *["the task was over before the last kill"][: KILLS - len(caught)],
            ],
        )
        shop.import_results(task, seconds=120)
        books = shop.check(task, PEOPLE)
        yield books, ["unknown mails are left"][: books.unknown]


def kill_withheld():
    """Odoo dies, and DirectMail's records show nothing: unknown stays unknown."""
    with open_shop("withheld") as shop:
        shop.emulator.change_settings({"outcomes": {"withhold_statistics": True}})
        task, caught = run_kills(shop, FAULT_PEOPLE, 5, SEED)
        expected = len(set().union(*caught))
        shop.import_results(task, until_known=False)
        books = shop.check(task, FAULT_PEOPLE)
        complaint = f"of {expected} unknown, {books.unknown} stayed"
        yield books, [complaint] * (books.unknown != expected)


def kill_all():
    """Odoo, PostgreSQL and the emulator die by turns, each while the others run."""
    with Cluster() as cluster, open_shop("all", cluster) as shop:

        def odoo(_task):
            shop.server.kill()
            shop.server.start()

        def postgresql(task):
            cluster.kill()
            # The run in progress goes on with new connections. But a cron thread that waits for
            # its next run ends with its connection: Odoo's threaded server needs a restart then.
            shop.wait_answered(task)
            odoo(task)

        def emulator(task):
            shop.emulator.kill()
            shop.wait_answered(task)
            shop.emulator.start()

        blows = [odoo] * KILLS + [postgresql] * OTHER_KILLS + [emulator] * OTHER_KILLS
        random.Random(SEED).shuffle(blows)
        task = run_blows(shop, PEOPLE, blows, SEED, "all")
        books = shop.check(task, PEOPLE)
        most = len(blows) * THREADS
        yield books, [f"{books.unknown} unknown are more than {most}"] * (books.unknown > most)
        shop.import_results(task, seconds=120)
        yield shop.check(task, PEOPLE), []


def faults():
    """Every fault of the emulator in turn, for 5 % of the calls."""
    with open_shop("faults") as shop:
        for kind in FAULTS:
            run = run_fault(shop, kind, FAULT_PEOPLE, share=0.05)
            yield run.before, [f"{kind}: never struck"] * (not run.hits)
            yield run.after, [f"{kind}: unknown is left"] * bool(run.after.unknown)


def faults_together():
    """All faults that end a call, and only the call, at once, each for 5 % of the calls."""
    with open_shop("together") as shop:
        for number, (kind, fault) in enumerate(FAULTS.items()):
            if fault.unknown == "each" or kind in ("slow", "throttle", "unavailable"):
                shop.emulator.set_fault(
                    kind, action="SingleSendMail", rate=0.05, seed=SEED + number, delay=0.5
                )
        task = shop.make_task("together", FAULT_PEOPLE)
        shop.act(task, "send")
        while shop.wait(task, "done", "paused", seconds=900) == "paused":
            shop.mend(task)
        yield shop.check(task, FAULT_PEOPLE), []
        shop.emulator.clear_faults()
        # Half the answers got lost, and with fewer than 95 % of the sent mails visible nothing
        # is proven; all of them are visible here.
        shop.import_results(task, seconds=120)
        books = shop.check(task, FAULT_PEOPLE)
        yield books, ["unknown mails are left"][: books.unknown]


def idle():
    """The network forgets every connection in the pauses between tasks, with a reset or without."""
    with open_shop("idle") as shop:
        for way in WAYS:
            yield from run_idle(shop, way, FAULT_PEOPLE, pauses=5)


def overlap():
    """Two servers with four cron threads each, three accounts, and hands on *Run Manually*."""
    with open_shop("overlap", crons=4) as shop:
        for branch, task in run_overlap(shop, FAULT_PEOPLE):
            books = branch.check(task, FAULT_PEOPLE)
            most = count_most(branch, branch.account)
            yield (
                books,
                [
                    *[f"{most} mails were under way at once"] * (most > THREADS),
                    *[f"{books.states}"] * (books.states != {"sent": FAULT_PEOPLE}),
                ],
            )


def collision():
    """Somebody pauses and resumes, and results come in, while the same mails go out."""
    with open_shop("collision") as shop:
        met = run_collision(shop, FAULT_PEOPLE, SEED)
        books = shop.check(met.task, FAULT_PEOPLE)
        print(f"collision: {met}")
        yield (
            books,
            [
                *["not everything met"] * (not (met.is_complete)),
                *[f"{books.unknown} answers got lost"] * bool(books.unknown),
            ],
        )


def fatigue():
    """One mail per person is allowed; ten tasks of three accounts, on two servers, want it."""
    tasks = 10
    database = databases.fresh("torture_fatigue")
    try:
        with open_track(database) as track:
            track.limit(1)
            race = track.run(FAULT_PEOPLE, tasks, "race")
    finally:
        databases.drop(database)
    print(f"fatigue: {race.mailed.total()} mails to {len(race.mailed)}, {race.meetings} meetings")
    expected = {"sent": FAULT_PEOPLE, "suppressed": FAULT_PEOPLE * (tasks - 1)}
    yield (
        Books(race.states, 0, 0, 0, 0, race.wrong),
        [
            *["somebody got more or less than one mail"]
            * (set(race.mailed.values()) != {1} or len(race.mailed) != FAULT_PEOPLE),
            *[f"{race.states}"] * (race.states != expected),
            *["no two servers claimed at the same time"] * (not race.meetings),
        ],
    )


def versions():
    """Three versions, a control group of 10 %, two servers that die, a database restored.

    The winner goes to the rest; then, with fewer people, the choice of a user, and each version to
    a part of it.
    """
    for way in DECISIONS:
        people, kills = VERSIONS_PEOPLE, VERSIONS_KILLS
        if way != "winner":
            people, kills = min(people, PEOPLE), kills // 2
        with open_shop(f"versions_{way}") as shop:
            begin = time.monotonic()
            run = run_versions(shop, people, kills, SEED, (way,))[way]
        print(
            f"versions, {way}: {people} people, {run.kills} kills of both servers beside those in"
            f" the decision, {time.monotonic() - begin:.0f} s, {dict(sorted(run.sizes.items()))},"
            f" {run.books}, complaints: {run.wrong}",
            flush=True,
        )
        suppressed = run.books.states.get("suppressed", 0)
        complaints = [
            *run.wrong,
            *["a part of the task was over before its last kill"] * (run.kills != 2 * kills),
            *[f"{suppressed} are suppressed"] * (suppressed != run.sizes["control"]),
        ]
        yield run.books, [f"{way}: {complaint}" for complaint in complaints]


def series():
    """A series of two mails on two servers that are killed; some people can't be mailed."""
    with open_shop("series") as shop:
        unlimit(shop)
        begin = time.monotonic()
        run = run_series(shop, SERIES_PEOPLE, SERIES_KILLS, SEED)
    print(
        f"series: {SERIES_PEOPLE} people, {run.kills} kills, {time.monotonic() - begin:.0f} s,"
        f" {run.books}",
        flush=True,
    )
    # Each kill leaves at most as many unknown mails as calls were under way.
    most = THREADS * SERIES_KILLS
    yield (
        run.books,
        [
            *["the series was over before the last kill"] * (run.kills < SERIES_KILLS),
            *[f"{run.books.unknown} unknown are more than {most}"] * (run.books.unknown > most),
        ],
    )


def model():
    """The random model of tasks, with many more examples."""
    return run_examples("task/test_task_model.py")


def subset():
    """Random users, rules, companies and audiences, with many more examples."""
    return run_examples("audience/test_subset.py")


def run_examples(name):
    """Run one of the addon's random tests."""
    environment = {
        "DIRECTMAIL_MODEL_EXAMPLES": str(MODEL_EXAMPLES),
        "DIRECTMAIL_MODEL_SEED": str(SEED),
        "DIRECTMAIL_MODEL_STEPS": "60",
    }
    code = subprocess.run(
        [sys.executable, "-m", "devenv.test", f"email_marketing_dm/tests/{name}"],
        check=False,
        env={**os.environ, **environment},
    ).returncode
    yield Books({}, 0, 0, 0, 0, []), ["an example broke the rules"] * bool(code)


def facts_pushed():
    """Events by webhook: twice, in disorder, with forgeries among them; nothing is polled."""
    with open_shop("pushed") as shop, tempfile.TemporaryDirectory() as folder:
        shop.stop_importing()
        shop.emulator.configure_account(daily_quota=10 * EVENTS)
        forger = Forger(shop, *prepare(shop, push=True), folder, SEED)
        forger.start()
        # Everybody has one or two events from DirectMail, and a fifth of them twice.
        people = EVENTS // 2
        task = shop.make_task("facts", people)
        shop.act(task, "send")
        shop.wait(task, "done", seconds=60 + people / 5)
        settle(shop, seconds=60 + EVENTS / 5)
        forger.finish()
        run_cron(shop, "apply")
        yield (
            shop.check(task, people),
            [
                *find_differences(shop, task),
                *[f"a forgery was let through: {found}" for found in forger.accepted],
                *["no forgery was tried"] * (not forger.refused),
            ],
        )


def facts_polled():
    """The same without a webhook, within the usual budget of calls."""
    with open_shop("polled") as shop:
        shop.emulator.configure_account(daily_quota=10 * EVENTS)
        prepare(shop, push=False)
        people = EVENTS // 2
        task = shop.make_task("polled", people)
        shop.act(task, "send")
        shop.wait(task, "done", seconds=60 + people / 5)
        settle(shop, seconds=60 + EVENTS / 5)
        for _run in range(2 + people // 5000):
            run_cron(shop, "poll")
        run_cron(shop, "apply")
        yield shop.check(task, people), find_differences(shop, task)


def behaviors():
    """Every open point of DirectMail the other way round: First contact, then a campaign.

    Each campaign ends right, or stops before its first mail with a sentence that names the
    behavior.
    """
    with open_shop("behaviors") as shop:
        for number, (behavior, value) in enumerate(all_others()):
            label = f"{behavior.name}={value}"
            try:
                books, wrong = _try_behavior(shop, number, behavior, value, label)
            except Exception as error:  # the others are still worth trying
                traceback.print_exc()
                books, wrong = Books({}, 0, 0, 0, 0, []), [f"{type(error).__name__}: {error}"]
            yield books, [f"{label}: {complaint}" for complaint in wrong]


def _try_behavior(shop, number, behavior, value, label):
    """Return (books of the campaign, what is wrong) with one open point the other way round."""
    push = behavior.setting.startswith("events.")
    branch = open_branch(shop, number, behavior.changes(value), push)
    steps = FirstContact(branch).walk()
    bad = [f"{name}: {step}" for name, step in steps.items() if step[0] == "failed"]
    if push and steps["push"][0] != "ok":
        bad.append(f"the event was not understood: {steps['push']}")
    if branch.refusal:
        print(f"behaviors: {label}: {branch.refusal.splitlines()[0]}", flush=True)
        if behavior.name != "template_operations" or "template" not in branch.refusal:
            bad.append(f"the template was refused: {branch.refusal}")
        return Books({}, 0, 0, 0, 0, []), bad
    books, state, told, wrong = send_campaign(branch, f"way{number}")
    if state != "done":
        named = behavior.name in told or behavior.question in told
        wrong = [f"it {state}: {told}"] * (not named or bool(books.mailed))
    print(f"behaviors: {label}: {state}, {books.mailed} mailed", flush=True)
    return books, bad + wrong


def platform():
    """The addon alone, beside all apps and beside each, in both orders, and when any of them goes.

    What uses an app that goes, and databases of older versions, are in `test_platform.py`.
    APPS, names with commas, does it with just those.
    """
    chosen = os.environ.get("APPS")
    apps = tuple(chosen.split(",")) if chosen else APPS
    short_form = Path(__file__).parents[1] / "server" / "test_platform.py"
    code = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:odoo", short_form], check=False
    ).returncode
    wrong = [
        *["test_platform.py failed"][: int(code != 0)],
        *run_alone(),
        *run_apps(apps),
        *run_matrix(apps),
    ]
    yield Books({}, 0, 0, 0, 0, []), wrong


RUNS = (
    behaviors,
    kill_odoo,
    kill_withheld,
    kill_all,
    faults,
    faults_together,
    idle,
    overlap,
    collision,
    fatigue,
    versions,
    series,
    model,
    subset,
    facts_pushed,
    facts_polled,
    platform,
)


def main():
    """Carry out the runs; 1 if one is broken, or ONLY names none."""
    chosen = [run for run in RUNS if os.environ.get("ONLY") in (None, "", run.__name__)]
    if not chosen:
        print(f"There is no such run; there are {', '.join(run.__name__ for run in RUNS)}")
        return 1
    return int(not all([carry_out(run) for run in chosen]))


def carry_out(run):
    """Print the run's line. The figures are the worst that its books showed, unknown the last."""
    duplicates = lost = unknown = 0
    wrong = []
    try:
        for books, complaints in run():
            duplicates = max(duplicates, books.duplicates)
            lost = max(lost, abs(books.lost))
            unknown = books.unknown
            wrong += [*books.wrong, *complaints]
    except Exception as error:
        traceback.print_exc()
        wrong.append(f"{type(error).__name__}: {error}")
    good = not (duplicates or lost or wrong)
    for complaint in wrong:
        print(f"{run.__name__}: {complaint}")
    print(
        f"TORTURE {run.__name__} duplicates={duplicates} lost={lost} unknown={unknown}"
        f" {'ok' if good else 'broken'} seed={SEED}",
        flush=True,
    )
    return good


if __name__ == "__main__":
    # Ended from outside, it still stops its servers and removes what it made.
    signal.signal(signal.SIGTERM, lambda *_details: sys.exit(143))
    sys.exit(main())
