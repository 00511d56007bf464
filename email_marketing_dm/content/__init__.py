"""What a mail says: placeholders, size, languages, and what a review would object to.

Nothing here imports Odoo.
"""
