"""The keeper of the house: sets up, runs, tests and measures Steward.

``python3 -m house <verb>`` with ``scripts/`` on the path; ``make`` is the short way.
Before the virtual environment exists only the standard library is at hand, so
nothing here imports more than that at module level, except ``house.inside`` and
the modules it imports, which run under the environment's own Python.
"""
