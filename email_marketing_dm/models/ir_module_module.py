from odoo import api, models
from odoo.modules import Manifest

MODULE = "email_marketing_dm"


class IrModuleModule(models.Model):
    """What happens to this addon when apps, languages and its own code change."""

    _inherit = "ir.module.module"

    @api.model
    def _load_module_terms(self, modules, langs, overwrite=False):
        """Override: data tables are made by code, which translates them when a language comes."""
        res = super()._load_module_terms(modules, langs, overwrite)
        if MODULE in modules and self._is_directmail_upgraded():
            self.env["directmail.data.table"].sudo()._translate_names(langs)
        return res

    @api.model
    @api.private
    def _is_directmail_upgraded(self):
        """Tell whether the database has the tables and columns of this code.

        It has others while a server with new code runs on it without ``-u``.
        """
        self.env.cr.execute("SELECT latest_version FROM ir_module_module WHERE name = %s", [MODULE])
        found = self.env.cr.fetchone()
        return bool(found) and found[0] == Manifest.for_addon(MODULE)["version"]
