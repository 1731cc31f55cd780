"""Rules of backups without Odoo: when, how long kept, what is usual, what is asked."""
