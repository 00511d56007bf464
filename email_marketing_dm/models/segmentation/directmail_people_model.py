from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.service.model import retrying

from odoo.addons.base.models.res_partner import _tz_get

from ...clock.daily import next_daily
from ...engine.people_models import Today, read_moves, replace_results
from ...engine.person import person_columns
from ...exceptions import BusyError


class DirectmailPeopleModel(models.AbstractModel):
    """The common part of RFM and AIPL models.

    Once a day the cron sorts contacts into groups, in one statement, with the rights of the model's
    owner. A failure is written to `compute_error`, and the previous results stay.
    """

    _name = "directmail.people.model"
    _description = "Model That Sorts Contacts Every Day"
    _inherit = [
        "directmail.owned",
        "directmail.of.company",
        "directmail.scheduled",
        "directmail.used",
        "mail.thread",
    ]
    _order = "sequence, name, id"
    _due_field = "next_run_at"
    _error_field = "compute_error"
    _guarded_fields = frozenset(
        (
            "compute_error",
            "computed_at",
            "computed_on",
            "moves_since",
            "next_run_at",
            "people_count",
        )
    )

    #: name of the model with one row per contact, and its columns, the last of which is the group
    _result_model = None
    _result_columns = ()
    #: columns of `_result_model` that are added up per group for `_write_segments`
    _result_sums = ()
    #: names of the models with the segments per group, and per group and day
    _segment_model = None
    _history_model = None
    #: the field of `directmail.audience.line` that refers to this model
    _line_field = None
    name = fields.Char(required=True, tracking=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    user_id = fields.Many2one(
        "res.users",
        "Owner",
        required=True,
        default=lambda self: self.env.user,
        tracking=True,
        help="The model is computed with the owner's rights: records that the owner may not see are"
        " ignored.",
    )
    hour = fields.Float(
        "Every day at",
        compute="_compute_hour",
        inverse="_inverse_hour",
        help="Applies to all RFM and AIPL models of the company.",
    )
    tz = fields.Selection(
        _tz_get,
        "Time zone",
        compute="_compute_tz",
        inverse="_inverse_tz",
        help="Decides when a day begins, for all RFM and AIPL models of the company.",
    )
    people_count = fields.Integer("People", readonly=True, copy=False)
    computed_at = fields.Datetime("Last computed", readonly=True, copy=False)
    computed_on = fields.Date(readonly=True, copy=False)
    compute_error = fields.Text("Computation error", readonly=True, copy=False)
    next_run_at = fields.Datetime("Next computation", readonly=True, copy=False, index=True)
    left_count = fields.Integer(
        "Left",
        compute="_compute_left_count",
        help="People who were in the model on the day before and no longer are.",
    )

    # === COMPUTE === #

    @api.depends("company_id.directmail_models_hour")
    def _compute_hour(self):
        for model in self:
            # sudo() reads the schedule only, which users who may read the model may see.
            model.hour = model.company_id.sudo().directmail_models_hour

    def _inverse_hour(self):
        # sudo(): writing the model, which is checked before, includes its schedule, which is kept
        # on the company. Marketing users may not write companies.
        for model in self:
            company = model.company_id.sudo()
            if company.directmail_models_hour != model.hour:
                company.directmail_models_hour = model.hour

    # One compute per field: with a shared compute, writing `hour` would recompute `tz`.
    @api.depends("company_id.directmail_models_tz")
    def _compute_tz(self):
        for model in self:
            # sudo() reads the time zone only, as in `_compute_hour`.
            model.tz = model.company_id.sudo().directmail_models_tz or model.env.user.tz or "UTC"

    def _inverse_tz(self):
        for model in self:
            company = model.company_id.sudo()
            # sudo(): as in `_inverse_hour`.
            if company.directmail_models_tz != model.tz:
                company.directmail_models_tz = model.tz

    @api.depends("computed_at")
    def _compute_left_count(self):
        history = self.env[self._history_model]
        for model in self:
            [(people,)] = history._read_group(model._get_left_domain(), [], ["people:sum"])
            model.left_count = people

    def _get_left_domain(self):
        """Return the domain of history rows of people who left by the last computation."""
        history = self.env[self._history_model]
        return [
            (history._owner_field, "in", self.ids),  # empty for a new, unsaved model
            (history._group_field, "=", False),
            ("date", "=", self.computed_on),
        ]

    # === CRUD === #

    @api.model_create_multi
    def create(self, vals_list):
        created = super().create(vals_list)
        created._check_rights()
        created._make_segments()
        created._schedule()
        return created

    def write(self, vals):
        result = super().write(vals)
        if "active" in vals:
            self._schedule()
        return result

    def _check_rights(self):
        """Hook: check that the current user, besides the owner, may read the data tables.

        :raise AccessError: naming the table or the field
        """

    def _get_using(self):
        """Override: audiences with a line that uses the model."""
        # sudo(): audiences of all users count; `_check_unused` names only those that the current
        # user may read.
        lines = self.env["directmail.audience.line"].sudo()
        return [lines.search([(self._line_field, "in", self.ids)]).audience_id]

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        if "name" not in (default or {}):
            for model, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", model.name)
        return vals_list

    def _make_segments(self):
        """Create a row of segments for each group."""
        owner = self.env[self._result_model]._owner_field
        segments = self.env[self._segment_model].sudo()
        # sudo(): segments are written by the addon only; `create` has checked the rights to the
        # model.
        group = self.env[self._result_model]._group_field
        segments.create(
            [
                {owner: model.id, group: name}
                for model in self
                for name, _label in segments._fields[group].selection
            ]
        )

    # === ACTIONS === #

    def action_compute(self):
        """Compute now; on failure, write `compute_error` and keep the results."""
        for model in self:
            model.check_access("write")
            model._compute_results()
        return True

    def action_view_people(self):
        """Open all contacts in this model."""
        self.ensure_one()
        return self._open(self._result_model)

    def action_view_history(self):
        """Open the number of people per group and day."""
        self.ensure_one()
        return self._open(self._history_model)

    def action_view_movement(self):
        """Open the contacts by their group and their group on the day before."""
        self.ensure_one()
        return self._open(self._result_model, "movement")

    def action_view_left(self):
        """Open the number of people who left the model since the day before, per group."""
        self.ensure_one()
        action = self._open(self._history_model)
        action.update(
            display_name=self.env._("%s: left since the day before", self.name),
            domain=self._get_left_domain(),
            context={},
            views=[(False, "list")],
            view_mode="list",
        )
        return action

    def _open(self, model_name, variant=""):
        self.check_access("read")
        name = f"{model_name.replace('.', '_')}_action" + (f"_{variant}" if variant else "")
        action = self.env["ir.actions.act_window"]._for_xml_id(f"email_marketing_dm.{name}")
        action["domain"] = [(self.env[model_name]._owner_field, "=", self.id)]
        action["display_name"] = f"{self.name}: {action['name']}"
        return action

    # === BUSINESS === #

    def _compute_results(self, now=None):
        """Sort the contacts into groups again.

        A failure is written to `compute_error`, and the results stay.

        :param datetime now: compute as of this moment (naive UTC); by default, the present
        :return: whether the model was computed
        :rtype: bool
        :raise BusyError: if another transaction has locked the model
        """
        self.ensure_one()
        # sudo(): `action_compute` has checked the right to write; the cron computes all models.
        # Facts are read with the rights of the model's owner.
        model = self.sudo()
        if not model.try_lock_for_update(allow_referencing=True):
            raise BusyError(
                self.env._("%s is being computed at the moment. Try again in a minute.", self.name)
            )
        today = Today(now or fields.Datetime.now(), model._get_tz())
        people = model._try_to(partial(model._replace_results, today))
        if people is None:
            return False
        model.write(
            {
                "people_count": people,
                "computed_at": today.now,
                "computed_on": today.day,
                "compute_error": False,
            }
        )
        return True

    def _select_fresh(self, today):
        """Return CTEs, the last of which is `fresh`: `partner_id` and `_result_columns`.

        :param today: an `engine.people_models.Today`
        :rtype: SQL
        :raise UserError: (or a subclass) if the model can't be computed, with the reason
        """
        raise NotImplementedError

    def _replace_results(self, today):
        """Replace results, segments and today's history, and store who moved.

        :return: the number of people in the model
        :rtype: int
        """
        results = self.env[self._result_model]
        day = self._get_move_day(today)
        fresh = self._select_fresh(today)
        if not self.computed_on:
            mode = "same"
        else:
            mode = "keep" if self.computed_on == today.day else "shift"
        self.env.flush_all()
        rows = self.env.execute_query(
            replace_results(
                self._get_groups(),
                day,
                self._result_columns,
                self._result_sums,
                fresh,
                mode,
            )
        )
        self._note_moves(day)
        results.invalidate_model()
        self.env[self._move_model].invalidate_model()
        moves = read_moves(rows, self._result_sums)
        # sudo(): results are written by the addon only; `_compute_results` says who may start this.
        left = self.env[self._history_model].sudo()._write_day(self, today.day, moves)
        self._write_segments(moves, left)
        return sum(move.people for move in moves)

    def _write_segments(self, moves, left):
        """Write the segments of each group.

        :param moves: `engine.people_models.Move`s of the people in the model
        :param left: `Move`s of the people who left the model
        """
        results = self.env[self._result_model]
        segments = self.env[self._segment_model].sudo()
        # sudo(): as in `_replace_results`.
        for segment in segments.search([(results._owner_field, "=", self.id)]):
            group = segment[results._group_field]
            inside = [move for move in moves if move.group == group]
            gone = [move for move in (*moves, *left) if move.previous == group != move.group]
            segment._write_sums(
                people=sum(move.people for move in inside),
                came=sum(move.people for move in inside if move.previous != group),
                went=sum(move.people for move in gone),
                sums={
                    column: sum(move.sums[column] for move in inside)
                    for column in self._result_sums
                },
            )

    @api.model
    def _get_shown(self, company):
        """Return the company's first model, whose groups contacts show; empty if it has none."""
        # sudo(): contacts show groups of the company's first model, of any owner. Callers tell
        # the groups of contacts that the user may read, and nothing else of the model.
        return self.sudo().search(Domain("company_id", "=", company.id), limit=1)

    def _check_own_segments(self, segments):
        """Check that rows of segments belong to this model, and return them.

        :raise UserError: if one belongs to another model
        """
        if any(segment._get_owner()._origin != self._origin for segment in segments):
            raise UserError(
                self.env._("Choose customer types or stages of the model %s.", self.name)
            )
        return segments

    def _select_people(self, env, domain):
        """Return SQL that selects the people of this model whose results match a domain.

        It includes archived contacts and contacts that the user may not see, which
        `engine.audience.select_people` removes.

        :param env: the environment whose user's rights to the model are checked
        :param Domain domain: on `_result_model`
        :return: SQL with the columns `engine.person.PERSON_COLUMNS`
        :raise AccessError: if the user may not read this model
        """
        self.ensure_one()
        self._origin.with_env(env).check_access("read")
        # sudo(): the right to read the model was just checked; `select_people` removes the contacts
        # that the user may not see.
        results = self.env[self._result_model].sudo()
        query = results._search(Domain(results._owner_field, "=", self._origin.id) & domain)
        return query.select(person_columns("partner_id", alias=results._table))

    # === SCHEDULE === #
    # The cron computes each model once a day, in its own transactions.

    def _get_tz(self):
        self.ensure_one()
        return self.company_id.directmail_models_tz or self.user_id.tz or "UTC"

    def _schedule(self):
        """Set `next_run_at` of each model, and trigger the cron for these moments."""
        # sudo(): `next_run_at` is guarded, and only administrators may trigger the cron. `create`
        # and `write` of model and company, which call this, have checked the right to write.
        for model in self.sudo():
            # Audiences that use an archived model still need fresh results.
            needed = model.active or any(model._get_using())
            model.next_run_at = needed and next_daily(
                fields.Datetime.now(), model.company_id.directmail_models_hour, model._get_tz()
            )
        self.sudo()._wake_cron()

    @api.model
    def _cron_compute(self):
        """Compute the models that are due."""
        self._run_due()

    def _run_when_due(self):
        try:
            retrying(self._schedule, self.env)
            retrying(self._compute_results, self.env)
        except BusyError:
            self.env.cr.rollback()  # locked by `action_compute`
