from markupsafe import Markup

from odoo import models


class DirectmailNotifying(models.AbstractModel):
    """Records that tell their owner (`user_id`) what has happened, and ask users to decide.

    Texts are translated by the caller, who knows the reader's language.
    """

    _name = "directmail.notifying"
    _description = "Notifies Its Owner"
    _inherit = ["mail.thread", "mail.activity.mixin"]

    #: xml id of the type of the activities that `_ask_user` schedules
    _ask_type = "mail.mail_activity_data_todo"

    def _tell_owner(self, text, kind="info", ask=None, more=""):
        """Notify the owner in the chatter and on screen; with `ask`, also schedule an activity.

        :param str text: one or two sentences in the owner's language
        :param str kind: type of the notification: 'success', 'info', 'warning' or 'danger'
        :param str ask: summary of the activity; no activity by default
        :param Markup more: appended to the text in the chatter
        """
        self.ensure_one()
        self._post_note(text, more, partner_ids=self.user_id.partner_id.ids)
        # Shown at once if the owner has Odoo open. A warning says what to do next, so it stays.
        self.user_id._bus_send(
            "simple_notification",
            {
                "type": kind,
                "title": self.name,
                "message": text,
                "sticky": kind in ("warning", "danger"),
            },
        )
        if ask:
            self._close_activities()
            self._ask_user(self.user_id, ask, text)

    def _post_note(self, text, more="", **options):
        """Post a note in the chatter.

        :param str text: is escaped
        :param Markup more: appended to the text
        :param options: of `message_post`
        """
        self.message_post(
            body=Markup("<p>%s</p>%s") % (text, more), subtype_xmlid="mail.mt_note", **options
        )

    def _ask_user(self, user, summary, text, ask_type=None):
        """Schedule an activity of a user.

        :param str text: why, and what to do; is escaped
        :param str ask_type: xml id of the activity's type, by default `_ask_type`
        """
        self.activity_schedule(
            ask_type or self._ask_type,
            summary=summary,
            note=Markup("<p>%s</p>") % text,
            user_id=user.id,
        )

    def _close_activities(self, ask_type=None):
        """Remove the activities that `_ask_user` scheduled.

        :param str ask_type: as in `_ask_user`
        """
        # sudo(): the activities belong to the users who were asked; callers have checked that the
        # current user may write the record.
        self.sudo().activity_unlink([ask_type or self._ask_type])
