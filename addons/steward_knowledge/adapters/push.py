from . import Adapter, Fetched, Step


class Push(Adapter):
    """Others bring the documents: there is nothing to fetch."""

    is_outside = False

    def check(self):
        """Nothing to set."""

    def discover(self):
        return Step([])

    def is_complete(self):
        return False  # what is not brought again is not gone

    def fetch(self, item):  # noqa: ARG002 - as all adapters
        return Fetched("unchanged")
