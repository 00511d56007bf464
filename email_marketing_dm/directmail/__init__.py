# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Everything that speaks to Alibaba Cloud DirectMail. Nothing here imports Odoo.

This file imports nothing, so that loading the addon never loads the provider's SDK
(0.4 s, 54 MB). Only ``client`` imports the SDK.
"""
