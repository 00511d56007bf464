from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Note the mailing lists of snapshots, from which people were chosen: those of the audience.

    Which ones they were at the time of the snapshot is not known. An audience may take people of
    other snapshots, whose lists may not be noted yet: its audience tells them.
    """
    env = api.Environment(cr, SUPERUSER_ID, {})
    snapshots = env["directmail.audience.snapshot"].search([])
    snapshots = snapshots.filtered(lambda snapshot: not snapshot.list_ids)
    for audience, of_audience in snapshots.grouped("audience_id").items():
        of_audience.list_ids = audience._get_lines_behind()._get_mailing_lists().ids
