"""Reads lists of people: uploaded files, the IDs in them, and filters stored as text.

Nothing here imports Odoo.
"""
