from . import steward_price_lookup
