"""Talk to Steward, the suite of Odoo addons, from Python or the command line.

>>> from steward_client import Client
>>> client = Client("https://odoo.example.com", "production", "the-key")
>>> client.url
'https://odoo.example.com'
"""

from .client import Client
from .errors import (
    Denied,
    Failed,
    Misused,
    NotFound,
    Refused,
    StewardClientError,
    Unreachable,
)

__all__ = [
    "Client",
    "Denied",
    "Failed",
    "Misused",
    "NotFound",
    "Refused",
    "StewardClientError",
    "Unreachable",
]
