"""Entry point. The first lines run on any Python, to be able to refuse it politely."""

import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "error in step python: this is Python %d.%d; Odoo 19 with Steward needs 3.11"
        " or newer.\n  remedy: install a newer Python and name it:"
        " make PYTHON=python3.12 ...\n" % tuple(sys.version_info[:2])
    )
    sys.exit(1)

from house.cli import main

sys.exit(main(sys.argv[1:]))
