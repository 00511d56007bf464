# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Calls to Alibaba Cloud DirectMail, and events from it. Nothing here imports Odoo.

This file imports nothing and only ``client`` imports the provider's SDK, so that loading the addon
does not load the SDK (0.4 s, 54 MB).
"""
