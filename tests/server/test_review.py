"""A template's life at DirectMail on a real server: lost answers, restarts, decisions and tasks."""

import threading

import pytest

import devenv.without_odoo  # noqa: F401
from directmail_emulator.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET
from email_marketing_dm.directmail.client import DirectMailClient
from tests.server.common.odoo_server import RpcError, wait_until

LAPSED = ("lapse_reason", "!=", False)


@pytest.fixture(autouse=True)
def no_fault_left(emulator):
    """Faults are for one test only."""
    yield
    emulator.clear_faults()


def draft(shop, name):
    """Make a template that is not submitted yet."""
    source = shop.template
    [template] = shop.user.call("directmail.template", "copy", [[source], {"name": name}])
    return template


def act(shop, template, action):
    return shop.user.call("directmail.template", f"action_{action}", [[template]])


def read(shop, template, name):
    return shop.user.read("directmail.template", template, name)[name]


def remote(emulator, template):
    """Return what the emulator has of a template, by the end of its name."""
    return [row for row in emulator.templates() if f"-{template}-" in row["name"]]


def pass_time(shop):
    """Let the next check of the review be due, as it is after a minute."""
    shop.server.query(
        """UPDATE ir_cron_trigger SET call_at = now() AT TIME ZONE 'UTC'
            WHERE cron_id = (SELECT res_id FROM ir_model_data
                              WHERE module = 'email_marketing_dm'
                                AND name = 'ir_cron_directmail_review')"""
    )


def wait_for(shop, template, state):
    """Wait until the review cron has taken over DirectMail's decision."""

    def let_check():
        pass_time(shop)
        shop.server.wake_crons()

    wait_until(
        lambda: read(shop, template, "state") == state,
        lambda: f"the template is {read(shop, template, 'state')}, not {state}",
        let_check,
    )


@pytest.mark.parametrize("kind", ["close", "truncated", "html"])
def test_a_lost_answer_makes_no_second_template(shop, emulator, kind):
    template = draft(shop, f"Lost {kind}")
    emulator.set_fault(kind, action="CreateTemplate", times=1)
    act(shop, template, "submit")
    [row] = remote(emulator, template)
    assert read(shop, template, "remote_ref") == str(row["id"])

    act(shop, template, "edit")
    shop.user.call("directmail.template", "write", [[template], {"subject": f"Changed {kind}"}])
    emulator.clear_faults()
    emulator.set_fault(kind, action="ModifyTemplate", times=1)
    act(shop, template, "submit")
    [row] = remote(emulator, template)
    assert row["subject"] == f"Changed {kind}"
    assert read(shop, template, "state") == "in_review"


def test_a_lost_answer_and_nobody_to_ask(shop, emulator):
    template = draft(shop, "Nobody to ask")
    emulator.set_fault("close", action="CreateTemplate", times=1)
    emulator.set_fault("close", action="QueryTemplateByParam", after=1, times=1)
    with pytest.raises(RpcError, match="can't be reached"):
        act(shop, template, "submit")
    assert read(shop, template, "state") == "draft"
    assert len(remote(emulator, template)) == 1, "it is there, though nobody here knows"
    act(shop, template, "submit")
    assert len(remote(emulator, template)) == 1


def test_a_kill_during_the_submission_makes_no_second_template(shop, emulator):
    template = draft(shop, "Killed")
    emulator.set_fault("slow", action="CreateTemplate", times=1, delay=2.0)

    def submit():
        with pytest.raises(Exception):  # noqa: B017 the connection breaks, one way or the other
            act(shop, template, "submit")

    thread = threading.Thread(target=submit)
    thread.start()
    wait_until(lambda: remote(emulator, template))
    shop.server.kill()
    thread.join()
    shop.server.start()
    assert read(shop, template, "state") == "draft"
    act(shop, template, "submit")
    assert len(remote(emulator, template)) == 1


def test_instant_tasks_go_out_when_approved_also_after_a_restart(shop, emulator):
    template = draft(shop, "Restart")
    act(shop, template, "submit")
    task = shop.make_task("restart", 5, template_id=template)
    shop.act(task, "send")
    assert shop.state(task) == "pending"
    shop.server.stop()
    [row] = remote(emulator, template)
    emulator.approve(row["id"])
    shop.server.start()
    pass_time(shop)
    shop.wait(task, "done")
    assert read(shop, template, "state") == "approved"
    books = shop.check(task, 5)
    assert books.ok and books.states == {"sent": 5}, books


def test_rejection_and_a_correction_on_the_tasks_page(shop, emulator):
    template = draft(shop, "Rejected")
    act(shop, template, "submit")
    task = shop.make_task("rejected", 3, template_id=template)
    shop.act(task, "send")
    [row] = remote(emulator, template)
    emulator.reject(row["id"], "Name the sender's address.")
    pass_time(shop)
    shop.wait(task, "failed")
    assert "Name the sender's address." in shop.read(task, "state_message")["state_message"]

    shop.user.call("directmail.task", "write", [[task], {"subject": "Corrected"}])
    [own, name] = shop.read(task, "template_id")["template_id"]
    assert own != template and name == "Task rejected"
    shop.act(task, "send")
    [row] = remote(emulator, own)
    emulator.approve(row["id"])
    wait_for(shop, own, "approved")
    shop.wait(task, "done")
    mails = emulator.ledger(tag=shop.tag(task))
    assert {mail["subject"] for mail in mails} == {"Corrected"} and len(mails) == 3
    assert read(shop, template, "state") == "rejected", "the one that was chosen is left alone"


def test_deleted_in_the_console_is_noticed_and_not_made_again(shop, emulator):
    template = draft(shop, "Deleted")
    act(shop, template, "submit")
    [row] = remote(emulator, template)
    emulator.approve(row["id"])
    wait_for(shop, template, "approved")
    console = DirectMailClient(emulator.endpoint, ACCESS_KEY_ID, ACCESS_KEY_SECRET, protocol="http")
    console.delete_template(read(shop, template, "remote_ref"))
    shop.server.query(
        """UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'UTC'
            WHERE id = (SELECT res_id FROM ir_model_data
                         WHERE module = 'email_marketing_dm'
                           AND name = 'ir_cron_directmail_review')"""
    )
    wait_for(shop, template, "lapsed")
    assert read(shop, template, "lapse_reason") == "deleted"
    assert not remote(emulator, template)


def collide_once(shop, table, condition):
    """Let one transaction that writes to a table collide with another, as PostgreSQL says it."""
    shop.server.query(
        f"""CREATE SEQUENCE {table}_collisions;
            CREATE FUNCTION {table}_collide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                -- a sequence is not rolled back
                IF nextval('{table}_collisions') = 1 THEN
                    RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER {table}_collide BEFORE INSERT OR UPDATE ON {table}
               FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {table}_collide()"""
    )

    def was_hit():
        [(count,)] = shop.server.query(f"SELECT last_value FROM {table}_collisions")
        return count > 1

    return was_hit


def send_test(shop, template):
    users = shop.root.call("res.users", "search", [[("login", "in", ["dm_user", "dm_admin"])]])
    values = {
        "template_id": template,
        "user_ids": [(6, 0, users)],
        "partner_id": False,
        "sender_id": shop.sender,
    }
    form = shop.user.call("directmail.template.test", "create", [values])
    return shop.user.call("directmail.template.test", "action_send", [[form]])["params"]


def test_a_request_that_is_repeated_sends_no_test_mail_again(shop, emulator):
    template = draft(shop, "Collision in the chatter")
    condition = f"NEW.model = 'directmail.template' AND NEW.res_id = {template}"
    was_hit = collide_once(shop, "mail_message", condition)
    before = len(emulator.ledger())
    answer = send_test(shop, template)
    assert was_hit()
    assert len(emulator.ledger()) - before == 2
    assert answer["type"] == "success"
    [(notes,)] = shop.server.query(
        "SELECT count(*) FROM mail_message WHERE model = 'directmail.template' AND res_id = %s"
        " AND body LIKE %s",
        template,
        "%Test mail sent to%",
    )
    assert notes == 1


def test_answers_to_test_mails_are_written_whatever_collides(shop, emulator):
    """Giving a refused mail back to the quota meets the senders, who count there as well."""
    template = draft(shop, "Collision in the quota")
    emulator.set_fault("error", action="SingleSendMail", status=400, code="X.Y", to="dm_admin*")
    was_hit = collide_once(shop, "directmail_usage", "NEW.used < 0")
    before = len(emulator.ledger())
    answer = send_test(shop, template)
    assert was_hit()
    assert len(emulator.ledger()) - before == 1
    assert "refused the test mail to dm_admin@" in answer["message"], answer
    rows = shop.server.query(
        "SELECT state FROM directmail_test_mail WHERE template_id = %s ORDER BY state", template
    )
    assert [state for (state,) in rows] == ["refused", "sent"]


def test_why_a_place_was_freed_outlives_who_needed_it(shop, emulator):
    """DirectMail's template is deleted even if the next one can't be created."""
    lapsed_before = set(shop.user.call("directmail.template", "search", [[LAPSED]]))
    spare, waiting = draft(shop, "Spare"), draft(shop, "Waiting")
    act(shop, spare, "submit")
    shop.review(spare)
    emulator.change_settings({"limits": {"templates": len(emulator.templates())}})
    try:
        # the first call finds no place; the next, after room was made, is refused
        emulator.set_fault(
            "error", action="CreateTemplate", after=1, status=400, code="Forbidden.RAM"
        )
        with pytest.raises(RpcError, match="may not create or change templates"):
            act(shop, waiting, "submit")
    finally:
        emulator.change_settings({"limits": {"templates": 100}})
    assert read(shop, waiting, "state") == "draft"
    gone = set(shop.user.call("directmail.template", "search", [[LAPSED]])) - lapsed_before
    [freed] = gone
    assert not remote(emulator, freed)
    assert read(shop, freed, "lapse_reason") == "freed"
    act(shop, freed, "check_review")
    assert read(shop, freed, "lapse_reason") == "freed", "nobody deleted it in the console"
