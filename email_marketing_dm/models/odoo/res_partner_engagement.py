from odoo import api, fields, models

from ...engine.engagement import DAYS, QUIET_DAYS, read_people
from ...engine.people_models import Today
from ...groups import GROUP_USER


class ResPartner(models.Model):
    """What a contact did with the emails that they received.

    Mails of email tasks that the reader may read count, as in lines about engagement. Nothing is
    stored: the figures change with the reader, and with the answers about being measured.
    """

    _inherit = "res.partner"

    directmail_received_count = fields.Integer(
        "Emails received",
        compute="_compute_directmail_engagement",
        groups=GROUP_USER,
        help="Emails of email tasks that you may see.",
    )
    directmail_opened_count = fields.Integer(
        "Emails opened",
        compute="_compute_directmail_engagement",
        groups=GROUP_USER,
        help="Opens by machines, and those of emails whose opens were not recorded, do not count.",
    )
    directmail_clicked_count = fields.Integer(
        "Emails clicked", compute="_compute_directmail_engagement", groups=GROUP_USER
    )
    directmail_last_activity = fields.Datetime(
        "Last open or click", compute="_compute_directmail_engagement", groups=GROUP_USER
    )
    directmail_engagement = fields.Selection(
        [
            ("engaged", "Engaged"),
            ("cooling", "Cooling"),
            ("asleep", "Asleep"),
            ("resting", "Not mailed for a long time"),
            ("unknown", "Not known: opens not recorded"),
        ],
        "Engagement",
        compute="_compute_directmail_engagement",
        groups=GROUP_USER,
        help="Engaged people opened or clicked an email within the last 30 days, cooling people"
        " within the last 90. People are asleep if they did neither for 90 days, although they"
        " received emails. Of people whose opens may not be recorded it is not known.",
    )

    directmail_engagement_ids = fields.One2many(
        "directmail.contact.engagement",
        "partner_id",
        "Engagement with emails",
        readonly=True,
        prefetch=False,
        groups=GROUP_USER,
        help="For filters: what the contact did with the emails that they received. Contacts whose"
        " opens may not be recorded have no record.",
    )

    @api.depends_context("uid", "company")
    def _compute_directmail_engagement(self):
        # Not with all rights, if the caller has them: see `_select_mails`.
        env = self.env.user._get_directmail_env(self.env.company)(su=self.env.su)
        today = Today(fields.Datetime.now(), env.context.get("tz") or "UTC")
        mails = env["directmail.audience.line"]._select_mails(env, self._origin.ids)
        self.env["directmail.delivery"].flush_model()
        self.env["res.partner"].flush_model(["country_id"])
        people = read_people(
            env, mails, today.begin(DAYS, False), today.begin(QUIET_DAYS, False)
        )  # fmt: skip
        for partner in self:
            (
                partner.directmail_received_count,
                partner.directmail_opened_count,
                partner.directmail_clicked_count,
                partner.directmail_last_activity,
                partner.directmail_engagement,
            ) = people.get(partner._origin.id, (0, 0, 0, False, False))
