from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ...engine.versions import LETTERS
from ..template.directmail_template_content import CONTENT, split_content

#: figures that `directmail.task._store_figures` writes
FIGURES = ("assigned", "mailed", "delivered", "opened", "clicked", "converted")
#: further ones: of the mailed people, those whose opens or clicks are recorded
BASES = ("open_base", "click_base")


class DirectmailTaskVersion(models.Model):
    """A version of an email task's A/B test.

    Version A sends the task's own mail and has no template. The others have a template of their
    own: a chosen one, or one that is made when the content is changed on the version's form.
    """

    _name = "directmail.task.version"
    _description = "Version of an A/B Test"
    _inherit = ["directmail.guarded", "directmail.of.company", "directmail.template.content"]
    _order = "task_id, letter"
    _rec_name = "letter"
    _template_paths = ("template_id", "task_id.template_id")
    _guarded_fields = frozenset(
        (*(f"{name}_count" for name in FIGURES), *BASES, "family_content_id", "revenue")
    )

    task_id = fields.Many2one(
        "directmail.task", "Email task", required=True, index=True, ondelete="cascade"
    )
    account_id = fields.Many2one(related="task_id.account_id")
    company_id = fields.Many2one(related="task_id.company_id", store=True, index=True)
    letter = fields.Selection([(letter, letter) for letter in LETTERS], "Version", required=True)
    template_id = fields.Many2one(
        "directmail.template",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        domain="[('account_id', '=', account_id)]",
        help="Version A sends the mail of the email task. Choose another template for this version,"
        " or change the subject or the text here: your changes are saved as a new template.",
    )
    template_state = fields.Selection(
        lambda self: (
            self.env["directmail.template"]._fields["state"]._description_selection(self.env)
        ),
        "Review",
        compute="_compute_template_state",
    )
    is_winner = fields.Boolean("Winner", compute="_compute_is_winner")
    # 0 where figures are rounded to tens: lists and files have `assigned_text`.
    assigned_count = fields.Integer(
        "Number of assigned people", readonly=True, copy=False, exportable=False
    )
    mailed_count = fields.Integer("Mailed", readonly=True, copy=False)
    open_base = fields.Integer("Mailed, opens recorded", readonly=True, copy=False)
    click_base = fields.Integer("Mailed, clicks recorded", readonly=True, copy=False)
    delivered_count = fields.Integer("Delivered", readonly=True, copy=False)
    opened_count = fields.Integer("Opened", readonly=True, copy=False)
    clicked_count = fields.Integer("Clicked", readonly=True, copy=False)
    converted_count = fields.Integer("Converted", readonly=True, copy=False)
    currency_id = fields.Many2one(related="task_id.currency_id")
    revenue = fields.Monetary(readonly=True, copy=False)
    # Id of a `directmail.family.content`, as `directmail.task.family_content_id`: see `_enroll`.
    family_content_id = fields.Integer(readonly=True, copy=False, groups=fields.NO_ACCESS)

    _letter_unique = models.UniqueIndex(
        "(task_id, letter)", "An email task can have each version only once."
    )

    @api.depends("letter")
    def _compute_display_name(self):
        for version in self:
            version.display_name = self.env._("Version %s", version.letter)

    @api.depends("template_id.state", "task_id.template_id.state", "letter")
    def _compute_template_state(self):
        for version in self:
            version.template_state = version._get_template().state

    @api.depends("task_id.winner", "task_id.winner_by", "letter")
    def _compute_is_winner(self):
        """Only the test finds a winner; a user or the setting may choose any version."""
        for version in self:
            version.is_winner = version._is_chosen() and version.task_id.winner_by == "test"

    @api.constrains("letter", "template_id", "task_id")
    def _check_template(self):
        for version in self:
            template, task = version.template_id, version.task_id
            if not template:
                continue
            if version.letter == "A":
                raise ValidationError(
                    self.env._(
                        "Version A sends the mail of the email task. Choose the template on the"
                        " email task instead."
                    )
                )
            if template.account_id != task.account_id:
                raise ValidationError(
                    self.env._(
                        "The template of version %s belongs to another DirectMail account. Choose a"
                        " template of the email task's account.",
                        version.letter,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        self._make_first_versions(vals_list)
        split = [split_content(vals) for vals in vals_list]
        versions = super().create([vals for _content, vals in split])
        for version, (content, _vals) in zip(versions, split, strict=True):
            if not self.env.su:
                version.task_id._check_versions_addable()
            version._change_content(content)
        return versions

    def write(self, vals):
        content, vals = split_content(vals)
        self._check_place(vals)
        planned = self.browse()
        if not self.env.su and vals:
            for version in self:
                version._check_changeable(set(vals))
            if "template_id" in vals:
                planned = self.filtered("task_id.planned_at")
        before = self._get_sent_contents() if "template_id" in vals else {}
        res = super().write(vals)
        self._note_changes(before)
        # As for the task's own template: the task is compared again before it goes on.
        # sudo(): `_check_changeable` was passed; the field is guarded.
        planned.task_id.sudo().content_changed = True
        for version in self:
            version._change_content(content)
        if content or "template_id" in vals:
            for task in self.task_id:
                task._go_on_with_versions()
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_planned(self):
        for version in self:
            version._check_removable()
            is_first = version.letter == "A" and version.task_id.version_ids - self
            if is_first and not self.env.su:
                raise UserError(
                    self.env._(
                        "Version A is the mail of the email task. Press Remove on the email task's"
                        " page: the next version then takes its place."
                    )
                )

    # === ACTIONS === #

    def action_open(self):
        """Open the version's form in a dialog."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.display_name,
            "res_model": self._name,
            "res_id": self.id,
            "views": [(False, "form")],
            "target": "new",
        }

    def action_remove(self):
        """Remove this version. If only one version would be left, the A/B test ends.

        If version A is removed, the next version becomes the mail of the task.

        :raise UserError: if the task has started
        """
        self.ensure_one()
        self.check_access("unlink")
        task = self.task_id
        task._lock()
        self._check_removable()
        if len(task.version_ids) == 1:
            following = self
        elif self.letter == "A":
            following = task.version_ids.filtered("template_id")[:1]
            if not following:
                raise UserError(
                    self.env._("Version A can't be removed, because no other version has a mail.")
                )
            # sudo(): `_check_removable` allows it for a task whose start is blocked, too.
            task.sudo().template_id = following.template_id
        else:
            following = self
        # sudo(): the right to delete was checked above; one that stops the start may be removed.
        following.sudo().unlink()
        if len(task.version_ids) < 2:
            task.sudo().version_ids.unlink()
        task._rename_own_template()
        task._go_on_with_versions()
        return True

    # === BUSINESS === #

    def _is_chosen(self):
        """Return whether the rest of the people gets this version."""
        self.ensure_one()
        return bool(self.letter) and self.task_id.winner == self.letter

    def _get_template(self):
        """Return the template that the version sends; version A sends that of the task."""
        self.ensure_one()
        return self.task_id.template_id if self.letter == "A" else self.template_id

    def _get_content(self):
        """Return the content, to compare versions by it."""
        template = self._get_template()
        return tuple((template[name] or "").strip() for name in CONTENT if name != "body_arch")

    @api.model
    def _make_first_versions(self, vals_list):
        """Make the mails of tasks that get their first versions version A.

        :param vals_list: as of `create`
        """
        context = self.env.context
        letters = {}
        for vals in vals_list:
            task = vals.get("task_id") or context.get("default_task_id")
            letters.setdefault(task, set()).add(vals.get("letter", context.get("default_letter")))
        for task in self.env["directmail.task"].browse(letters).exists():
            if "A" not in letters[task.id] and not task.version_ids:
                self.create({"task_id": task.id, "letter": "A"})

    def _check_place(self, vals):
        """Refuse to make a version another one, or one of another email task.

        :param dict vals: that are to be written
        :raise UserError: if the task or the letter would change
        """
        for name in vals.keys() & {"task_id", "letter"}:
            if any(
                self._fields[name].convert_to_write(one[name], one) != vals[name] for one in self
            ):
                raise UserError(
                    self.env._(
                        "A version can't be moved to another email task or place. Add a version"
                        " there instead."
                    )
                )

    def _check_removable(self):
        if not self.env.su and not self._is_rejected():
            self.task_id._check_editable({"version_ids"})

    def _check_changeable(self, names):
        """Refuse to change fields that are locked.

        A rejected version can be corrected even shortly before the task's time: nothing is sent
        before that.

        :param set names: names of the fields
        :raise UserError: with the reason
        """
        if not self._is_rejected() or names - {"template_id"}:
            is_content = names <= {"template_id"}
            self.task_id._check_editable({"template_id" if is_content else "version_ids"})

    def _is_rejected(self):
        """Return whether the version keeps the task from starting, because it was rejected."""
        task = self.task_id
        return task.state == "pending" and not task.planned_at and self.template_state == "rejected"

    def _change_content(self, content):
        """Override: the content of version A is that of the task."""
        self.ensure_one()
        task = self.task_id
        if self.letter == "A":
            if self._is_rejected():
                self.check_access("write")
                # sudo(): the right was checked above; shortly before its time, the task is locked.
                task = task.sudo()
            task._change_content(content)
            return
        shown = self._get_shown_template()
        changed = shown._get_changed_content(content)
        if not changed:
            return
        self.check_access("write")
        if not self.env.su:
            self._check_changeable({"template_id"})
        if self.template_id._belongs_to(task):
            # sudo(): write access to the version was checked above; the template is its own.
            self.template_id.sudo().write({**changed, "state": "draft"})
        else:
            self.template_id = task._make_own_template(shown, self._get_own_name(), changed)
        if task.state == "pending":
            self.template_id._submit()

    def _get_own_name(self):
        """Return the name of the version's own template."""
        return self.env._(
            "%(task)s, version %(letter)s", task=self.task_id.name, letter=self.letter
        )

    def _find_problem(self):
        """Return why the version can't be sent and what to do, or None."""
        self.ensure_one()
        task, template = self.task_id, self._get_template()
        if not template:
            return self.env._(
                "Version %s has no mail of its own yet. Change its subject or its text, choose"
                " another template, or remove the version.",
                self.letter,
            )
        if not template.active:
            return self.env._(
                "The template of version %s is archived. Choose another template, or remove the"
                " version.",
                self.letter,
            )
        if problem := task._find_problem_of(template):
            return self.env._(
                "Version %(letter)s: %(problem)s", letter=self.letter, problem=problem
            )
        for other in task.version_ids:
            if other.letter < self.letter and other._get_content() == self._get_content():
                return self.env._(
                    "Versions %(first)s and %(second)s have the same content. Change one of them,"
                    " or remove it.",
                    first=other.letter,
                    second=self.letter,
                )
        return None
