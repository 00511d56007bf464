"""A trial on a whole server: one command, two clicks, and the results come by themselves."""

import re
import subprocess
import sys

import pytest

from devenv import database as databases
from devenv.browser import Browser
from devenv.common import ROOT
from tests.server.common.odoo_server import OdooServer, RpcError, free_port, wait_until

BODY = (
    '<div><p>Dear friend, our <a href="https://www.odoo.com/shop">spring collection</a> is'
    " here.</p><p>Azure Interior, 1 Orchard Road, Singapore. You get this mail because you are our"
    ' customer. <a href="/unsubscribe_from_list">Unsubscribe</a>'
    ' <a href="/view">View online</a></p></div>'
)
PEOPLE = 60
HOME = "/odoo/action-email_marketing_dm.directmail_home_action"
BUBBLE = "() => document.querySelector('.o_tour_pointer_content span')?.textContent.includes('{}')"


@pytest.fixture(scope="module")
def port():
    """The port of an emulator that was started as for a trial."""
    port = free_port()
    emulator = subprocess.Popen(
        [sys.executable, "-m", "directmail_emulator", "--trial", "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = emulator.stdout.readline()
    assert re.search(rf"running at 127\.0\.0\.1:{port}\.", said), said
    yield port
    emulator.terminate()
    emulator.communicate(timeout=120)


@pytest.fixture(scope="module")
def server(port):
    """A server without an account, beside other databases: recipients find it by a header."""
    environment = {"DIRECTMAIL_TRIAL_PORT": str(port)}
    with (
        databases.temporary("trial") as name,
        OdooServer(name, environment=environment) as running,
    ):
        yield running


def test_the_bubbles_go_on_after_try_it_out(server):
    """*Show me how* begins at *Connect*, which *Try it out* does in another way."""
    admin = server.login("admin", "admin")
    with Browser() as browser:
        browser.log_in(server.url, "admin", "admin")
        browser.open(server.url + HOME, ".o_directmail_show_how")
        browser.click(".o_directmail_show_how", BUBBLE.format("Start here"))
        other = "li[data-step=connect] button:not(.btn-primary)"
        browser.click(other, ".modal button[name=action_start]")
        browser.click(".modal button[name=action_start]", BUBBLE.format("Choose who gets the mail"))
        browser.point_and_click("li[data-step=people] button")
        browser.wait(BUBBLE.format("Give your audience a name"))
    [account] = admin.call("directmail.account", "search", [[("connection", "=", "trial")]])
    admin.call("directmail.account", "action_end_trial", [[account]])


def test_a_campaign_of_a_trial_comes_alive(server):
    """Nobody presses *Check now* or *Check results*; opens and clicks come over HTTP."""
    admin = server.login("admin", "admin")
    admin.call(
        "res.partner",
        "create",
        [[{"name": f"P{i}", "email": f"p{i}@trial.example"} for i in range(PEOPLE)]],
    )
    base_url = ["web.base.url", "https://shop.example.com"]
    admin.call("ir.config_parameter", "set_param", base_url)
    wizard = admin.call("directmail.trial", "create", [{}])
    assert admin.read("directmail.trial", wizard, "is_found")["is_found"]
    assert admin.call("directmail.trial", "action_start", [[wizard]])["tag"] == "directmail_home"
    [account] = admin.call("directmail.account", "search", [[("connection", "=", "trial")]])
    with pytest.raises(RpcError, match="can't become"):
        admin.call("directmail.account", "write", [[account], {"connection": "public"}])

    line = {"domain": "[('email', 'like', '@trial.example')]"}
    values = {"name": "Everybody", "line_ids": [(0, 0, line)]}
    audience = admin.call("directmail.audience", "create", [values])
    template = admin.call(
        "directmail.template",
        "create",
        [
            {
                "name": "Spring",
                "account_id": account,
                "subject": "Spring is here",
                "sender_name": "Azure",
                "body_arch": BODY,
                "body_html": BODY,
            }
        ],
    )
    admin.call("directmail.template", "action_submit", [[template]])
    wait_until(
        lambda: admin.read("directmail.template", template, "state")["state"] == "approved",
        "the template is not approved",
    )
    [sender] = admin.call("directmail.sender", "search", [[("account_id", "=", account)]])
    task = admin.call(
        "directmail.task",
        "create",
        [
            {
                "name": "Spring",
                "account_id": account,
                "audience_ids": [(6, 0, [audience])],
                "template_id": template,
                "sender_id": sender,
            }
        ],
    )
    admin.call("directmail.task", "action_send", [[task]])

    def read(*names):
        return admin.read("directmail.task", task, *names)

    wait_until(lambda: read("state")["state"] == "done", "nothing is sent")
    wait_until(
        lambda: all(read("opened_count", "clicked_count", "delivered_count").values()),
        lambda: f"no life: {read('opened_count', 'clicked_count', 'delivered_count')}",
    )
    assert read("sent_count")["sent_count"] == PEOPLE
    assert not server.query("SELECT 1 FROM directmail_optout")
    assert "Traceback" not in server.log.read_text()
