"""Several sessions choose the version for the rest at once, and the cron decides meanwhile."""

import threading

from tests.server.common.odoo_server import RpcError, wait_until
from tests.server.common.runs_versions import is_test_group_out, let_hours_pass
from tests.server.common.shop import PASSWORD

PEOPLE = 120


def test_two_choose_at_once(shop):
    task = send_test_group(shop, "chosen")
    found = choose_at_once(shop, task, "ABAB")
    winner = check_answers(shop, task, found, by=["hand"])
    shop.wait(task, "done")
    check_mails(shop, task, winner)


def test_the_cron_decides_meanwhile(shop):
    task = send_test_group(shop, "meanwhile")
    let_hours_pass(shop, task)
    found = choose_at_once(shop, task, "BB", meanwhile=shop.server.wake_crons)
    shop.wait(task, "done")
    winner = check_answers(shop, task, found, by=["hand", "policy"])
    check_mails(shop, task, winner)


def send_test_group(shop, group):
    """Return a task whose test group is mailed, and whose rest waits."""
    task = shop.make_task(group, PEOPLE, test_share=40, test_hours=1)
    template = shop.make_template(group)
    shop.review(template)
    for version in ({"letter": "A"}, {"letter": "B", "template_id": template}):
        shop.user.call("directmail.task.version", "create", [{"task_id": task, **version}])
    shop.act(task, "send")
    shop.server.wake_crons()
    wait_until(lambda: is_test_group_out(shop, task), "it stops", shop.server.wake_crons)
    return task


def choose_at_once(shop, task, letters, meanwhile=lambda: None):
    """Return [(letter, answer or RpcError)] of a session for each of the letters."""
    start, found = threading.Barrier(len(letters) + 1), []

    def choose(session, letter):
        start.wait(30)
        try:
            answer = session.call("directmail.task", "action_choose_version", [[task], letter])
        except RpcError as error:
            answer = error
        found.append((letter, answer))

    threads = [
        threading.Thread(target=choose, args=(shop.server.login("dm_user", PASSWORD), letter))
        for letter in letters
    ]
    for thread in threads:
        thread.start()
    start.wait(30)
    meanwhile()
    for thread in threads:
        thread.join(120)
    assert len(found) == len(letters)
    return found


def check_answers(shop, task, found, by):
    """At most one choice counts, and the others read which one did; return the winner."""
    told = shop.read(task, "winner", "winner_by")
    assert told["winner_by"] in by
    chosen = [letter for letter, answer in found if answer is True]
    assert chosen == ([told["winner"]] if told["winner_by"] == "hand" else [])
    for _letter, answer in found:
        if answer is not True:
            assert answer.kind == "UserError", answer
            assert "already" in str(answer), answer
    return told["winner"]


def check_mails(shop, task, winner):
    """The whole rest got the winner, each person one mail."""
    rows = shop.server.query(
        """SELECT version, count(*), count(*) FILTER (WHERE state = 'sent')
             FROM directmail_delivery WHERE task_id = %s AND is_rest GROUP BY version""",
        task,
    )
    assert [(version, number) for version, number, sent in rows if number == sent] == [
        (winner, sum(number for _version, number, _sent in rows))
    ]
    books = shop.check(task, PEOPLE)
    assert books.ok, books
