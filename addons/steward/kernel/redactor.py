"""The one redactor: for logs, traces, evidence and error messages.

    >>> redact("login=admin password=hunter2")
    'login=admin password=[redacted:password]'
    >>> redact("GET https://bot:pa55@erp.example.com/web?token=abc123&page=2")
    'GET https://bot:[redacted:password]@erp.example.com/web?token=[redacted:token]&page=2'
    >>> redact("commit 3f786850e387550fdab836ed7e6dc881de23001b of 2025-11-21")
    'commit 3f786850e387550fdab836ed7e6dc881de23001b of 2025-11-21'

What it promises:

- *Idempotent.* A line is redacted until nothing changes any more; a line that would
  not settle is replaced as a whole. So ``redact(redact(x)) == redact(x)`` holds by
  construction, whatever the rules are.
- *Cheap on clean text.* A line is looked at closely only if it passes one of a
  few gates that start with a literal; `re` searches those at 1 GB/s, an alternation
  of all of them at 30 MB/s.
- *Linear.* What a pattern scans without bound, it consumes; all else is bounded.

It masks what looks like a secret and what it was told is one. It cannot know a
password that stands in a sentence without a label: tell it (`Redactor.learn`).
"""

import base64
import dataclasses
import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

KINDS = (
    "authorization",
    "card",
    "cookie",
    "credential",
    "jwt",
    "key",
    "known",
    "line",
    "password",
    "private-key",
    "secret",
    "session",
    "text",
    "token",
)
MARK = {kind: f"[redacted:{kind}]" for kind in KINDS}

TEXT_LIMIT = 256 * 1024  # characters of one text inside a value or a log record
DEPTH_LIMIT = 12  # levels of nesting of a value
ITEM_LIMIT = 1000  # members kept of one container
NODE_LIMIT = 20_000  # members kept of a value in all
KNOWN_MINIMUM = 6  # characters; a shorter value would mask ordinary words

_ROUNDS = 4  # redactions of one line before it is given up as a whole
_GRAM = 4  # characters, see `_Known`
_PLACEHOLDER = re.compile(rf"\[redacted:(?:{'|'.join(KINDS)})\]")

Span = tuple[int, int, str]
"""Where a secret stands and of which kind it is."""


def _replace(
    text: str, pattern: re.Pattern[str], judge: Callable[[re.Match[str]], Span | None]
) -> str:
    """Mask the spans that `judge` finds in the matches of `pattern` in the text."""
    parts: list[str] = []
    done = 0
    found = pattern.search(text)
    while found:
        span = judge(found)
        resume = found.end()
        if span:
            start, resume, kind = span
            parts += text[done:start], MARK[kind]
            done = resume
        found = pattern.search(text, resume)
    return "".join(parts) + text[done:] if parts else text


# --- Names and their values -----------------------------------------------------------

_GAP = r"[_\-. ]?"
# Each alternative starts with a literal: that lets `re` skip quickly to its first
# letters. All of it is matched against text in lower case.
_WORDS = "|".join(
    [
        r"passw(?:or)?ds?",
        r"passphrase",
        r"passcode",
        r"pass",
        r"pwd",
        rf"secrets?(?:{_GAP}id)?",
        r"token",
        r"credentials?",
        r"authorization",
        r"cookies?",
        rf"session(?:{_GAP}(?:id|key))?",
        *(
            rf"{what}{_GAP}key"
            for what in (
                *("api", "access", "account", "auth", "encryption"),
                *("master", "private", "shared", "signing", "ssh"),
            )
        ),
        r"cvv2?",
        r"cvc2?",
        r"bearer",
        r"signature",
    ]
)
_SUFFIX = r"(?:[_-]?(?:hash|crypt(?:ed)?|value|key|confirm(?:ation)?|[0-9]{1,3})){0,2}"
_NAME = re.compile(rf"(?P<word>{_WORDS}){_SUFFIX}")
_KEY = re.compile(
    rf"(?P<word>{_WORDS}){_SUFFIX}"
    r"(?P<shut>\\{0,3}[\"'])?\]?"
    r"(?:(?P<pair>[ \t]{0,4}(?:=>|:=|==?|:|%3[ad])[ \t]{0,4})"
    r"|(?P<tag>>)"  # <password>…  <field name="password">…
    r"|(?P<comma>[ \t]{0,4},[ \t]{0,4})"  # ("password", "…")
    r"|(?P<html>[ \t]{1,4}value[ ]?=[ ]?)"  # name="password" value="…"
    r"|(?P<gap>[ \t]{1,4}(?:is[ \t]{1,4})?))"  # --password …
)
_KIND = {
    "pass": "password",
    "pwd": "password",
    "secr": "secret",
    "toke": "token",
    "cred": "credential",
    "auth": "authorization",
    "cook": "cookie",
    "sess": "session",
    "bear": "token",
}
# Words so short or so usual that they count only where they are a word.
_SHORT = ("pass", "pwd", "cvv", "cvc", "bearer", "session")
# Measures and special tokens of language models, which are no secrets.
_MEASURE = re.compile(
    r"(?:per|first|last|max|min|input|output|prompt|completion|eos|bos|pad|unk|stop)"
    r"[_\- ]?$"
)
_HARMLESS = re.compile(
    r"(?:none|null|nil|true|false|undefined|\*+|%\(?\w{0,40}\)?s"
    r"|\$?\{\w{0,40}\}|\$\w{1,40})(?![^\s\"'<>,;&)}\]])",
    re.IGNORECASE | re.ASCII,
)
_OPENING = re.compile(r"[\[(]?[bBuUrR]{0,2}(?P<quote>\\{0,3}[\"'])")
_INSIDE = {
    '"': re.compile(r'(?:[^"\\]|\\.)*+'),
    "'": re.compile(r"(?:[^'\\]|\\.)*+"),
}
# A comma, semicolon or ampersand belongs to a value unless something new follows.
_BARE = re.compile(
    r"(?:(?:bearer|basic|token|apikey|digest|negotiate)[ ]{1,4}(?=\S))?"
    r"(?:[^\s\"'<>,;&\\`]"
    r"|(?<!^)[,;&](?!\s|$|[\"']?[\w.\-\[\]]{1,40}[\"']?[ ]?[=:])"
    r"|\\(?![nrt\"'\\]))++",
    re.IGNORECASE | re.ASCII,
)
_SCHEME = re.compile(r"(?:bearer|basic|token|apikey)[ ]{1,4}\S", re.IGNORECASE)
_TAG_HEAD = re.compile(r"<[\w.:\-]{0,39}$")
_TAG_TEXT = re.compile(r"[^<\n]*+")
_OPAQUE = re.compile(r"(?=[A-Za-z_.~+/=\-]{0,60}[0-9])[A-Za-z0-9_.~+/=\-]{16,}+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def _lower(text: str) -> str:
    """Lower-case ASCII only, so that each character keeps its place."""
    if text.isascii():
        return text.lower()
    return (
        text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
    )


def _kind(word: str) -> str:
    if word.endswith("key"):
        return "key"
    return _KIND.get(word[:4], "secret")


def _counts(name: str, word: str, start: int) -> bool:
    """Whether the word at that place of the (lower-case) name means a secret."""
    if word.startswith(_SHORT):
        return not name[max(0, start - 1) : start].isalpha()
    if word == "token":
        return not _MEASURE.search(name[max(0, start - 12) : start])
    if word == "signature":  # of a presigned URL
        return name[max(0, start - 1) : start] in ("?", "&", "-")
    return True


def _closing(line: str, start: int, mark: str) -> int:
    """Where the value ends that was opened by a (perhaps escaped) quotation mark."""
    if len(mark) == 1:
        return _INSIDE[mark].match(line, start).end()  # type: ignore[union-attr]
    end = line.find(mark, start)
    while end > 0 and line[end - 1] == "\\":
        end = line.find(mark, end + 1)
    return len(line) if end < 0 else end


def _header_end(line: str, name: int, value: int) -> int:
    """Where a header's value ends: with its line or the quotation around both."""
    while name and (line[name - 1].isalnum() or line[name - 1] in "-_"):
        name -= 1
    mark = line[name - 1 : name]
    end = line.find(mark, value) if mark and mark in "\"'" else -1
    return len(line.rstrip()) if end < 0 else end


def _is_flag(low: str, start: int) -> bool:
    """Whether the name that holds this place is a command line's ``--option``."""
    head = low[max(0, start - 40) : start].rsplit(None, 1)
    return bool(head) and head[-1].startswith("--") and not low[start - 1].isspace()


def _value(line: str, low: str, found: re.Match[str]) -> tuple[int, int] | None:
    """Where the value of a sensitive name stands, if it is worth masking."""
    word, name, start = found["word"], found.start(), found.end()
    if found["shut"] is None and (found["comma"] or found["html"]):
        return None
    if found["tag"]:
        if found["shut"] is None and not _TAG_HEAD.search(
            low[max(0, name - 40) : name]
        ):
            return None
        end = _TAG_TEXT.match(line, start).end()  # type: ignore[union-attr]
        return start, end
    if found["gap"] and not _is_flag(low, name):
        # "the token 0a1b…": only if what follows cannot be a word
        opaque = _OPAQUE.match(line, start)
        least = 16 if word == "bearer" else 32
        if not opaque or len(opaque[0]) < least or _UUID.match(opaque[0]):
            return None
        return opaque.span()
    if opening := _OPENING.match(line, start):
        return opening.end(), _closing(line, opening.end(), opening["quote"])
    if (
        word in ("authorization", "cookie")
        and ":" in (found["pair"] or "")
        and not found["shut"]
        and not _PLACEHOLDER.match(line, start)
        and not (word == "authorization" and _SCHEME.match(line, start))
    ):
        return start, max(start, _header_end(line, name, start))
    bare = _BARE.match(line, start)
    if not bare:
        return None
    return start, start + len(bare[0].rstrip(")]},.;:"))


def _settled(line: str, start: int, end: int) -> bool:
    """Whether the value is masked already, or nothing that could be a secret."""
    if start >= end or line[start:end].isspace():
        return True
    masked = _PLACEHOLDER.match(line, start)
    if masked:
        # the bare value lost its closing bracket with the punctuation around it
        return masked.end() >= end
    harmless = _HARMLESS.match(line, start)
    return harmless is not None and harmless.end() >= end - 1


def _assignments(line: str) -> str:
    """Mask the values of sensitive names: ``password=…``, ``"token": "…"``."""
    low = _lower(line)
    parts: list[str] = []
    done = 0
    found = _KEY.search(low)
    while found:
        resume = found.end()
        word = found["word"]
        span = _value(line, low, found) if _counts(low, word, found.start()) else None
        if span and not _settled(line, *span) and _plausible(line, found, *span):
            start, resume = span
            parts += line[done:start], MARK[_kind(word)]
            done = resume
        found = _KEY.search(low, resume)
    return "".join(parts) + line[done:] if parts else line


def _plausible(line: str, found: re.Match[str], start: int, end: int) -> bool:
    """Whether the value fits a name that has an everyday meaning as well."""
    word = found["word"]
    if word == "session":  # "session: closed" is no secret, 40 hex digits are
        return end - start >= 32 and not _UUID.match(line, start)
    if word == "pwd":  # the shell's working directory
        return line[start] != "/"
    if word == "pass":  # "pass: 12" of a test run
        return bool(
            found["shut"]
            or "=" in (found["pair"] or "")
            or found.string[: found.start()].endswith(("_", "-", "<"))
        )
    return True


# --- Shapes that speak for themselves -------------------------------------------------

# A token starts where no word does; an escaped line break or a percent-encoded
# separator before it ends in a letter, too. Stands after the first letter.
_EDGE = r"(?:(?<![A-Za-z0-9].)|(?<=\\[nrt].)|(?<=%[0-9A-Fa-f]{2}.))"
_TOKENS = re.compile(
    "|".join(
        start[0] + _EDGE + start[1:]
        for start in (
            # OpenAI, Anthropic, OpenRouter, Langfuse, …
            r"sk-(?=[A-Za-z_\-]{0,80}[0-9])[A-Za-z0-9_\-]{16,}+",
            r"sk_(?:live|test)_[A-Za-z0-9]{10,}+",  # Stripe
            r"rk_(?:live|test)_[A-Za-z0-9]{10,}+",
            r"whsec_[A-Za-z0-9+/=]{16,}+",
            r"gh[pousr]_[A-Za-z0-9]{20,}+",
            r"github_pat_[A-Za-z0-9_]{20,}+",
            r"gl(?:pat|ptt|dt|rt|cbt|oas|soat|ft|imt|agent|ffct)-[A-Za-z0-9_.\-]{16,}+",
            r"gsk_[A-Za-z0-9]{20,}+",  # Groq
            r"xox[a-z]-[A-Za-z0-9\-]{8,}+",  # Slack
            r"xapp-[A-Za-z0-9\-]{16,}+",
            r"AKIA[A-Z0-9]{16}(?![A-Za-z0-9])",
            r"ASIA[A-Z0-9]{16}(?![A-Za-z0-9])",
            r"AIza[A-Za-z0-9_\-]{30,}+",  # Google
            r"GOCSPX-[A-Za-z0-9_\-]{16,}+",
            r"hf_[A-Za-z0-9]{20,}+",
            r"npm_[A-Za-z0-9]{30,}+",
            r"pypi-Ag[A-Za-z0-9_\-]{16,}+",
            r"hv[sbr]\.[A-Za-z0-9_\-]{20,}+",  # Vault
            r"eyJ[\w\-]{8,1024}+\.[\w\-]{8,}+(?:\.[\w\-]*+){0,3}",  # JSON web token
        )
    ),
    re.ASCII,
)
# An AWS secret is 40 characters without a mark of its own: it is known by the
# key id before it.
_AWS_PAIR = re.compile(
    rf"A{_EDGE}[KS]IA[A-Z0-9]{{16}}(?P<between>[^A-Za-z0-9/+](?:.{{0,80}}?"
    r"[^A-Za-z0-9/+])?)(?=[A-Za-z0-9/+]{0,39}[A-Z])(?=[A-Za-z0-9/+]{0,39}[a-z])"
    r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"
)


def _tokens(line: str) -> str:
    """Mask tokens that their vendors marked as such, and JSON web tokens."""
    line = _AWS_PAIR.sub(rf"{MARK['key']}\g<between>{MARK['secret']}", line)
    return _TOKENS.sub(
        lambda found: MARK["jwt" if found[0].startswith("eyJ") else "key"], line
    )


_URL_LOGIN = re.compile(
    r"://(?P<user>[^\s/?#@:\"'<>\[]{0,128})"
    # a password; digits up to a slash are a port
    r"(?::(?![0-9]{1,5}(?:[/?#,\s]|$))"
    # with a raw slash in it only if there is no other way to read it
    r"(?P<password>[^\s\"'<>/?#]{1,256}(?=@)|[^\s\"'<>]{1,256}(?=@))|(?=@))"
)


def _url_logins(line: str) -> str:
    """Mask the password of ``scheme://user:password@host`` and a token as user."""

    def judge(found: re.Match[str]) -> Span | None:
        if found["password"] is not None:
            start, end = found.span("password")
            return None if _settled(line, start, end) else (start, end, "password")
        start, end = found.span("user")
        if end - start >= 20 and _OPAQUE.fullmatch(found["user"]):
            return start, end, "token"
        return None

    return _replace(line, _URL_LOGIN, judge)


# A run of digits starts where no word, number or decimal point stands before it;
# in an address of Telegram's, "/bot" does.
_DIGITS = re.compile(
    r"[0-9](?:(?<![A-Za-z0-9_].)|(?<=/bot.))(?<![0-9][.,].)(?:"
    r"(?P<card>[0-9]{3}(?:[ \-]?[0-9]{4}[ \-]?[0-9]{4}[ \-]?[0-9]{1,7}"
    r"|[ \-]?[0-9]{6}[ \-]?[0-9]{4,5}))(?![A-Za-z0-9_]|[.,][0-9]|-[0-9A-Fa-f]{4}-)"
    r"|[0-9]{5,11}(?P<telegram>:[A-Za-z0-9_\-]{34,36})(?![A-Za-z0-9_\-]))"
)
# first digits of a card number and the lengths it may have
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|2720\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}(?:\d{2})?"  # Diners
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}(?:\d{3})?"  # Discover
    r"|35\d{14}(?:\d{3})?"  # JCB
    r"|62\d{14,17}|8[12]\d{14,17}"  # UnionPay, RuPay
    r"|2200\d{12}|220[1-4]\d{12}"  # Mir
    r"|(?:5[0678]|6[0-9])\d{11,17}"  # Maestro
)


def is_card_number(digits: str) -> bool:
    """Whether the digits are those of a payment card: issuer, length, check digit.

    >>> is_card_number("4111111111111111"), is_card_number("4111111111111112")
    (True, False)
    >>> is_card_number("1763712131000000")  # a time in microseconds
    False
    """
    if not _ISSUERS.fullmatch(digits):
        return False
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _numbers(line: str) -> str:
    """Mask card numbers, and tokens of Telegram bots, which start with a number."""

    def judge(found: re.Match[str]) -> Span | None:
        if found["telegram"]:
            return *found.span(), "token"
        digits = re.sub(r"[ \-]", "", found[0])
        return (*found.span(), "card") if is_card_number(digits) else None

    return _replace(line, _DIGITS, judge)


# --- Lines ----------------------------------------------------------------------------

# Lower case; all digits alike, "-" as "_", and the rare letters b, g and x as "h":
# so fewer gates say the same. (A search costs 0.2 µs even if it finds nothing.)
_FOLD = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZbgx123456789-",
    b"ahcdefhhijklmnopqrstuvwhyzhhh000000000_",
)
_Search = Callable[..., re.Match[bytes] | None]


def _gates(*patterns: bytes) -> tuple[_Search, ...]:
    return tuple(re.compile(pattern).search for pattern in patterns)


# A rule is tried on a line only if one of its gates matches the folded line. Each
# gate starts with a literal, which `re` skips to at 1 GB/s and more. A gate may let
# too much through, never too little: `test_gates_let_every_secret_through`.
_RULES: tuple[tuple[Callable[[str], str], tuple[_Search, ...]], ...] = (
    (_url_logins, _gates(rb"://[^ ]{0,400}@")),
    (
        lambda line: _tokens(_assignments(line)),
        _gates(
            rb"p(?:ass(?!ed|inh)|wd|m_|ypi_ah)",
            rb"s(?:ecret|ession(?!s)|ihnature)",
            rb"token(?!s)",
            rb"k(?:ey(?!error|word|s)|_(?:(?<=sk_)(?!id[^a-z0_])|(?:live|test)_))",
            rb"c(?:ook|reden|v[vc])",
            rb"a(?:uthoriz|kia|sia|iza)",
            # bearer, xox, xapp_, ghp_, github_pat_, glpat_, gsk_, gocspx_
            rb"h(?:earer|oh|app_|h[pousr]_|ithuh_|l[a-z]{2,5}_|sk_|ocsph_"
            rb"|f_|sec_|v[shr]\.)",  # hf_, whsec_, hvs.
            rb"eyj",
        ),
    ),
    (
        _numbers,
        _gates(rb"0000(?:[ _]?0000[ _]?0000|[ _]?000000[ _]?0000|0{2,8}:[a-z0_]{34})"),
    ),
)
_GATES = tuple(gate for _rule, gates in _RULES for gate in gates)


def _line(line: str) -> str:
    """Redact one line, again and again until nothing changes."""
    for _round in range(_ROUNDS):
        before = line
        folded = line.encode("utf-8", "surrogatepass").translate(_FOLD)
        for rule, gates in _RULES:
            for gate in gates:
                if gate(folded):
                    line = rule(line)
                    break
        if line == before:
            return line
    return MARK["line"]


def _lines(text: str) -> str:
    """Redact the lines that pass a gate; the others are not even looked at."""
    if "\n" not in text:
        return _line(text)
    data = text.encode("utf-8", "surrogatepass")
    folded = data.translate(_FOLD)
    starts = set()
    for gate in _GATES:
        found = gate(folded)
        while found:
            # one match is enough for a line
            starts.add(folded.rfind(b"\n", 0, found.start()) + 1)
            end = folded.find(b"\n", found.start())
            found = gate(folded, end) if end >= 0 else None
    parts: list[bytes] = []
    done = 0
    for start in sorted(starts):
        end = folded.find(b"\n", start)
        end = len(data) if end < 0 else end
        line = _line(data[start:end].decode("utf-8", "surrogatepass"))
        parts += data[done:start], line.encode("utf-8", "surrogatepass")
        done = end
    return b"".join([*parts, data[done:]]).decode("utf-8", "surrogatepass")


# --- Private keys ---------------------------------------------------------------------

_BREAK = r"(?:[\s>|]|\\+[nrt])"
_PEM_NAME = r"[A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"
_PEM_BEGIN = re.compile(
    rf"-----BEGIN {_PEM_NAME}"
    rf"(?:(?:{_BREAK})*+(?:"
    r"(?:Proc-Type|DEK-Info|Version|Comment):[^\n\\]{0,200}+"
    r"|[A-Za-z0-9+/=]{16,}+"
    # the last line may be short; a word of prose has something after it
    r"|[A-Za-z0-9+/=]{1,15}+(?=[ \t]{0,8}(?:[\r\n\"']|\\+[rn]|-----END|$)))"
    r")*+"
    rf"(?:(?:{_BREAK})*+(?:=[A-Za-z0-9+/]{{4}}(?:{_BREAK})*+)?-----END {_PEM_NAME})?"
)
_PEM_END = re.compile(rf"-----END {_PEM_NAME}")
# read backwards: the base64 lines before an end whose beginning was cut off
_PEM_TAIL = re.compile(
    r"(?:[\s>|]|[nrt]\\+)*+[A-Za-z0-9+/=]{1,128}+"
    r"(?:(?:[\s>|]|[nrt]\\+)++[A-Za-z0-9+/=]{16,128}+(?![^\s>|\"'\\]))*+"
)
_PEM_WINDOW = 32 * 1024  # characters; the longest private keys have about 13,000


def _private_keys(text: str) -> str:
    """Mask private keys in PEM, also if their end or their beginning is missing."""
    if "PRIVATE KEY" not in text:
        return text
    text = _PEM_BEGIN.sub(MARK["private-key"], text)

    parts: list[str] = []
    done = 0
    for found in _PEM_END.finditer(text):
        window = text[max(done, found.start() - _PEM_WINDOW) : found.start()]
        tail = _PEM_TAIL.match(window[::-1])
        start = found.start() - (tail.end() if tail else 0)
        parts += text[done:start], MARK["private-key"]
        done = found.end()
    return "".join(parts) + text[done:]


# --- Known secrets --------------------------------------------------------------------


def _forms(value: str) -> Iterator[tuple[str, str]]:
    """The ways in which a known secret may be written, with a pattern for each."""
    plain = {value, quote(value, safe=""), quote(value), quote_plus(value)}
    plain |= {
        re.sub(r"%..", lambda escape: escape[0].lower(), form)
        for form in plain
        if form != value
    }
    plain |= {json.dumps(value, ensure_ascii=way)[1:-1] for way in (True, False)}
    plain |= {repr(value)[1:-1], json.dumps(value)[1:-1].replace("/", "\\/")}
    for form in plain:
        yield form, re.escape(form)
    raw = value.encode("utf-8", "surrogatepass")
    for shift in range(3):
        # inside a longer base64 text ("user:password"), the secret may start at
        # each of three places of a group; what its neighbours leave alone is kept
        code = base64.b64encode(b"\0" * shift + raw)
        core = code[-(-8 * shift // 6) : 8 * (shift + len(raw)) // 6].decode()
        for form in {core, core.replace("+", "-").replace("/", "_")}:
            yield form, rf"[A-Za-z0-9+/_\-]?{re.escape(form)}[A-Za-z0-9+/_\-]?={{0,2}}"


class _Known:
    """Finds any of many known texts, at a price that does not grow with their number.

    Of every known text all pieces of four characters near its start are
    remembered. In the text, only every n-th piece is looked up, where n is so small
    that no occurrence of the shortest known text can slip through.
    """

    def __init__(self, values: frozenset[str]) -> None:
        forms = dict(form for value in values for form in _forms(value))
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self.stride = min(map(len, forms)) - _GRAM + 1
        self.grams = {
            form[place : place + _GRAM]
            for form in forms
            for place in range(self.stride)
        }
        self.reach = len(longest_first[0]) + 2
        self.pattern = re.compile("|".join(forms[form] for form in longest_first))

    def mask(self, text: str) -> str:
        grams, stride = self.grams, self.stride
        places = [
            place
            for place in range(0, len(text), stride)
            if text[place : place + _GRAM] in grams
        ]
        if not places:
            return text
        parts: list[str] = []
        done = 0
        for place in places:
            end = place + self.reach
            found = self.pattern.search(text, max(done, place - self.reach), end)
            while found:
                parts += text[done : found.start()], MARK["known"]
                done = found.end()
                found = self.pattern.search(text, done, end)
        return "".join(parts) + text[done:]


class Redactor:
    """Redacts text and values; knows the secrets it was told.

    >>> redactor = Redactor()
    >>> redactor.learn("correct horse")
    >>> redactor.redact("you said: correct horse, or ?q=correct%20horse")
    'you said: [redacted:known], or ?q=[redacted:known]'
    >>> redactor.forget("correct horse")
    >>> redactor.redact("you said: correct horse")
    'you said: correct horse'
    """

    def __init__(self) -> None:
        self._values: frozenset[str] = frozenset()
        self._known: _Known | None = None

    def learn(self, value: str) -> None:
        """Mask this value wherever it occurs, also as base64, in a URL or in JSON.

        Values of fewer than six characters are ignored.

        >>> redactor = Redactor()
        >>> redactor.learn("tiny")
        >>> redactor.redact("a tiny thing")
        'a tiny thing'
        """
        if len(value.strip()) >= KNOWN_MINIMUM:
            self._keep(self._values | {value.strip()})

    def forget(self, value: str) -> None:
        """Stop masking a value; one that was never learnt is no error."""
        self._keep(self._values - {value.strip()})

    def _keep(self, values: frozenset[str]) -> None:
        # replaced as a whole: other threads go on with the old one meanwhile
        if values != self._values:
            self._known = _Known(values) if values else None
            self._values = values

    def _blocks(self, text: str) -> str:
        """Mask what may spread over lines."""
        known = self._known
        if known and "[redacted:" not in text:
            text = known.mask(text)
        elif known:
            # placeholders stay whole, even if a known secret reads like a part of one
            text = "".join(
                known.mask(text[start:end]) + text[end:resume]
                for start, end, resume in _between_placeholders(text)
            )
        return _private_keys(text)

    def redact(self, text: str) -> str:
        """Return the text with its secrets replaced by ``[redacted:<kind>]``.

        >>> Redactor().redact('{"api_key": "abc", "model": "gpt-5"}')
        '{"api_key": "[redacted:key]", "model": "gpt-5"}'
        >>> Redactor().redact("card 4111 1111 1111 1111, order 4111 1111 1111 1112")
        'card [redacted:card], order 4111 1111 1111 1112'
        """
        text = str.__str__(text)  # subclasses may have ideas of their own
        for _round in range(_ROUNDS):
            before = text
            text = _lines(self._blocks(before))
            if text == before or self._blocks(text) == text:
                return text
        return MARK["text"]

    def redact_text(self, text: str, limit: int = TEXT_LIMIT) -> str:
        """Redact a text of which no more than the first `limit` characters matter.

        The cut drops a last word that may be half a secret, and says what is gone.

        >>> Redactor().redact_text("word " * 1000, limit=100)[60:]
        'word word word word … [4,921 characters cut]'
        """
        text = str.__str__(text)
        if len(text) <= limit:
            return self.redact(text)
        head = text[: max(0, limit - 20)]
        end = max(head.rfind(" "), head.rfind("\n"))
        head = head[: end if end > len(head) - 4096 else max(0, len(head) - 4096)]
        return f"{self.redact(head)} … [{len(text) - len(head):,} characters cut]"

    def redact_value(self, value: Any) -> Any:
        """Return a redacted copy of a JSON-like value; the value is left alone.

        Whatever stands under a sensitive name is masked as a whole. Sets become
        lists, data classes dictionaries, other objects their redacted ``repr``.

        >>> Redactor().redact_value({"user": "bob", "auth": [{"Password": 1234}]})
        {'user': 'bob', 'auth': [{'Password': '[redacted:password]'}]}
        >>> Redactor().redact_value({"tokens": 12, "session_id": None, 7: b"pwd=x"})
        {'tokens': 12, 'session_id': None, 7: b'pwd=[redacted:password]'}
        """
        return _Copy(self).of(value)


def _between_placeholders(text: str) -> Iterator[tuple[int, int, int]]:
    """(start, end, end of the placeholder after it) of each piece of the text."""
    done = 0
    for found in _PLACEHOLDER.finditer(text):
        yield done, found.start(), found.end()
        done = found.end()
    yield done, len(text), len(text)


# --- Values ---------------------------------------------------------------------------


def sensitive_kind(name: str) -> str | None:
    """The kind of secret that a field of this name holds, if any.

    >>> sensitive_kind("clientSecret"), sensitive_kind("X-Api-Key")
    ('secret', 'key')
    >>> sensitive_kind("max_tokens"), sensitive_kind("cost_per_token")
    (None, None)
    """
    low = _lower(name[-200:]).strip()
    for found in _NAME.finditer(low):
        word = found["word"]
        if found.end() == len(low) and _counts(low, word, found.start()):
            return None if word in ("session", "signature") else _kind(word)
    return None


class _Copy:
    """One walk through a value: what it has seen, and how much it may still see."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self.inside: set[int] = set()
        self.left = NODE_LIMIT

    def of(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, str):
            return self.redactor.redact_text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return MARK["card"] if _is_card(value) else value
        if value is None or isinstance(value, bool | float | complex):
            return value
        if isinstance(value, bytes | bytearray):
            return self._bytes(bytes(value))
        if id(value) in self.inside:
            return "[cycle]"
        if depth >= DEPTH_LIMIT:
            return "[too deep]"
        self.inside.add(id(value))
        try:
            return self._members(value, depth + 1)
        except Exception as error:  # noqa: BLE001 - foreign code: __iter__, __repr__, …
            return f"[unreadable {type(value).__name__}: {type(error).__name__}]"
        finally:
            self.inside.discard(id(value))

    def _bytes(self, value: bytes) -> bytes:
        text = self.redactor.redact_text(value.decode("utf-8", "surrogateescape"))
        return text.encode("utf-8", "surrogateescape")

    def _members(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self._mapping(value.items(), len(value), depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [field.name for field in dataclasses.fields(value)]
            pairs = ((name, getattr(value, name, None)) for name in fields)
            return self._mapping(pairs, len(fields), depth)
        if isinstance(value, list | tuple | set | frozenset):
            copies = [self.of(item, depth) for item in self._some(value)]
            if len(copies) < len(value):
                copies.append(f"[{len(value) - len(copies):,} items cut]")
            return tuple(copies) if isinstance(value, tuple) else copies
        return self.redactor.redact_text(repr(value))

    def _some(self, members: Any) -> Iterator[Any]:
        for count, member in enumerate(members):
            if count >= ITEM_LIMIT or self.left <= 0:
                return
            self.left -= 1
            yield member

    def _mapping(self, pairs: Any, size: int, depth: int) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for seen, (name, member) in enumerate(self._some(pairs), start=1):
            label = name.decode("latin-1") if isinstance(name, bytes) else name
            kind = sensitive_kind(label) if isinstance(label, str) else None
            if kind and not self._is_empty(member):
                copy: Any = MARK[kind]
            else:
                copy = self.of(member, depth)
            key = self.of(name, depth)
            if isinstance(key, list | dict | tuple):
                key = self.redactor.redact_text(repr(name))
            if key in result:  # two secrets as keys: lose neither
                key = f"{key} #{seen}"
            result[key] = copy
        if len(result) < size:
            result["…"] = f"[{size - len(result):,} items cut]"
        return result

    @staticmethod
    def _is_empty(member: Any) -> bool:
        """Whether a member is worth showing even under a sensitive name."""
        return member is None or isinstance(member, bool) or member in ("", b"")


def _is_card(value: int) -> bool:
    # the bounds first: turning a huge number into text is slow, or refused
    return 10**12 <= value < 10**19 and is_card_number(str(value))


REDACTOR = Redactor()
"""The redactor of this process, which knows the secrets that were resolved in it."""


def redact(text: str) -> str:
    """Redact with the redactor of this process.

    >>> redact("Authorization: Bearer abc.def")
    'Authorization: [redacted:authorization]'
    """
    return REDACTOR.redact(text)


def redact_value(value: Any) -> Any:
    """Redact a value with the redactor of this process.

    >>> redact_value(["--api-key", {"cookie": "a=b"}])
    ['--api-key', {'cookie': '[redacted:cookie]'}]
    """
    return REDACTOR.redact_value(value)


class LogFilter(logging.Filter):
    """Redacts log records. Add it to handlers (loggers do not filter their children's).

    The record is changed, so every handler after this one sees redacted text:
    arguments are merged into the message, the traceback becomes its text. What was
    given as ``extra`` is left alone.

    With `keep_exception` the record keeps its exception for whoever reads that
    instead; formatters take the redacted text all the same, because it is there.

    >>> record = logging.makeLogRecord({"msg": "token=%s", "args": ("abc",)})
    >>> LogFilter().filter(record), record.getMessage()
    (True, 'token=[redacted:token]')
    """

    def __init__(
        self,
        redactor: Redactor | None = None,
        limit: int = TEXT_LIMIT,
        keep_exception: bool = False,
    ) -> None:
        super().__init__()
        self.redactor = redactor or REDACTOR
        self.limit = limit
        self.keep_exception = keep_exception

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record; never drops it, never raises.

        >>> record = logging.makeLogRecord({"msg": "%d left", "args": ("pwd=abc",)})
        >>> LogFilter().filter(record), record.getMessage()
        (True, "%d left [unformatted: ('pwd=[redacted:password]',)]")
        """
        record.msg = self._clean(_message(record))
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = _traceback(record.exc_info)
        if not self.keep_exception:
            # some handlers format it themselves, unredacted, while they have it
            record.exc_info = None
        if record.exc_text:
            record.exc_text = self._clean(record.exc_text)
        if record.stack_info:
            record.stack_info = self._clean(record.stack_info)
        return True

    def _clean(self, text: str) -> str:
        return self.redactor.redact_text(text, self.limit)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - wrong arguments, or their __str__ raises
        return f"{_show(str, record.msg)} [unformatted: {_show(repr, record.args)}]"


def _show(how: Callable[[Any], str], value: Any) -> str:
    try:
        return how(value)
    except Exception as error:  # noqa: BLE001 - foreign code
        return f"[unreadable {type(value).__name__}: {type(error).__name__}]"


def _traceback(exc_info: Any) -> str:
    try:
        return "".join(traceback.format_exception(*exc_info)).rstrip("\n")
    except Exception as error:  # noqa: BLE001 - a record made by hand, foreign code
        return f"[unreadable traceback: {type(error).__name__}]"
