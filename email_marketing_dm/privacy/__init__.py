"""Keys, encryption, tokens and mail addresses, and who loads a link: a person or a machine.

Nothing here imports Odoo.
"""
