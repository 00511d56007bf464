from odoo import api, models


class ConsentProof(models.AbstractModel):
    """*Proof of consent*: all answers of contacts, printed with the user's rights."""

    _name = "report.email_marketing_dm.consent_proof"
    _description = "Proof of Consent"

    @api.model
    def _get_report_values(self, docids, data=None):
        """Return the values of the report's template."""
        partners = self.env["res.partner"].browse(docids)
        consents = self.env["directmail.consent"]
        partners.check_access("read")
        for partner in partners:
            consents._adopt(partner, self.env.companies)
        consents = consents._find_proofs(partners)
        return {
            "docs": partners,
            "consents": {
                partner: consents.filtered(lambda row, partner=partner: row.partner_id == partner)
                for partner in partners
            },
        }
