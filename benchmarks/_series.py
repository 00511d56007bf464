"""A series on a running `Shop`, and as many live copies of it as a benchmark asks for."""

from tests.server.common.odoo_server import wait_until

# Copies of a started series, of its steps and of the email tasks of those.
COPIES = """
    WITH copies AS (
        INSERT INTO directmail_series ({series_names})
        SELECT {series_names} FROM directmail_series, generate_series(1, {number})
         WHERE id = {series}
     RETURNING id
    ), steps AS (
        INSERT INTO directmail_series_step ({step_names}, series_id)
        SELECT {step_names}, copies.id
          FROM (SELECT {step_names} FROM directmail_series_step WHERE series_id = {series}) old,
               copies
     RETURNING id, kind
    )
    INSERT INTO directmail_task ({task_names}, series_step_id)
    SELECT {task_names}, steps.id
      FROM (SELECT {task_names} FROM directmail_task
             WHERE series_step_id IN (SELECT id FROM directmail_series_step
                                       WHERE series_id = {series})
             ORDER BY id LIMIT 1) old, steps
     WHERE steps.kind = 'mail'
"""
TASKS = """
    SELECT DISTINCT t.state FROM directmail_task t
      JOIN directmail_series_step s ON s.id = t.series_step_id WHERE s.series_id = %s
"""


def start(shop, audience, entry="new"):
    """Start a series of the shop's user: a mail, a day, a mail.

    :return: its id
    """
    steps = [{"template_id": shop.template}, {"kind": "wait"}, {"template_id": shop.template}]
    series = shop.user.call(
        "directmail.series",
        "create",
        [
            {
                "name": "Series",
                "account_id": shop.account,
                "sender_id": shop.sender,
                "audience_id": audience,
                "entry": entry,
                "step_ids": [(0, 0, {"sequence": n, **step}) for n, step in enumerate(steps)],
            }
        ],
    )
    shop.user.call("directmail.series", "action_start", [[series]])
    return series


def wait_sending(shop, series):
    """Wait until the email tasks of a series can send."""
    wait_until(
        lambda: shop.server.query(TASKS, series) == [("sending",)],
        lambda: shop.server.query(TASKS, series),
        shop.server.wake_crons,
    )


def copy_series(shop, series, number):
    """Make live copies of a started series, by SQL: DirectMail has too few tags for them."""

    def names(table, *left_out):
        rows = shop.server.query(
            """SELECT quote_ident(column_name) FROM information_schema.columns
                WHERE table_name = %s AND NOT column_name = ANY(%s)""",
            table,
            ["id", *left_out],
        )
        return ", ".join(name for (name,) in rows)

    shop.server.query(
        COPIES.format(
            series=int(series),
            number=int(number),
            series_names=names("directmail_series"),
            step_names=names("directmail_series_step", "series_id"),
            task_names=names("directmail_task", "series_step_id"),
        )
    )
    for table in ("directmail_series", "directmail_series_step", "directmail_task"):
        shop.server.query(f"ANALYZE {table}")
