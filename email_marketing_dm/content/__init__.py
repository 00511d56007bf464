"""The content of a mail: placeholders, size, languages, checks before DirectMail's review.

Nothing here imports Odoo.
"""
