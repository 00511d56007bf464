from lxml.builder import E

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from ...groups import GROUP_ADMIN
from .banner import insert_banner

TAKE_OVER = "mail.mail_activity_data_todo"


class DirectmailOwned(models.AbstractModel):
    """Records that are read with the rights of their owner (`user_id`).

    Users own the records that they create. Only an administrator can appoint another owner, who
    must agree (`action_take_over`) before anything is read with their rights. Owners must agree
    again when another user changes what is read.
    """

    _name = "directmail.owned"
    _description = "Record With the Rights of Its Owner"
    _inherit = ["directmail.guarded", "directmail.notifying"]
    _guarded_fields = frozenset(("owner_pending",))

    owner_pending = fields.Boolean(
        "Waiting for owner",
        readonly=True,
        copy=False,
        help="The owner is new, or somebody else changed which data is used. No data is read with"
        " the owner's rights until the owner presses Take over.",
    )
    is_owner = fields.Boolean(compute="_compute_is_owner")
    may_appoint = fields.Boolean(compute="_compute_is_owner")

    @api.model
    def _get_view(self, view_id=None, view_type="form", **options):
        """Override: add a banner about `owner_pending` with the button *Take over* to each form."""
        arch, view = super()._get_view(view_id, view_type, **options)
        if view_type == "form":
            insert_banner(arch, self._make_take_over_banner())
        return arch, view

    def _make_take_over_banner(self):
        return E.div(
            E.span(
                self.env._(
                    "The owner is new, or somebody else changed this record. No data is read with"
                    " the owner's rights until the owner presses Take over."
                ),
                invisible="is_owner",
            ),
            E.span(
                self.env._(
                    "You are the new owner, or somebody else changed this record. Its data will be"
                    " read with your rights. Check it, then take over if you agree."
                ),
                invisible="not is_owner",
            ),
            E.button(
                name="action_take_over",
                type="object",
                string=self.env._("Take over"),
                invisible="not is_owner",
                **{"class": "btn-primary ms-2"},
            ),
            role="status",
            invisible="not owner_pending",
            **{"class": "alert alert-warning mb-0"},
        )

    @api.depends("user_id")
    @api.depends_context("uid")
    def _compute_is_owner(self):
        may_appoint = self.env.user.has_group(GROUP_ADMIN)
        for record in self:
            record.is_owner = record.user_id == self.env.user
            record.may_appoint = may_appoint

    @api.constrains("user_id", "company_id")
    def _check_owner(self):
        for record in self:
            # sudo() reads only in which companies the owner works.
            if record.company_id and record.company_id not in record.user_id.sudo().company_ids:
                raise ValidationError(
                    self.env._(
                        "%(owner)s can't be the owner of %(record)s, because this user does not"
                        " have access to the company %(company)s.",
                        owner=record.user_id.name,
                        company=record.company_id.name,
                        record=record.display_name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        # Check the records, not vals_list: the context and stored defaults may set user_id, too.
        records._settle_owner()
        return records

    def write(self, vals):
        if "user_id" not in vals:
            return super().write(vals)
        self._check_may_appoint(self.env["res.users"].browse(vals["user_id"]))
        changed = self.filtered(lambda record: record.user_id.id != vals["user_id"])
        # Delete the request to a former owner who has not agreed yet.
        changed.filtered("owner_pending")._end_waiting()
        res = super().write(vals)
        changed._settle_owner()
        return res

    def copy_data(self, default=None):
        # The current user owns the copy, so that their rights count.
        return super().copy_data({"user_id": self.env.uid, **(default or {})})

    def _settle_owner(self):
        """Ask new owners to take over, unless they are the current user.

        :raise AccessError: the current user may not appoint another owner
        :raise ValidationError: the new owner lacks the rights to own the record
        """
        if self.env.su:
            return
        appointed = self.filtered(lambda record: record.user_id != self.env.user)
        appointed._check_may_appoint(appointed.user_id)
        for record in appointed:
            problem = record.user_id._find_directmail_loss(record.company_id)
            if problem:
                raise ValidationError(problem)
        (self - appointed).filtered("owner_pending")._end_waiting()
        appointed._wait_for_owner(is_new=True)

    def _check_may_appoint(self, owners):
        """Refuse other owners than the current user, except to administrators and the superuser.

        :raise AccessError: the current user may not appoint these owners
        """
        if self.env.su or owners <= self.env.user or self.env.user.has_group(GROUP_ADMIN):
            return
        raise AccessError(
            self.env._(
                "Only an administrator can change the owner, because the data is read with the"
                " owner's rights."
            )
        )

    def _wait_for_owner(self, is_new=False):
        """Set `owner_pending`, so that nothing is read with the owner's rights, and ask the owner.

        Does nothing for the superuser, and for records that the current user owns.

        :param is_new: whether the owner was appointed just now
        """
        if self.env.su:
            return
        for record in self.sudo():
            if record.user_id != self.env.user:
                # sudo(): the field is guarded; callers have checked the right to write the record.
                record.owner_pending = True
                record._ask_owner(self.env.user, is_new)

    def _ask_owner(self, user, is_new):
        """Schedule an activity that asks the owner to take over.

        :param user: the user who appointed the owner or changed the record
        :param is_new: as for `_wait_for_owner`
        """
        self.ensure_one()
        here = self._with_owner_language()
        names = {"user": user.name, "record": here.display_name}
        if is_new:
            note = here.env._(
                "%(user)s made you the owner of %(record)s. Its data will be read with your"
                " rights. Open it, check its settings, and press Take over if you agree. Until"
                " then, nothing is read with your rights.",
                **names,
            )
        else:
            note = here.env._(
                "%(user)s changed which data %(record)s uses. This data will be read with your"
                " rights. Open it, check its settings, and press Take over if you agree. Until"
                " then, nothing is read with your rights.",
                **names,
            )
        self._close_activities(TAKE_OVER)
        self._ask_user(
            self.user_id,
            here.env._("Check, then press Take over"),
            note,
            TAKE_OVER,
        )

    def _end_waiting(self):
        # sudo(): the field is guarded. `action_take_over` is for the owner only, others have
        # checked the right to appoint an owner.
        self.sudo().owner_pending = False
        self._close_activities(TAKE_OVER)

    def action_take_over(self):
        """Agree, as their owner, that these records are read with one's own rights.

        :raise AccessError: the current user is not the owner
        """
        self.check_access("read")
        if any(record.user_id != self.env.user for record in self):
            raise AccessError(self.env._("Only the new owner can take over."))
        self._end_waiting()
        return True

    def _check_taken_over(self):
        """Refuse records whose owner has not agreed yet (`owner_pending`).

        :raise UserError: the message says what to do
        """
        for record in self.sudo():
            # sudo() reads whether the owner has agreed, and names for the message.
            if record.owner_pending:
                raise UserError(
                    self.env._(
                        "%(record)s is read with the rights of %(owner)s, who has not agreed yet."
                        " Ask %(owner)s to open it and press Take over.",
                        owner=record.user_id.name,
                        record=record.display_name,
                    )
                )

    def _with_owner_language(self):
        """Return the record in the language and time zone of its owner, who reads its messages."""
        owner = self.user_id
        return self.with_context(lang=owner.lang, tz=owner.tz)

    def _get_owner_env(self, to_check=False):
        """Return an environment with the owner's rights, limited to the record's company.

        :param to_check: only to check settings against these rights: the owner need not have agreed
        :raise UserError: the owner has not agreed, has left the company, or has lost the group
        """
        self.ensure_one()
        if not to_check:
            self._check_taken_over()
        # sudo() reads owner and company; the environment that is returned has the owner's rights
        # only.
        record = self.sudo()
        problem = record.user_id._find_directmail_loss(record.company_id)
        if problem:
            raise UserError(
                self.env._(
                    "%(record)s can't be read with its owner's rights any more. %(reason)s Ask an"
                    " administrator to appoint a new owner.",
                    record=record.display_name,
                    reason=problem,
                )
            )
        return record.user_id.with_env(self.env)._get_directmail_env(record.company_id)
