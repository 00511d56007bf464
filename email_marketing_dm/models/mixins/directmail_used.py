from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import format_list

#: states of email tasks that send no more mails; failed ones are not among them: they can be resent
OVER = ("done", "cancelled")


class DirectmailUsed(models.AbstractModel):
    """Records that other records use to select people: they can't be deleted while in use.

    An archived record stays in force where it is used, and is shown there as archived: x2many
    fields to such records need ``context={"active_test": False}``, because Odoo leaves archived
    records out. Foreign keys (``ondelete="restrict"``) stop deletions that bypass this model.
    """

    _name = "directmail.used"
    _description = "Used to Choose People"
    #: whether the name of an archived record says that it is archived
    _marks_archived = True

    def _get_using(self):
        """Return the records that use these. Models override it.

        :return: list of recordsets, as superuser, of the models in `_describe_using`
        :rtype: list
        """
        return []

    def _prepare_unlink(self):
        """Hook before these records are deleted: `_check_unused` has passed."""

    @api.depends(lambda self: ("active",) if "active" in self._fields else ())
    def _compute_display_name(self):
        res = super()._compute_display_name()
        if self._marks_archived and "active" in self._fields:
            for record in self:
                if record._origin and not record.active:
                    record.display_name = self.env._("%s (archived)", record.display_name)
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        self._check_unused()
        self._prepare_unlink()

    def _check_unused(self):
        """Refuse to delete records that are in use.

        :raise UserError: naming the using records; those the user may not read are only counted
        """
        for record in self:
            # Records that are deleted in the same call don't keep each other.
            # sudo(): records of all users count; `_describe_using` names only those that the
            # current user may read.
            using = [
                found - self if found._name == self._name else found
                for found in record.sudo()._get_using()
            ]
            if not any(using):
                continue
            values = {"record": record.display_name, "users": self._describe_using(using)}
            if "active" in self._fields:
                raise UserError(
                    self.env._(
                        "%(record)s can't be deleted, because it decides who gets mail in:"
                        " %(users)s. Remove it there first, or archive it: it then stays in effect"
                        " where it is used.",
                        **values,
                    )
                )
            raise UserError(
                self.env._(
                    "%(record)s can't be deleted, because it decides who gets mail in: %(users)s."
                    " Remove it there first.",
                    **values,
                )
            )

    @api.model
    def _describe_using(self, using):
        """Return the names of records as text; those the user may not read are only counted.

        :param using: list of recordsets, from `_get_using`
        """
        patterns = {
            "directmail.task": lambda name: self.env._("email task “%s”", name),
            "directmail.audience": lambda name: self.env._("audience “%s”", name),
            "directmail.series": lambda name: self.env._("series “%s”", name),
            "directmail.fatigue": lambda name: self.env._("fatigue control of %s", name),
            "directmail.control": lambda name: name,
            "directmail.rfm.model": lambda name: self.env._("RFM model “%s”", name),
            "directmail.aipl.model": lambda name: self.env._("AIPL model “%s”", name),
        }
        parts, hidden = [], 0
        for records in using:
            seen = records.with_env(self.env)._filtered_access("read")
            hidden += len(records) - len(seen)
            parts += [patterns[records._name](record.display_name) for record in seen]
        if hidden == 1:
            parts.append(self.env._("1 record that you can't see"))
        elif hidden:
            parts.append(self.env._("%s records that you can't see", hidden))
        return format_list(self.env, parts)
