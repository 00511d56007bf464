import logging
from datetime import datetime, timedelta, timezone

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_list, formatLang

from ...directmail import permissions, probe
from ...directmail.errors import DirectMailError

_logger = logging.getLogger(__name__)

CLOCK_SLACK = timedelta(minutes=1)  # more is a warning; DirectMail refuses 15 minutes
SETTLED = ("ok", "warning", "skipped", "failed")


class DirectmailFirstContactStep(models.Model):
    """A step of First contact. This file has the steps that leave nothing at DirectMail."""

    _name = "directmail.first.contact.step"
    _description = "Step of First Contact"
    _inherit = ["directmail.guarded"]
    _order = "contact_id, sequence, id"
    _guarded_fields = frozenset(
        ("contact_id", "name", "state", "message", "code", "started_at", "ended_at", "sequence")
    )

    contact_id = fields.Many2one(
        "directmail.first.contact", required=True, readonly=True, index=True, ondelete="cascade"
    )
    account_id = fields.Many2one(related="contact_id.account_id")
    company_id = fields.Many2one(related="account_id.company_id", store=True, index=True)
    sequence = fields.Integer(readonly=True)
    name = fields.Selection(
        [
            ("clock", "Clock"),
            ("quota", "Key and quota"),
            ("actions", "Permissions"),
            ("domain", "Sender domain"),
            ("address", "Public address"),
            ("template", "Test template"),
            ("review", "Approval"),
            ("mail", "Test mail"),
            ("eyes", "Your answers"),
            ("records", "Delivery record"),
            ("push", "Delivery event"),
            ("cleanup", "Cleaning up"),
        ],
        "Step",
        required=True,
        readonly=True,
    )
    about = fields.Text("What it does", compute="_compute_about")
    cost = fields.Text("What it costs", compute="_compute_about")
    state = fields.Selection(
        [
            ("todo", "To do"),
            ("running", "Running"),
            ("waiting", "Waiting"),
            ("asked", "Your answer is needed"),
            ("ok", "Done"),
            ("warning", "Warning"),
            ("failed", "Failed"),
            ("skipped", "Not needed"),
        ],
        "Status",
        required=True,
        readonly=True,
        default="todo",
    )
    message = fields.Text("Result", readonly=True)
    # DirectMail's error code, for the diagnostics, because the message may contain addresses.
    code = fields.Char(readonly=True)
    started_at = fields.Datetime(readonly=True)
    ended_at = fields.Datetime("When", readonly=True)

    _name_unique = models.UniqueIndex("(contact_id, name)")

    @api.depends("name")
    def _compute_about(self):
        free = self.env._("Nothing")
        words = {
            "clock": (
                self.env._("Compares this server's clock with DirectMail's."),
                free,
            ),
            "quota": (
                self.env._("Reads the account's state, quota and channel with your AccessKey."),
                free,
            ),
            "actions": (
                self.env._(
                    "Checks which operations the AccessKey may call. Each one is called without"
                    " its parameters, so that DirectMail does not carry it out."
                ),
                free,
            ),
            "domain": (
                self.env._("Reads the state of SPF, MX, DKIM and DMARC of the sender's domain."),
                free,
            ),
            "address": (
                self.env._("Checks that recipients can reach this Odoo at its public address."),
                free,
            ),
            "template": (
                self.env._(
                    "Creates a template with emoji, special characters and many variables, and"
                    " checks that DirectMail stores it unchanged."
                ),
                self.env._("One of 100 template slots until the last step"),
            ),
            "review": (
                self.env._("Waits until Alibaba Cloud's reviewers approve the test template."),
                self.env._("Up to three working days. You can leave this page."),
            ),
            "mail": (
                self.env._("Sends one mail to you, in the same way as a campaign."),
                self.env._("One mail and one tag"),
            ),
            "eyes": (
                self.env._("Asks you what the mail looks like in your mailbox."),
                self.env._("A minute of your time"),
            ),
            "records": (
                self.env._("Waits until DirectMail's records show that the mail was delivered."),
                free,
            ),
            "push": (
                self.env._(
                    "Waits for the delivery event, if DirectMail pushes its events to Odoo."
                ),
                free,
            ),
            "cleanup": (
                self.env._("Deletes the test template and its tag at DirectMail."),
                self.env._("Nothing. The template slot becomes free again."),
            ),
        }
        for step in self:
            step.about, step.cost = words.get(step.name, (False, False))

    # === BUSINESS === #

    def _begin(self):
        """Mark the step as running, and take the quota of the mail before it is sent.

        :return: whether this is a mail step that was interrupted: its mail may have been sent
        """
        self.ensure_one()
        again = self.name == "mail" and self.state == "running"
        self.write({"state": "running", "started_at": fields.Datetime.now()})
        if self.name == "mail" and not again:
            self.contact_id._take_quota()
        return again

    def _perform(self, lost=False):
        """Run the step and store its result.

        :param bool lost: the mail step was interrupted, so that its result is unknown
        """
        self.ensure_one()
        if self.state != "running":  # an event has settled it in the meantime
            return
        try:
            if lost:
                state, message, code = self._tell_lost()
            else:
                state, message, *code = getattr(self, f"_run_{self.name}")()
                code = code[0] if code else False
        except DirectMailError as error:
            state, message, code = self._explain_error(error)
        except UserError as error:
            cause = error.__cause__
            code = cause.code if isinstance(cause, DirectMailError) else False
            state, message = "failed", error.args[0]
        self.write(
            {
                "state": state,
                "message": message,
                "code": code or False,
                "ended_at": fields.Datetime.now() if state in SETTLED else False,
            }
        )

    def _tell_lost(self):
        message = self.env._(
            "Sending was interrupted, so Odoo does not know whether DirectMail accepted the mail."
            " Check your mailbox. If the mail is not there, press Send the mail again."
        )
        return "warning", message, "Interrupted"

    def _explain_error(self, error):
        """Return (state, message, code) of a step after a DirectMailError."""
        passing = error.kind in ("throttled", "server", "unreachable")
        state = "waiting" if passing and self.name in ("review", "records") else "failed"
        return state, self.account_id._explain(error), error.code

    # Steps that leave nothing at DirectMail ------------------------------------------------

    def _run_clock(self):
        client = self.account_id._get_client()
        try:
            theirs = client.read_time()
        except OSError as error:
            return (
                "failed",
                self.account_id._explain(DirectMailError("unreachable", type(error).__name__)),
                type(error).__name__,
            )
        if theirs is None:
            return "warning", self.env._(
                "DirectMail's answer did not contain the time, so the clocks could not be compared."
            )
        offset = (theirs - datetime.now(timezone.utc)).total_seconds()
        seconds = round(abs(offset))
        if seconds <= CLOCK_SLACK.total_seconds():
            return "ok", self.env._("The clocks differ by less than %s s.", seconds + 1)
        return (
            "warning" if seconds < 900 else "failed",
            self.env._(
                "This server's clock is wrong by %s seconds. DirectMail refuses calls if it is"
                " wrong by more than 15 minutes. Ask the administrator of the server to correct"
                " it.",
                seconds,
            ),
        )

    def _run_quota(self):
        account = self.account_id
        summary = account._call(lambda client: client.describe_account())
        account._read_summary(summary)
        health = dict(account._fields["health"]._description_selection(self.env))[account.health]
        message = self.env._(
            "DirectMail accepts the AccessKey. Daily quota: %(quota)s. Account status: %(health)s.",
            quota=formatLang(self.env, account.daily_quota, digits=0),
            health=health,
        )
        if summary.ip_channel_type == "backup":
            backup = self.env._(
                "DirectMail sends this account's mail through its backup channel, which is less"
                " trusted by mailbox providers. Ask Alibaba Cloud about a dedicated IP."
            )
            return "warning", f"{message}\n{backup}"
        return ("ok" if account.health == "ok" and account.daily_quota else "failed"), message

    def _run_actions(self):
        client = self.account_id._get_client()
        actions = permissions.get_checkable()
        denied, missing = self.account_id._check_actions(client, actions)
        worst = [*denied, *missing]
        if set(worst) & probe.TEMPLATE_ACTIONS:
            kind = "denied" if set(denied) & probe.TEMPLATE_ACTIONS else "missing"
            self.account_id._observe("template", template_operations=kind)
        if not worst:
            return "ok", self.env._("The AccessKey may call all %s operations.", len(actions))
        vital = "SingleSendMail" in worst
        sentences = self.account_id._explain_actions(denied, missing)
        return "failed" if vital else "warning", sentences, "Forbidden.RAM"

    def _run_domain(self):
        sender = self.contact_id.sender_id
        name = sender._get_domain()
        if not sender._read_domain(self.account_id._get_client()):
            return "warning", self.env._("DirectMail does not list the domain %s.", name)
        bad = [row["kind"] for row in sender.dns_records if row["state"] != "verified"]
        if not bad:
            return "ok", self.env._("SPF, MX, DKIM and DMARC of %s are verified.", name)
        return "warning", self.env._(
            "Not verified for %(domain)s: %(records)s. Mailbox providers may reject or hide your"
            " mail. Add the DNS records that the page of the sender address shows.",
            domain=name,
            records=format_list(self.env, bad),
        )

    def _run_address(self):
        account = self.account_id
        problem = account._explain_public_url()
        if problem:
            return "failed", problem
        if account.test_mode:
            return "skipped", self.env._(
                "The account is in test mode, so %s does not have to be reachable from the"
                " internet.",
                account.public_url,
            )
        kind, sentence = account._check_public_address()
        if kind != "ok":
            return {"unchecked": "skipped", "problem": "failed"}[kind], sentence
        account.action_test_push()  # raises UserError if the address leads elsewhere
        return "ok", sentence
