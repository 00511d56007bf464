"""Lists that choose people: uploaded files, the IDs in them, and filters kept as text.

Nothing here imports Odoo.
"""
