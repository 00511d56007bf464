from odoo.addons.web.controllers.export import ExcelExport

from ..lists.identifiers import safe_cell


class DirectmailExcelExport(ExcelExport):
    """Escapes group titles in Odoo's exports of our models; `models/odoo/base.py` the cells."""

    def from_group_data(self, fields, columns_headers, groups):
        """Override: escape group titles, so that a spreadsheet runs none as a formula."""
        if groups._model._name.startswith("directmail."):
            _mark_titles(groups)
        return super().from_group_data(fields, columns_headers, groups)


def _mark_titles(groups):
    groups.children = {_mark_title(title): child for title, child in groups.children.items()}
    for child in groups.children.values():
        _mark_titles(child)


def _mark_title(title):
    if isinstance(title, tuple) and len(title) > 1:  # id and name of a record
        return (title[0], _mark_title(title[1]), *title[2:])
    return safe_cell(title) if isinstance(title, str) else title
