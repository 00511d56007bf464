"""Several people, or one who clicks several times, press Send on the same task at once."""

import threading

from tests.server.common.odoo_server import RpcError
from tests.server.common.shop import PASSWORD

PRESSES = 5


def press_at_once(shop, model, method, *ids):
    """Return what each of several sessions of the same user got: an answer, or its RpcError.

    :param ids: the record of each session; one for all, or one each
    """
    start, found = threading.Barrier(PRESSES), []

    def press(session, record):
        start.wait(30)
        try:
            found.append(session.call(model, method, [[record]]))
        except RpcError as error:
            found.append(error)

    sessions = [shop.server.login("dm_user", PASSWORD) for _number in range(PRESSES)]
    for session in sessions:
        session.call("directmail.task", "search_count", [[]])
    records = ids * PRESSES if len(ids) == 1 else ids
    threads = [
        threading.Thread(target=press, args=pair) for pair in zip(sessions, records, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return found


def check_answers(found):
    """One starts it, the others read that it is on its way; nobody reads of a fault."""
    assert len(found) == PRESSES
    errors = [(error.kind, str(error)) for error in found if isinstance(error, RpcError)]
    assert errors == []
    said = [answer["params"]["message"] for answer in found if "params" in answer_of(answer)]
    assert len(said) == PRESSES - 1
    for sentence in said:
        assert "being sent" in sentence or "Already sent" in sentence, sentence


def answer_of(answer):
    return answer if isinstance(answer, dict) else {}


def test_five_at_once(shop, emulator):
    """The audience is refreshed for the first time, too."""
    for number in range(3):
        task = shop.make_task(f"five{number}", 20)
        check_answers(press_at_once(shop, "directmail.task", "action_send", task))
        shop.wait(task, "done")
        books = shop.check(task, 20)
        assert books.ok and books.states == {"sent": 20}, books


def test_five_at_once_with_a_template_to_submit(shop, emulator):
    [template] = shop.user.call("directmail.template", "copy", [[shop.template], {"name": "New"}])
    task = shop.make_task("submit", 5, template_id=template)
    check_answers(press_at_once(shop, "directmail.task", "action_send", task))
    assert shop.state(task) == "pending"
    rows = [row for row in emulator.templates() if f"-{template}-" in row["name"]]
    assert len(rows) == 1
    assert shop.user.read("directmail.template", template, "submission")["submission"] == 1
    shop.review(template)
    shop.wait(task, "done")
    assert shop.check(task, 5).ok


def test_five_dialogs_at_once(shop, emulator):
    """The dialog with the estimate is open in several tabs."""
    task = shop.make_task("dialogs", 20)
    dialogs = [shop.act(task, "open_send")["res_id"] for _number in range(PRESSES)]
    check_answers(press_at_once(shop, "directmail.task.estimate", "action_send", *dialogs))
    shop.wait(task, "done")
    assert shop.check(task, 20).states == {"sent": 20}


def test_send_after_send(shop, emulator):
    task = shop.make_task("again", 5, send_type="scheduled", scheduled_at="2099-01-01 00:00:00")
    shop.act(task, "send")
    answer = shop.act(task, "send")
    assert "scheduled or being sent" in answer["params"]["message"]
    assert shop.state(task) == "pending"
    shop.act(task, "withdraw")
    assert shop.state(task) == "draft"
