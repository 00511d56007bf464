import logging

from odoo import api, models
from odoo.modules import Manifest
from odoo.orm.model_classes import add_field
from odoo.tools import reset_cached_properties
from odoo.tools.sql import table_columns

MODULE = "email_marketing_dm"
_logger = logging.getLogger(__name__)


class IrModuleModule(models.Model):
    """Handle code that is newer than the database, and new languages."""

    _inherit = "ir.module.module"

    def _register_hook(self):
        """Override: with new code on an old database, let other apps work until the upgrade."""
        super()._register_hook()
        if not self._is_directmail_upgraded():
            _logger.warning(
                "%s is newer than this database and does nothing. Run Odoo once with -u %s.",
                MODULE,
                MODULE,
            )
            self._leave_out_new_fields()

    def _leave_out_new_fields(self):
        """Make this addon's fields on other apps' models unstored if their column is missing.

        Also keep Odoo's vacuum job away from this addon's transient models.
        """
        for name, model in self.pool.items():
            if name.startswith("directmail.") and model._transient:
                # 0 disables the vacuum: the table may be missing.
                model._transient_max_hours = model._transient_max_count = 0
            if name.startswith("directmail.") or not model._auto or model._abstract:
                continue
            ours = [f for f in model._fields.values() if f._module == MODULE and f.column_type]
            columns = table_columns(self.env.cr, model._table) if ours else {}
            for field in ours:
                if field.store and field.name not in columns:
                    kind = type(field)
                    # The inverse ignores what is written to the field.
                    unstored = kind(store=False, inverse=lambda _records: None)
                    virtual = kind(_base_fields__=(field, unstored))
                    add_field(model, field.name, virtual)
                    virtual.setup(self.env[name])
        reset_cached_properties(self.pool)

    @api.model
    def _load_module_terms(self, modules, langs, overwrite=False):
        """Override: translate the names of presets, which code creates, into new languages."""
        res = super()._load_module_terms(modules, langs, overwrite)
        if MODULE in modules and self._is_directmail_upgraded():
            # Odoo forgets its cached languages when one is activated, before that is committed. A
            # cron or another request may have cached the ones of before since then.
            self.env.registry.clear_cache("stable")
            self.env.cr.postcommit.add(lambda: self.env.registry.clear_cache("stable"))
            # sudo(): super() has loaded a language, which needs the rights of an administrator.
            self.env["directmail.data.table"].sudo()._translate_names(langs)
        return res

    @api.model
    def _is_directmail_upgraded(self):
        """Tell whether the database has the tables and columns of this code.

        It has older ones while a server runs new code on it without ``-u``.
        """
        self.env.cr.execute("SELECT latest_version FROM ir_module_module WHERE name = %s", [MODULE])
        found = self.env.cr.fetchone()
        return bool(found) and found[0] == Manifest.for_addon(MODULE)["version"]
