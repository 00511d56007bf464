from odoo import api, models
from odoo.tools import SQL

from ..engine.merging import Merged, merge_stays
from ..engine.people_moves import keep_moves_of_one

#: (model with a row per contact, field of the record that has each contact once)
ONCE_EACH = (
    ("directmail.audience.member", "audience_id"),
    ("directmail.rfm.customer", "rfm_model_id"),
    ("directmail.aipl.contact", "aipl_model_id"),
)
#: models that sort contacts into groups
PEOPLE_MODELS = ("directmail.rfm.model", "directmail.aipl.model")


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    """Keep a merged contact in all audiences, RFM and AIPL models that had one of the contacts."""

    _inherit = "base.partner.merge.automatic.wizard"

    @api.model
    def _update_foreign_keys(self, src_partners, dst_partner):
        """Override: delete duplicate rows of ONCE_EACH first, move `directmail.audience.pick`.

        Times in snapshots are joined: see `engine.merging.merge_stays`.

        Answers to questions about consent, opt-outs and preferences are carried to other
        addresses: see `_merge` of `directmail.consent`, `directmail.optout` and
        `directmail.preference`.

        If moving one row violates a unique index, Odoo deletes all rows of the merged contacts in
        the table. They would then be missing in an excluded audience, and the person be mailed.
        """
        for model_name in PEOPLE_MODELS:
            # Before the results: they tell whose moves are kept.
            self.env.execute_query(
                SQL(
                    "%s RETURNING m.id",
                    keep_moves_of_one(
                        self.env[model_name]._get_groups(),
                        (src_partners | dst_partner).ids,
                        dst_partner.id,
                    ),
                )
            )
        for model_name, owner_field in ONCE_EACH:
            self.env.execute_query(
                SQL(
                    """DELETE FROM %(table)s row
                        WHERE partner_id = ANY(%(merged)s) AND EXISTS (
                              SELECT FROM %(table)s other
                               WHERE other.%(owner)s = row.%(owner)s
                                 AND (other.partner_id = %(kept)s OR other.id < row.id
                                      AND other.partner_id = ANY(%(merged)s)))
                    RETURNING id""",
                    table=SQL.identifier(self.env[model_name]._table),
                    owner=SQL.identifier(owner_field),
                    merged=src_partners.ids,
                    kept=dst_partner.id,
                )
            )
        merge_stays(self.env, Merged("res.partner", src_partners.ids, dst_partner.id))
        self.env["directmail.audience.stay"].invalidate_model()
        # Before answers are copied: an agreement lifts no opt-out at another address.
        self.env["directmail.optout"]._merge(src_partners, dst_partner)
        self.env["directmail.consent"]._merge(src_partners, dst_partner)
        self.env["directmail.preference"]._merge(src_partners, dst_partner)
        # sudo(): the merge concerns the picks of all users; `super()` moves rows of all, too.
        self.env["directmail.audience.pick"].sudo()._move(src_partners, dst_partner)
        return super()._update_foreign_keys(src_partners, dst_partner)
