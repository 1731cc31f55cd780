"""Which words are so frequent that they say little."""

from functools import cache
from pathlib import Path

_STOP_WORDS = """
    a an and are as at be but by can do does for from get had has have how i if in into
    is it its me my no not of on or our should so such than that the their them then
    there these they this to too up was we were what when where which who why will with
    without would you your
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


@cache
def business_words() -> tuple[str, ...]:
    """The words of business software, the most frequent first.

    Counted in the English texts of Odoo 19's own screens and messages.

    >>> business_words()[:6], len(business_words())
    (('the', 'to', 'of', 'a', 's', 'and'), 8000)
    """
    path = Path(__file__).with_name("words.txt")
    return tuple(path.read_text("ascii").split())
