"""Names and limits that several models share."""

CHANNEL = "root.steward"  # of our jobs, unless their function names another
CHANNEL_OUTBOUND = "root.steward.outbound"  # waits for other people's services
CHANNEL_HEAVY = "root.steward.heavy"  # takes minutes: backups, indexing
