"""One address for what is one page, and which of them a crawl follows.

>>> normalised("HTTP://Docs.Example.com:80/a/../b?utm_source=x&page=2#top")
'http://docs.example.com/b?page=2'
>>> normalised("../guide.html", "https://example.com/docs/start/")
'https://example.com/docs/guide.html'
>>> normalised("mailto:somebody@example.com")
''
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import translate
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

LONGEST = 2000  # characters of an address that is worth a request
DEEPEST = 30  # parts of a path
REPEATS = 3  # times a part may come back in a path: more is a loop of links
PORTS = {"http": 80, "https": 443}
# what tells who came, not what is shown
TRACKING = re.compile(
    r"utm_\w+|(?:g|fb|y|tt|d)clid|gclsrc|msclkid|mc_[ce]id|_ga|_gl|igshid|ref_src"
    r"|phpsessid|jsessionid|session_?id|sid",
    re.IGNORECASE,
)
# with a semicolon in front: what old servers add to a path
PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid)=[^/]*", re.IGNORECASE)
SAFE = "/:@!$&'()*+,;=~-._"


def normalised(address: str, base: str = "") -> str:
    """Return an address as it is fetched and remembered; empty: not a page's."""
    try:
        parts = urlsplit(urljoin(base, address.strip()))
        port = parts.port
    except ValueError:
        return ""
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in PORTS or not host or "@" in parts.netloc:
        return ""
    if ":" in host:
        host = f"[{host}]"
    if port and port != PORTS[parts.scheme]:
        host = f"{host}:{port}"
    path = _resolved(quote(unquote(PATH_SESSION.sub("", parts.path)), safe=SAFE))
    pairs = [pair for pair in parts.query.split("&") if pair]
    kept = [pair for pair in pairs if not TRACKING.fullmatch(pair.partition("=")[0])]
    query = quote("&".join(kept), safe=SAFE + "?%")
    found = urlunsplit((parts.scheme, host, path, query, ""))
    return found if len(found) <= LONGEST else ""


def _resolved(path: str) -> str:
    kept: list[str] = []
    parts = path.split("/")[1:]
    for part in parts:
        if part == "..":
            kept = kept[:-1]
        elif part != ".":
            kept.append(part)
    if parts and parts[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def shape(address: str) -> str:
    """Return what pages alike have in common: the path without its numbers.

    A calendar that links to the next month for ever shows one shape.

    >>> shape("https://example.com/calendar/2031/04?view=week&day=3")
    'example.com/calendar/N/N?day&view'
    """
    parts = urlsplit(address)
    names = sorted({pair.partition("=")[0] for pair in parts.query.split("&")} - {""})
    path = re.sub(r"\d+", "N", parts.path)
    return f"{parts.netloc}{path}{'?' if names else ''}{'&'.join(names)}"[:500]


def is_trap(address: str) -> bool:
    """Whether a path runs in circles, as relative links in a wrong place make it.

    >>> is_trap("https://example.com/a/b/a/b/a/b/a/b/")
    True
    >>> is_trap("https://example.com/docs/sales/quotations")
    False
    """
    parts = [part for part in urlsplit(address).path.split("/") if part]
    return len(parts) > DEEPEST or max(Counter(parts).values(), default=0) > REPEATS


def patterns(text: str) -> tuple[str, ...]:
    r"""Return the patterns that a person wrote, one a line; # begins a remark.

    >>> patterns("/docs/*  # the manual\n\n*.html")
    ('/docs/*', '*.html')
    """
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def matches(path: str, wanted: Iterable[str]) -> bool:
    """Whether one of the patterns (as of a shell: * and ?) fits the whole path.

    >>> matches("/docs/19.0/sales.html", ["/docs/*"])
    True
    """
    return any(re.match(translate(pattern), path) for pattern in wanted)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which addresses belong to a source.

    >>> scope = Scope("https://example.com/docs/", exclude=("*/print/*",))
    >>> [scope.holds(f"https://example.com{path}")
    ...  for path in ("/docs/a", "/shop", "/docs/print/a")]
    [True, False, False]
    """

    start: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    more_hosts: frozenset[str] = field(default_factory=frozenset)

    def holds(self, address: str) -> bool:
        """Whether an address is of this site, below its start, and wanted."""
        parts, start = urlsplit(address), urlsplit(self.start)
        if parts.netloc != start.netloc and parts.hostname not in self.more_hosts:
            return False
        path = f"{parts.path}{'?' if parts.query else ''}{parts.query}"
        if matches(path, self.exclude):
            return False
        if self.include:
            return matches(path, self.include)
        return parts.path.startswith(start.path.rpartition("/")[0] + "/")
