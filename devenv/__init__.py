"""Gets Odoo, PostgreSQL and Chromium onto a fresh machine and runs them. See README.md."""
