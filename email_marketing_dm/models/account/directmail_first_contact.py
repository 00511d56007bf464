import base64
import contextlib
import json
import logging

import psycopg2

from odoo import api, fields, models, release
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...directmail import probe
from ...directmail.behaviors import BEHAVIORS
from ...engine.claim import add_usage, lock_gate
from ...engine.content import get_database_uuid
from ...groups import GROUP_ADMIN
from ...privacy.address import normalise
from ...privacy.tokens import make_token
from .directmail_first_contact_step import SETTLED

_logger = logging.getLogger(__name__)
TOKEN_KIND = "first"
#: step -> the steps that must be over (SETTLED, so failed ones too) before it begins
AFTER = {
    "quota": ("clock",),
    "actions": ("quota",),
    "domain": ("quota",),
    "address": (),
    "template": ("actions",),
    "review": ("template",),
    "mail": ("review",),
    "eyes": ("mail",),
    "records": ("mail",),
    "push": ("mail",),
    "cleanup": ("review", "eyes", "records", "push"),
}
#: steps whose failure stops First contact, because all later ones would fail too
VITAL = ("clock", "quota")
POLLED = ("review", "records", "push")
ANSWERS = (
    "answer_name", "answer_subject", "answer_emoji", "answer_direction", "answer_reply",
)  # fmt: skip
SECONDS_ALONE = 120  # a step that has been running for longer counts as interrupted


class DirectmailFirstContact(models.Model):
    """First contact: finds out on a real account what DirectMail's documents leave open.

    Its steps run one after the other, each in transactions of its own, so that an interrupted run
    continues at the step where it stopped.
    """

    _name = "directmail.first.contact"
    _description = "First Contact with DirectMail"
    _inherit = ["directmail.guarded", "directmail.of.company"]
    _rec_name = "account_id"
    _guarded_fields = frozenset(
        (
            "account_id",
            "adapted",
            "email",
            "mail_mode",
            "mailed_at",
            "remote_ref",
            "round",
            "started_at",
            "tag_name",
            "tag_ref",
            "user_id",
        )
    )

    account_id = fields.Many2one(
        "directmail.account", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="account_id.company_id", store=True, index=True)
    user_id = fields.Many2one("res.users", "Mail goes to", readonly=True, ondelete="set null")
    email = fields.Char(related="user_id.email", string="Address")
    sender_id = fields.Many2one(
        "directmail.sender",
        "Sender address",
        domain="[('account_id', '=', account_id), ('ready', '=', True)]",
        ondelete="set null",
        check_company=True,
    )
    reply_to = fields.Char(
        "Replies go to",
        help="Replies to the test mail go to this address, so that you can check whether they"
        " arrive. Leave it empty to use the sender address.",
    )
    started_at = fields.Datetime("Started", readonly=True)
    round = fields.Integer(default=1, readonly=True)
    adapted = fields.Boolean(readonly=True)  # an answer changed value_escaping: mail sent again
    remote_ref = fields.Char(readonly=True)
    tag_name = fields.Char(readonly=True)
    tag_ref = fields.Char(readonly=True)
    mailed_at = fields.Datetime(readonly=True)
    mail_mode = fields.Selection([("template", "Template"), ("body", "Body")], readonly=True)
    step_ids = fields.One2many(
        "directmail.first.contact.step", "contact_id", "Steps", readonly=True
    )
    behavior_ids = fields.One2many(related="account_id.behavior_ids")
    state = fields.Selection(
        [
            ("todo", "Not started"),
            ("waiting", "Waiting for DirectMail"),
            ("asked", "Your answers are needed"),
            ("done", "Done"),
            ("failed", "Stopped"),
        ],
        compute="_compute_state",
    )
    progress = fields.Float(compute="_compute_state")
    asks = fields.Boolean(compute="_compute_state")
    may_send_again = fields.Boolean(compute="_compute_state")
    expected_html = fields.Html(compute="_compute_expected_html", sanitize=False)
    answer_name = fields.Selection(
        [
            ("right", "Hello O'Brien & Sons,"),
            ("codes", "Hello O&#x27;Brien &amp; Sons,"),
            ("other", "Something else"),
        ],
        "What does the first line say?",
    )
    answer_subject = fields.Selection(
        [
            ("template", "First contact: subject A, O'Brien & Sons"),
            ("call", "First contact: subject B, O'Brien & Sons"),
            ("other", "Something else"),
        ],
        "What is the subject?",
    )
    answer_emoji = fields.Selection(
        [("yes", "Yes"), ("no", "No")], "Do you see both emoji, a smiley and a person?"
    )
    answer_direction = fields.Selection(
        [("yes", "Yes"), ("no", "No")], "Is the Hebrew line the same as on this page?"
    )
    answer_reply = fields.Selection(
        [("yes", "Yes"), ("no", "No"), ("skip", "I did not try")],
        "Reply to the mail. Did your reply arrive?",
    )
    diagnostics = fields.Binary(compute="_compute_diagnostics", groups=GROUP_ADMIN)
    _account_unique = models.UniqueIndex(
        "(account_id)", "First contact already exists for this account."
    )

    @api.depends("account_id.name")
    def _compute_display_name(self):
        for contact in self:
            contact.display_name = self.env._("First contact: %s", contact.account_id.name)

    @api.depends("step_ids.state")
    def _compute_state(self):
        for contact in self:
            states = {step.name: step.state for step in contact.step_ids}
            over = [state for state in states.values() if state in SETTLED]
            contact.progress = 100 * len(over) / max(1, len(states))
            contact.asks = states.get("eyes") == "asked"
            contact.may_send_again = (
                states.get("mail") in SETTLED
                and "cleanup" in states
                and (states["cleanup"] == "todo")
            )
            if not over and "running" not in states.values():
                contact.state = "todo"
            elif len(over) == len(states):
                contact.state = "done"
            elif any(states.get(name) == "failed" for name in VITAL):
                contact.state = "failed"
            else:
                contact.state = "asked" if contact.asks else "waiting"

    @api.depends("account_id")
    def _compute_expected_html(self):
        for contact in self:
            contact.expected_html = self.env["ir.qweb"]._render(
                "email_marketing_dm.directmail_first_contact_expected",
                {"name": probe.NAME, "emoji": probe.EMOJI, "right_to_left": probe.RIGHT_TO_LEFT},
            )

    # === ACTIONS === #

    @api.model
    def _open(self, account):
        """Return an account's first contact, created if there is none.

        sudo(): the fields are guarded; the button has checked write access to the account.
        """
        contact = self.sudo().search([("account_id", "=", account.id)])
        if not contact:
            self.env["directmail.behavior"]._complete(account)
            sender = account.sender_ids.filtered("ready")[:1]
            contact = self.sudo().create(
                {
                    "account_id": account.id,
                    "user_id": self.env.uid,
                    "sender_id": sender.id,
                    "reply_to": sender._get_reply_address() or account.reply_to,
                    "step_ids": [
                        fields.Command.create({"name": name, "sequence": number})
                        for number, name in enumerate(("clock", *AFTER))
                    ],
                }
            )
        return contact.sudo(False)

    def action_run(self):
        """Run the steps that are due, until DirectMail or the administrator must answer.

        :raise UserError: something must be entered first
        """
        self.ensure_one()
        self.check_access("write")
        self._check_ready()
        self._run()
        return self._reload()

    def action_check_again(self):
        """Run the failed and warned steps again, except the mail, which costs quota."""
        self.ensure_one()
        self.check_access("write")
        with self._new_transaction() as contact:
            again = contact.step_ids.filtered(
                lambda step: step.state in ("failed", "warning") and step.name != "mail"
            )
            if "template" in again.mapped("name"):
                # The step may create a template this time, to be reviewed and deleted at the end.
                again |= contact._get_step("review") | contact._get_step("cleanup")
            again.write({"state": "todo"})
        return self.action_run()

    def action_send_again(self):
        """Send the mail again."""
        self.ensure_one()
        self.check_access("write")
        if not self.may_send_again:
            raise UserError(self.env._("There is no test mail to send again at the moment."))
        with self._new_transaction() as contact:
            contact._reset("mail", "eyes", "records", "push")
        return self.action_run()

    def action_restart(self):
        """Start again with all steps; an observed behavior stays until a step observes another."""
        self.ensure_one()
        self.check_access("write")
        # sudo(): writing was checked above; steps and fields are guarded.
        if any(step.state not in (*SETTLED, "todo") for step in self.sudo().step_ids):
            raise UserError(
                self.env._("First contact is still running. Finish it before you start over.")
            )
        self.sudo()._reset("clock", *AFTER)
        self.sudo().write({"started_at": False, "user_id": self.env.uid})
        return True

    def action_answer(self):
        """Store the administrator's answers about the received mail, and run the next steps."""
        self.ensure_one()
        self.check_access("write")
        # sudo(): writing was checked above; steps are guarded.
        if self.sudo()._get_step("eyes").state != "asked":
            raise UserError(self.env._("The test mail has not been sent yet."))
        if not all(self[name] for name in ANSWERS):
            raise UserError(self.env._("Answer all questions first."))
        self.env.flush_all()
        with self._new_transaction() as contact:
            contact._get_step("eyes")._take_answers()
        return self.action_run()

    def action_download(self):
        """Download the diagnostics, which contain no secrets, addresses or names."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/{self._name}/{self.id}/diagnostics"
            f"/directmail-diagnostics-{self.account_id.id}.json?download=true",
            "target": "download",
        }

    # === BUSINESS === #

    def _reset(self, *names):
        """Set steps to do again and begin a new round, without the answers of the last one."""
        self.step_ids.filtered(lambda step: step.name in names).write(
            {"state": "todo", "message": False, "code": False, "ended_at": False}
        )
        self.write({"round": self.round + 1, "adapted": False, **dict.fromkeys(ANSWERS, False)})

    def _get_step(self, name):
        return self.step_ids.filtered(lambda step: step.name == name)

    def _check_ready(self):
        account = self.account_id
        # sudo(): the action has checked write access; only whether a secret is there is told.
        if not account.sudo().has_secret:
            raise UserError(self.env._("Enter the AccessKey ID and secret of the account first."))
        if not normalise(self.sudo().user_id.email or ""):
            raise UserError(
                self.env._(
                    "%s has no email address, so the test mail can't be sent. Enter one in the"
                    " user's preferences.",
                    self.sudo().user_id.name,
                )
            )
        if not self.sender_id.ready or self.sender_id.account_id != account:
            raise UserError(
                self.env._(
                    "Choose a sender address that can send marketing mail. If there is none,"
                    " create a batch sender on a verified domain in DirectMail's console, then"
                    " synchronize the account."
                )
            )

    def _run(self):
        """Run every step that is due; each begins and ends in transactions of its own.

        The begin is committed before the step calls DirectMail, so that an interrupted mail step is
        recognized and its mail is not sent twice.
        """
        tried = set()
        while True:
            with self._new_transaction() as contact:
                step = contact._take_step(tried)
                if not step:
                    return
                name, lost = step.name, step._begin()
            tried.add(name)
            try:
                with self._new_transaction() as contact:
                    contact._get_step(name)._perform(lost)
            except psycopg2.errors.SerializationFailure:
                if name != "push":
                    raise

                # The event arrived while the step called DirectMail, and has settled the step.

    @contextlib.contextmanager
    def _new_transaction(self):
        """Yield this record as superuser, in a transaction that is committed at the end.

        Callers have checked rights: the buttons need write access, which administrators have.
        """
        with self.env.registry.cursor() as cr:
            yield self.with_env(self.env(cr=cr, su=True))

    def _take_step(self, tried):
        """Return the next step to run, or an empty recordset.

        Locks this record, so that two runs don't take the same step. A running step that has been
        interrupted (SECONDS_ALONE) is returned again; another running step ends this run.

        :param tried: names of the steps that this run has carried out
        """
        self.env.cr.execute(
            SQL("SELECT id FROM directmail_first_contact WHERE id = %s FOR UPDATE", self.id)
        )
        now = fields.Datetime.now()
        for step in self.step_ids:
            if step.state == "running":
                if (now - step.started_at).total_seconds() < SECONDS_ALONE:
                    return step.browse()
                return step
        states = {step.name: step.state for step in self.step_ids}
        if any(states[name] == "failed" for name in VITAL):
            return self.step_ids.browse()
        for step in self.step_ids:
            due = step.state == "todo" or (step.state == "waiting" and step.name in POLLED)
            ready = all(states[name] in SETTLED for name in AFTER.get(step.name, ()))
            if due and ready and step.name not in tried:
                if not self.started_at:
                    self.started_at = now
                return step
        return self.step_ids.browse()

    def _take_quota(self):
        """Count the mail against the account's quota, under the gate lock.

        :raise UserError: no quota is left today
        """
        lock_gate(self.env)
        if self.account_id._get_capacity().quota < 1:
            raise UserError(
                self.env._(
                    "Today's quota of the DirectMail account is used up. Try again after midnight"
                    " in Beijing."
                )
            )
        add_usage(self.env, self.account_id.id, 1)

    def _get_token(self):
        """Return the token of this round's mail, by which `_recognise` finds its events."""
        key = self.env["directmail.keyring"]._get_master_key()
        kind = f"{TOKEN_KIND}-{self.round}"
        return make_token(key, get_database_uuid(self.env), kind, self.id)

    @api.model
    def _cron_poll(self):
        """Run the waiting steps of all first contacts, for users who have left the page."""
        # sudo(): the cron calls this, not a user.
        waiting = self.sudo().search([("step_ids.state", "=", "waiting")])
        for contact in waiting.filtered(lambda contact: contact.account_id._is_armed()):
            try:
                contact._run()
            except UserError as error:
                _logger.warning("First contact of account %s: %s", contact.account_id.id, error)

    @api.model
    def _recognise(self, account, tokens):
        """Return the account's first contact if one of the tokens is its mail's, else none.

        Called only for events of mails that no email task knows; costs one read.
        """
        # sudo(): events are imported by the cron, not by a user.
        contact = self.sudo().search([("account_id", "=", account.id)])
        return contact if contact and contact._get_token() in tokens else contact.browse()

    def _compute_diagnostics(self):
        for contact in self:
            # sudo(): the field is for administrators; `_describe` contains no secrets.
            text = json.dumps(contact.sudo()._describe(), indent=2, ensure_ascii=False)
            contact.diagnostics = base64.b64encode(text.encode())

    def _describe(self):
        """Return the content of the diagnostics, without secrets, addresses and names."""
        account = self.account_id
        behaviors = account._get_behaviors()
        rows = account.behavior_ids.grouped("name")
        # sudo(): users may not read modules; only the version is told.
        module = self.env["ir.module.module"].sudo().search([("name", "=", "email_marketing_dm")])
        return {
            "addon": module.latest_version,
            "odoo": release.version,
            "region": account.region,
            "test_mode": account.test_mode,
            "content_mode": account.content_mode,
            "started_at": _stamp(self.started_at),
            "mailed_at": _stamp(self.mailed_at),
            "steps": [
                {
                    "step": step.name,
                    "state": step.state,
                    "code": step.code or "",
                    "ended_at": _stamp(step.ended_at),
                }
                for step in self.step_ids
            ],
            "behaviors": [
                {
                    "behavior": behavior.name,
                    "assumed": behavior.assumed,
                    "found": (row := rows.get(behavior.name, account.behavior_ids.browse()))
                    and row.observed
                    or "",
                    "in_use": behaviors[behavior.name],
                    "step": row.step or "",
                    "at": _stamp(row.observed_at),
                }
                for behavior in BEHAVIORS
            ],
        }

    def _reload(self):
        return {"type": "ir.actions.client", "tag": "soft_reload"}


def _stamp(moment):
    return moment.isoformat() + "Z" if moment else ""
