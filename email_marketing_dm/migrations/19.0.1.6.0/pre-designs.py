from odoo import SUPERUSER_ID
from odoo.tools.sql import column_exists, create_column, table_exists


def migrate(cr, version):
    """A company's designs belong to the users who made them.

    Created here, because Odoo would fill the new column with its own user.
    """
    if not table_exists(cr, "directmail_design") or column_exists(
        cr, "directmail_design", "user_id"
    ):
        return
    create_column(cr, "directmail_design", "user_id", "int4")
    cr.execute(
        """UPDATE directmail_design SET user_id = create_uid
            WHERE company_id IS NOT NULL AND create_uid <> %s""",
        [SUPERUSER_ID],
    )
