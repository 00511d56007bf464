from odoo import api, models
from odoo.tools import SQL

#: what contacts are in, each once: the model of their rows, and the field that says in what
ONCE_EACH = (
    ("directmail.audience.member", "audience_id"),
    ("directmail.rfm.score", "rfm_model_id"),
    ("directmail.aipl.stage", "aipl_model_id"),
)


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    """A merged contact stays in everything that one of its contacts was in."""

    _inherit = "base.partner.merge.automatic.wizard"

    @api.model
    def _update_foreign_keys(self, src_partners, dst_partner):
        """Override: take out second rows of one audience or model, and move chosen records.

        Where one row can't be moved because there would be two, Odoo deletes all rows of the merged
        contacts: also in the audience of an *Except*, whose people would get the mail.
        """
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
        self.env["directmail.audience.pick"].sudo()._move(src_partners, dst_partner)
        return super()._update_foreign_keys(src_partners, dst_partner)
