"""The runner: a process beside Odoo that does what outlives or restarts it.

Odoo writes down what is to be done (a verb and its arguments, never text for a
shell), the runner claims it, does it, and tells how it ended. It imports no Odoo.
"""
