from odoo import fields, models


class DirectmailPeopleSegment(models.AbstractModel):
    """The segments of one group (customer type or stage), written when the model is computed."""

    _name = "directmail.people.segment"
    _description = "Figures of a Group"
    _log_access = False

    people = fields.Integer(readonly=True)
    share = fields.Float(
        "Share of all",
        compute="_compute_share",
        help="Share of all people in the model.",
        aggregator=None,
    )
    came = fields.Integer(
        "Entered",
        readonly=True,
        help="People who were not in this group on the day before.",
    )
    went = fields.Integer(
        "Left",
        readonly=True,
        help="People who were in this group on the day before and no longer are.",
    )

    def _get_owner(self):
        self.ensure_one()
        raise NotImplementedError

    def _compute_share(self):
        for segment in self:
            everybody = segment._get_owner().people_count
            segment.share = segment.people / everybody if everybody else 0

    def _write_sums(self, people=0, *_sums, came, went):
        self.write({"people": people, "came": came, "went": went})

    def action_view_people(self):
        """Open the people of this group."""
        self.ensure_one()
        self.check_access("read")
        owner = self._get_owner()
        results = self.env[owner._result_model]
        action = owner._open(owner._result_model)
        action["domain"] += [(results._group_field, "=", self[results._group_field])]
        action["display_name"] = f"{owner.name}: {self.display_name}"
        return action

    def action_new_audience(self):
        """Open a new audience with one line, which selects the people of this group."""
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_audience_action"
        )
        return {
            **action,
            "views": [(False, "form")],
            "view_mode": "form",
            "context": {
                "default_name": self.display_name,
                "default_line_ids": [fields.Command.create(self._get_line_vals())],
            },
        }

    def _get_line_vals(self):
        """Return the values of a `directmail.audience.line` that selects this group."""
        raise NotImplementedError
