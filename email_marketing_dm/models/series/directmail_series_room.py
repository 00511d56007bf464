from datetime import timedelta

from odoo import fields, models

from ...engine.series_lock import make_room

#: How long the cron leaves a series alone for which somebody waits. Odoo repeats a request after at
#: most 16 seconds.
ROOM = timedelta(seconds=20)


class DirectmailSeries(models.Model):
    """Room for users while very many people enter or go on: see `engine.series_lock.make_room`.

    Buttons and changes of steps end it (`_lock`), and so does the time.
    """

    _inherit = "directmail.series"
    _guarded_fields = frozenset(("yields_until",))

    yields_until = fields.Datetime(readonly=True, copy=False, groups=fields.NO_ACCESS)

    def _make_room_after(self, advance):
        """Advance people, then leave the series alone for a while if somebody waits for it.

        :param advance: a function that advances a batch of them
        :return: whether there may be more to do at once
        """
        has_more = advance()
        self.env.flush_all()
        until = fields.Datetime.now() + ROOM
        if not make_room(self.env, self.id, until):
            return has_more
        self._wake(until)
        return False
