"""Days, times of day and quiet times in any time zone, clock changes included.

Nothing here imports Odoo.
"""
