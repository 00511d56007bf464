from odoo import fields, models


class DirectmailLink(models.Model):
    """A link in the mails of one email task, at its place in the template that was sent.

    What recipients follow is ours, so that each click is seen; where it leads is written here and
    in a link tracker, never in the address that is followed.
    """

    _name = "directmail.link"
    _description = "Tracked Link"
    _log_access = False
    _order = "task_id, number"
    _rec_name = "title"

    task_id = fields.Many2one(
        "directmail.task", "Email task", required=True, readonly=True, ondelete="cascade"
    )
    template_id = fields.Many2one(
        "directmail.template", required=True, readonly=True, ondelete="restrict"
    )
    number = fields.Integer(required=True, readonly=True)
    title = fields.Char("Link", readonly=True)
    tracker_id = fields.Many2one("link.tracker", readonly=True, ondelete="restrict")
    url = fields.Char("Leads to", related="tracker_id.url")

    _number_unique = models.UniqueIndex("(task_id, template_id, number)")
