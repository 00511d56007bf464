"""Keys, encryption, tokens and mail addresses; and whether a person or a machine loads a link.

Nothing here imports Odoo.
"""
