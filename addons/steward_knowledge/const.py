"""Limits that several models share."""

REQUESTS_PER_MINUTE = 100  # of one host, unless its source says otherwise
PAGE_LIMIT = 1000  # pages of a site in one harvest
BATCH_ITEMS = 20  # fetched in one transaction …
BATCH_SECONDS = 20  # … or as many as this leaves time for
MAX_TRIES = 3  # of one page in a harvest
MAX_WAITS = 12  # times a harvest waits for a site before it gives up
FRESH_DAYS = 30  # days that "nothing changed here" in a listing is believed
FILE_MB = 20  # of one uploaded file
PUSH_DOCUMENTS = 1000  # in one call
PUSH_MB = 2  # of one pushed document
