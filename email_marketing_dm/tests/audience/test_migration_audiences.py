from odoo.modules.module import load_script
from odoo.tests import tagged

from ..common import AudienceCommon

SCRIPT = "email_marketing_dm/migrations/19.0.1.6.0/post-audiences.py"


@tagged("post_install", "-at_install")
class TestMigrationOfAudiences(AudienceCommon):
    """A database of 19.0.1.5.0, in which the dates of the lines told whether they had changed."""

    def test_lines_that_changed_after_the_refresh_are_marked(self):
        changed, deleted, current, new = (self._make_audience(self.ann) for _number in range(4))
        (changed + deleted + current).action_refresh()
        self.env.flush_all()
        self.env.cr.execute("UPDATE directmail_audience SET lines_changed = NULL")
        self.env.cr.execute(
            "UPDATE directmail_audience_line SET write_date = now() + %s * interval '1 minute'"
            " WHERE audience_id = %s",
            [1, changed.id],
        )
        self.env.cr.execute(
            "UPDATE directmail_audience_line SET write_date = now() + %s * interval '1 minute'"
            " WHERE audience_id IN %s",
            [-1, (deleted.id, current.id)],
        )
        # The form that deletes a line writes the audience.
        self.env.cr.execute(
            "UPDATE directmail_audience SET write_date = refreshed_at + interval '1 minute'"
            " WHERE id = %s",
            [deleted.id],
        )
        load_script(SCRIPT, "post_audiences").migrate(self.env.cr, "19.0.1.5.0")
        self.env.invalidate_all()
        self.assertTrue(changed.is_changed)
        self.assertTrue(deleted.is_changed)
        self.assertFalse(current.is_changed)
        self.assertFalse(new.is_changed, "it was never refreshed")
