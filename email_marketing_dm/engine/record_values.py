"""Which record a mail of a series is about."""

from odoo.tools import SQL


def read_records(env, delivery_ids, model_name):
    """Return the records for which a series has started, by the mails that they led to.

    People who were put into a series by hand have no record.

    :param delivery_ids: ids of `directmail.delivery` records
    :param str model_name: of the series' data table
    :return: [(delivery id, id of a record, id of the contact or None)]; the record may not
        exist any more
    """
    # See `engine.series_starts` for the texts in `occasion`: model, record and, for dates, more.
    return env.execute_query(
        SQL(
            """SELECT d.id, split_part(e.occasion, ',', 2)::int, e.partner_id
                 FROM directmail_delivery d
                 JOIN directmail_series_entry e ON e.id = d.series_entry_id
                WHERE d.id = ANY(%s) AND split_part(e.occasion, ',', 1) = %s""",
            list(delivery_ids),
            model_name,
        )
    )
