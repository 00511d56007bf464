from odoo import api, models


class IrModuleModule(models.Model):
    """Data tables are made by code, so it is code that translates them when a language comes."""

    _inherit = "ir.module.module"

    @api.model
    def _load_module_terms(self, modules, langs, overwrite=False):
        res = super()._load_module_terms(modules, langs, overwrite)
        if "email_marketing_dm" in modules:
            self.env["directmail.data.table"].sudo()._translate_names(langs)
        return res
