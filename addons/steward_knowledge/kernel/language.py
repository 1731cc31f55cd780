"""In which language a text is, when it says enough to tell."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

ENOUGH: Final = 60  # letters; fewer tell too little
SURE: Final = 0.6  # probability from which on the text counts more than a hint
SAMPLE: Final = 800  # characters that are read
# those that documents of companies are written in; rarer ones only where they are
# expected, for short texts resemble any of a hundred
COMMON: Final = frozenset(
    {
        *("ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi"),
        *("fr", "he", "hi", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "nl"),
        *("no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "th", "tr", "uk", "ur"),
        *("vi", "zh"),
    }
)

_NO_PROSE = re.compile(r"https?://\S+|[\w.+-]+@[\w.-]+|`[^`\n]*`|\w+[._]\w+")
_MARKS = re.compile(r"[\d\W_]+")


def language_of(text: str, hint: str = "", expected: Iterable[str] = ()) -> str:
    """Return the two letters of a language; the hint where the text cannot tell.

    >>> language_of("Die Rechnung wird am Ende des Monats gebucht und dem Kunden"
    ...     " mit der Post geschickt, wenn er keine Adresse angegeben hat.")
    'de'
    >>> language_of("OK", hint="fr")
    'fr'

    :param hint: what the document or its source says
    :param expected: languages beside the common ones
    """
    hint = hint[:2].lower()
    prose = _MARKS.sub(" ", _NO_PROSE.sub(" ", _without_code(text)[: 2 * SAMPLE]))
    prose = prose.strip()[:SAMPLE]
    # a sign of Chinese or Japanese says as much as three letters
    if len(prose) + 2 * sum(each > "\u2e80" for each in prose) < ENOUGH:
        return hint
    wanted = frozenset(each[:2].lower() for each in expected) | COMMON | {hint}
    language, probability = _identifier(wanted).classify(prose)
    return str(language) if probability >= SURE or not hint else hint


def _without_code(text: str) -> str:
    """Return the text outside of fences."""
    return "".join(text.split("```")[::2])


@lru_cache(maxsize=8)
def _identifier(languages: frozenset[str]) -> Any:
    from py3langid.langid import (  # type: ignore[import-untyped]
        MODEL_FILE,
        LanguageIdentifier,
    )

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found.set_languages(languages & set(found.labels))
    return found
