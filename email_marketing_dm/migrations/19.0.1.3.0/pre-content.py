from odoo.tools import SQL
from odoo.tools.sql import column_exists, table_exists


def migrate(cr, version):
    """Whose rights a mail uses, and where its links lead, become columns of our own."""
    _fill_authors(cr)
    if table_exists(cr, "directmail_link"):  # not in every 19.0.1.1.0
        _fill_targets(cr)


def _fill_authors(cr):
    """Whoever submitted a text is the last one known to have changed it; else its owner."""
    cr.execute("ALTER TABLE directmail_template ADD COLUMN IF NOT EXISTS content_user_id integer")
    if column_exists(cr, "directmail_template", "submitted_by_id"):  # not in every 19.0.1.1.0
        cr.execute(
            """UPDATE directmail_template SET content_user_id = submitted_by_id
                WHERE content_user_id IS NULL"""
        )
    cr.execute(
        "UPDATE directmail_template SET content_user_id = user_id WHERE content_user_id IS NULL"
    )


def _fill_targets(cr):
    """Links of mails that are out lead where the approved text says.

    The link tracker, which others could change, is asked where that text is not known any more.
    """
    cr.execute("ALTER TABLE directmail_link ADD COLUMN IF NOT EXISTS url varchar")
    # At first, an email task had one template for all its links.
    owner = "same" if column_exists(cr, "directmail_link", "template_id") else "task"
    cr.execute(
        SQL(
            """UPDATE directmail_link l
                  SET url = COALESCE(t.submitted_links -> l.number ->> 'url', tracker.url)
                 FROM directmail_link same
                 JOIN directmail_task task ON task.id = same.task_id
                 JOIN directmail_template t ON t.id = %s
            LEFT JOIN link_tracker tracker ON tracker.id = same.tracker_id
                WHERE same.id = l.id AND l.url IS NULL""",
            SQL.identifier(owner, "template_id"),
        )
    )
