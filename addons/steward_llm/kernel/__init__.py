"""Rules of models, prices and budgets, without Odoo."""
