"""Bad input of A/B tests by remote calls: each is refused by a sentence, and nobody is lost."""

import pytest

from tests.server.common.odoo_server import RpcError, wait_until
from tests.server.common.runs_versions import is_test_group_out, let_hours_pass
from tests.server.common.shop import USER_ERRORS

PEOPLE = 60
QUOTA = 10  # of the first day, fewer than the test group


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"test_share": 0}, "between 1% and 100%"),
        ({"test_share": 101}, "between 1% and 100%"),
        ({"test_people": -1}, "can't be negative"),
        ({"test_hours": 0}, "1 hour to 90 days"),
        ({"test_hours": 2161}, "1 hour to 90 days"),
        ({"control_share": 51}, "control group"),
        ({"control_share": -1}, "control group"),
        ({"winner": "B"}, "can't be set directly"),
        ({"verdict_at": "2020-01-01 00:00:00"}, "can't be set directly"),
    ],
)
def test_impossible_settings(shop, values, sentence):
    task = make_test(shop, "settings")
    before = shop.read(task, *values)
    told = refuse(shop, "directmail.task", "write", [task], values)
    assert sentence in told
    assert shop.read(task, *values) == before


def test_versions_that_do_not_fit(shop):
    task = make_test(shop, "unfit")
    branch = shop.open_branch(1)
    [_first, second] = get_versions(shop, task)
    told = refuse(
        shop, "directmail.task.version", "write", [second], {"template_id": branch.template}
    )
    assert "belongs to another DirectMail account" in told
    told = refuse(
        shop,
        "directmail.task",
        "write",
        [task],
        {"account_id": branch.account, "sender_id": branch.sender, "template_id": branch.template},
    )
    assert "belongs to another DirectMail account" in told
    told = refuse(shop, "directmail.task.version", "create", [{"task_id": task, "letter": "B"}])
    assert "each version only once" in told
    for letter in "CDE":
        values = {"task_id": task, "letter": letter}
        shop.user.call("directmail.task.version", "create", [[values]])
    assert "at most 5 versions" in refuse(shop, "directmail.task", "action_add_version", [task])
    assert "has no mail of its own yet" in refuse(shop, "directmail.task", "action_send", [task])
    assert shop.read(task, "account_id")["account_id"][0] == shop.account
    assert len(get_versions(shop, task)) == 5
    assert not shop.count_rows(task)


def test_an_audience_that_shrinks_to_nobody(shop):
    task = make_test(shop, "nobody", test_share=100)
    archive(shop, "nobody", PEOPLE)
    assert "nobody in it" in refuse(shop, "directmail.task", "action_send", [task])
    assert shop.state(task) == "draft"


def test_an_audience_that_shrinks_to_fewer_people_than_versions(shop):
    task = make_test(shop, "few", test_share=100)
    archive(shop, "few", PEOPLE - 1)
    shop.act(task, "send")
    shop.wait(task, "failed")
    assert "nobody would get version" in shop.read(task, "state_message")["state_message"]
    assert not shop.count_rows(task)


def test_a_test_that_can_not_go_on(shop):
    """Too little quota, a template archived in the middle, a pause, and a rest that has gone."""
    task = make_test(shop, "stops", test_share=50)
    [account] = shop.admin.call(
        "directmail.account", "read", [[shop.account], ["daily_quota", "quota_reserve"]]
    )
    used = sum(number for (number,) in shop.server.query("SELECT used FROM directmail_usage"))
    set_reserve(shop, account["daily_quota"] - used - QUOTA)
    shop.act(task, "send")
    shop.wait_sent(task, QUOTA)

    # The decision was to be long ago, but the last mail of the test group is not out.
    let_hours_pass(shop, task)
    shop.let_account_run()
    assert "quota" in shop.read(task, "waiting_for")["waiting_for"]
    assert tell(shop, task) == ("running", "The test group is being mailed.")

    [template] = get_own_templates(shop, task)
    for method, arguments in (("write", [{"active": False}]), ("unlink", [])):
        told = refuse(shop, "directmail.template", method, [template], *arguments)
        assert "can't be" in told

    shop.act(task, "pause")
    set_reserve(shop, 0)
    let_hours_pass(shop, task)
    shop.let_account_run()
    assert not shop.read(task, "compared_at")["compared_at"]
    results = shop.user.call("directmail.task", "get_test_results", [[task]])
    assert "paused, so nothing is decided. Press Resume" in results["advice"]

    shop.act(task, "resume")
    wait_until(lambda: is_test_group_out(shop, task), "it stops", shop.server.wake_crons)
    rest = [
        contact
        for (contact,) in shop.server.query(
            "SELECT partner_id FROM directmail_delivery WHERE task_id = %s AND is_rest", task
        )
    ]
    wait_until(lambda: shop.read(task, "verdict_at")["verdict_at"], "no time is set")
    shop.root.call("res.partner", "unlink", [rest])
    let_hours_pass(shop, task)
    shop.let_account_run()
    shop.wait(task, "done")
    assert shop.read(task, "winner_by")["winner_by"] == "policy"
    books = shop.check(task, PEOPLE)
    assert books.ok, books
    assert books.states == {"sent": PEOPLE - len(rest), "suppressed": len(rest)}


def make_test(shop, group, **values):
    """Return a task with versions A and B for new people; nobody is mailed yet."""
    task = shop.make_task(group, PEOPLE, **{"test_hours": 1, **values})
    template = shop.make_template(f"B {group}")
    shop.review(template)
    for version in ({"letter": "A"}, {"letter": "B", "template_id": template}):
        shop.user.call("directmail.task.version", "create", [{"task_id": task, **version}])
    return task


def archive(shop, group, people):
    """Archive so many contacts of a group."""
    shop.server.query(
        """UPDATE res_partner SET active = FALSE WHERE id IN (
               SELECT id FROM res_partner WHERE ref = %s ORDER BY id LIMIT %s)""",
        group,
        people,
    )


def get_versions(shop, task):
    return shop.read(task, "version_ids")["version_ids"]


def get_own_templates(shop, task):
    versions = shop.user.call(
        "directmail.task.version", "read", [get_versions(shop, task), ["template_id"]]
    )
    return [row["template_id"][0] for row in versions if row["template_id"]]


def set_reserve(shop, mails):
    shop.admin.call("directmail.account", "write", [[shop.account], {"quota_reserve": mails}])


def tell(shop, task):
    """Return the state of the test and its sentence."""
    results = shop.user.call("directmail.task", "get_test_results", [[task]])
    return results["state"], results["sentence"]


def refuse(shop, model, method, *arguments):
    """Return the sentence that the user reads; fails if the call is not refused."""
    with pytest.raises(RpcError) as error:
        shop.user.call(model, method, list(arguments))
    assert error.value.kind in USER_ERRORS, error.value.debug
    told = str(error.value)
    assert told.strip().endswith("."), told
    return told
