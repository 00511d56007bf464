"""What can be said about rates and means: intervals, verdicts, and how many people they need.

Everything is computed from small sums, such as the number of people and of clicks. Nothing here
imports Odoo.
"""
