"""The rules of agents and runs, in plain Python: nothing here imports odoo."""
