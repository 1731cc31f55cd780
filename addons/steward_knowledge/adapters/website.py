import contextlib
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from odoo.addons.steward.exceptions import External, RemoteError
from odoo.addons.steward.models.steward_http import AGENT

from ..exceptions import SourceInvalid, SourceWaits
from ..kernel import filetypes, page, sitemap
from ..kernel.addresses import Scope, is_trap, normalised, patterns, shape
from ..kernel.draft import Draft
from . import Adapter, Fetched, Found, Step, skipped

ROBOTS_NAME = "Steward"  # as robots.txt calls us
ROBOTS_BYTES = 512 * 1024  # more of it nobody has to read (RFC 9309)
ROBOTS_SECONDS = 15
ROBOTS_WAIT = 600  # seconds after which a robots.txt that failed is asked for again
SITEMAP_SECONDS = 120
MOST_SITEMAPS = 200  # of one index
KINDS = {
    "text/html": "text/html",
    "application/xhtml+xml": "text/html",
    "text/markdown": "text/markdown",
    "text/x-markdown": "text/markdown",
    "text/x-rst": "text/x-rst",
    "text/prs.fallenstein.rst": "text/x-rst",
    "text/plain": "text/plain",
    "text/csv": "text/csv",
    filetypes.PDF: filetypes.PDF,
    filetypes.DOCX: filetypes.DOCX,
}
ENDINGS = {
    "text/html": "html",
    "text/markdown": "md",
    "text/x-rst": "rst",
    "text/csv": "csv",
}


class Website(Adapter):
    """Any site, by its sitemap or by following its links.

    `memory`: ``robots`` the text of robots.txt by host, ``start`` where the site really
    begins, ``sitemaps`` still to be read, ``crawls`` whether links are followed,
    ``capped`` why not all was discovered.
    """

    def __init__(self, source, memory=None):
        super().__init__(source, memory)
        self.other_names = {}  # of pages that were looked at just now

    def check(self):
        address = normalised(self.source.url or "")
        if not address:
            raise SourceInvalid(
                self.env._(
                    "Say where %(name)s begins: an address with https:// in front.",
                    name=self.source.name,
                )
            )

    # -- settings ------------------------------------------------------------------

    @property
    def start(self):
        return self.memory.get("start") or normalised(self.source.url or "")

    @property
    def scope(self):
        return Scope(
            self.start,
            patterns(self.source.include or ""),
            patterns(self.source.exclude or ""),
        )

    @property
    def version(self):
        return ""

    def _limits(self, url):
        return {
            "rate": self.rate(urlsplit(url).hostname),
            "max_bytes": int(self.source.max_page_mb * 1024 * 1024),
            "seconds": self.source.page_seconds,
            "agent": self.source.user_agent or AGENT,
        }

    @property
    def http(self):
        return self.env["steward.harvest.http"]

    # -- robots.txt ----------------------------------------------------------------

    def _robots(self, url):
        """What the site asks of robots; fetched once in a harvest.

        :raises SourceWaits: when the site does not say: then nobody may assume it is
            allowed (RFC 9309, 2.3.1.4)
        """
        from protego import Protego

        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc}"
        known = self.memory.setdefault("robots", {})
        if place not in known:
            known[place] = self._fetch_robots(f"{place}/robots.txt")
            robots = Protego.parse(known[place])
            if delay := _delay(robots):
                self.source._set_rate(parts.hostname, delay)
            return robots
        return Protego.parse(known[place])

    def _fetch_robots(self, url):
        limits = {
            **self._limits(url),
            "seconds": ROBOTS_SECONDS,
            "max_bytes": sitemap.LARGEST,  # the rest of it is not read
        }
        try:
            with self.http._opened(url, {"Accept": "text/plain"}, **limits) as reply:
                text = b""
                for piece in reply.stream():
                    text += piece
                    if len(text) > ROBOTS_BYTES:
                        break
                return page.decoded(text[:ROBOTS_BYTES])
        except RemoteError as error:
            if error.status_code < 500 and error.status_code != 429:
                return ""  # there is none: everything is allowed
            cause = error
        except External as error:
            cause = error
        raise SourceWaits(
            self.env._(
                "%(host)s does not say what robots may read: its robots.txt fails."
                " Steward waits until it answers. (%(cause)s)",
                host=urlsplit(url).hostname,
                cause=cause.sentence,
            ),
            retry_after=ROBOTS_WAIT,
        ) from cause

    # -- discovery -----------------------------------------------------------------

    def discover(self):
        memory = self.memory
        if "sitemaps" not in memory:
            self._robots(self.start)
            memory["sitemaps"] = self._first_sitemaps()
            memory["read"] = []
            memory["found"] = 0
            memory["crawls"] = self.source.discovery == "crawl"
        if memory["sitemaps"] and not memory["crawls"]:
            found = self._of_sitemap(memory["sitemaps"][0])
            # only now: what failed is read again
            memory["read"].append(memory["sitemaps"].pop(0))
            memory["found"] += len(found)
            if memory["sitemaps"] and not memory.get("capped"):
                return Step(found, over=False)
            if memory["found"] or self.source.discovery == "sitemap":
                return Step(found)
        elif self.source.discovery == "sitemap":
            return Step([])
        memory["crawls"] = True
        return Step([Found(self.start, self.start, shape=shape(self.start))])

    def _first_sitemaps(self):
        own = [normalised(line) for line in patterns(self.source.sitemaps or "")]
        if any(own):
            return [address for address in own if address]
        told = [normalised(url) for url in self._robots(self.start).sitemaps]
        parts = urlsplit(self.start)
        usual = f"{parts.scheme}://{parts.netloc}/sitemap.xml"
        return [url for url in told if url][:MOST_SITEMAPS] or [usual]

    def _of_sitemap(self, url):
        """The pages of one sitemap; those of an index are put in the queue."""
        memory, scope, found = self.memory, self.scope, []
        limits = {
            **self._limits(url),
            "seconds": SITEMAP_SECONDS,
            "max_bytes": sitemap.LARGEST,
        }
        try:
            with self.http._opened(url, {"Accept": "*/*"}, **limits) as reply:
                for entry in sitemap.entries(reply.stream()):
                    address = normalised(entry.address, url)
                    if not address:
                        continue
                    if entry.is_sitemap:
                        self._queue(address)
                    elif scope.holds(address):
                        found.append(
                            Found(
                                address,
                                address,
                                revision=_settled(entry.changed),
                                shape=shape(address),
                            )
                        )
                        if memory["found"] + len(found) >= self.source.page_limit:
                            memory["capped"] = "limit"
                            break
        except (RemoteError, sitemap.Broken) as error:
            if getattr(error, "retryable", False):
                raise
            if memory["found"] or memory["read"]:
                memory["capped"] = "broken"  # a part of it: not all was discovered
            elif self.source.discovery == "sitemap":
                raise SourceInvalid(
                    self.env._(
                        "%(address)s is no sitemap that can be read.", address=url
                    ),
                    detail=str(error),
                ) from error
        return found

    def _queue(self, address):
        memory = self.memory
        known = memory["sitemaps"] + memory["read"]
        same_site = urlsplit(address).netloc == urlsplit(self.start).netloc
        if not same_site or address in known:
            return
        if len(known) >= MOST_SITEMAPS:
            memory["capped"] = "limit"
        else:
            memory["sitemaps"].append(address)

    def is_complete(self):
        return not self.memory.get("capped")

    def estimate(self):
        """The entries of the sitemaps; None where links would have to be followed."""
        while not self.discover().over:
            pass
        return None if self.memory["crawls"] else self.memory["found"]

    # -- pages ---------------------------------------------------------------------

    def fetch(self, item):
        url = item.key
        if not self._robots(url).can_fetch(url, ROBOTS_NAME):
            return skipped(self.env._("The site's robots.txt does not allow it."))
        try:
            answer = self.http._page(url, self._conditions(item), **self._limits(url))
        except RemoteError as error:
            if error.status_code in (404, 410):
                return Fetched("gone", reason=error.sentence)
            if error.status_code in (401, 403, 407, 451):
                return skipped(
                    self.env._(
                        "It is not open to everybody (HTTP %(status)s).",
                        status=error.status_code,
                    )
                )
            raise
        told = {
            "etag": answer.headers.get("ETag") or "",
            "last_modified": answer.headers.get("Last-Modified") or "",
            "size": len(answer.content),
        }
        if answer.status == 304:
            return Fetched("unchanged", links=self._found(item, item._links()), **told)
        if answer.status >= 300:
            return skipped(
                self.env._("It leads nowhere (HTTP %(status)s).", status=answer.status)
            )
        return self._read(item, answer, told)

    def _conditions(self, item):
        """Ask only for what changed since we saw it, if there is what we saw."""
        headers = {"Accept": "text/html, text/markdown, text/plain, */*;q=0.5"}
        if item._is_kept():
            if item.etag:
                headers["If-None-Match"] = item.etag
            if item.last_modified:
                headers["If-Modified-Since"] = item.last_modified
        return headers

    def _read(self, item, answer, told):
        url, came_from = item.key, normalised(answer.url) or item.key
        claimed = answer.headers.get_content_type()
        if "Content-Type" in answer.headers and not answer.content:
            if claimed in KINDS:
                return skipped(self.env._("It is empty."), **told)
            return skipped(
                self.env._("What it has (%(type)s) is not read.", type=claimed), **told
            )
        try:
            ending = ENDINGS.get(KINDS.get(claimed, ""), "")
            kind = filetypes.kind(f"page.{ending}" if ending else "", answer.content)
        except filetypes.Refused as error:
            return skipped(str(error), **told)
        if kind == "text/plain" and _looks_like_html(answer.content):
            kind = "text/html"
        if kind != "text/html":
            return self._document(item, answer, kind, answer.content, told)
        charset = answer.headers.get_content_charset("")
        content = page.decoded(answer.content, charset).encode()
        facts = page.facts(content, came_from, answer.headers.get("X-Robots-Tag") or "")
        if page.is_login(facts, url, came_from):
            return skipped(
                self.env._("It asks to log in first: %(url)s", url=came_from), **told
            )
        links = list(facts.links) if self.memory.get("crawls") else []
        if came_from != url:
            return self._moved(item, came_from, told)
        if self._has_other_name(item, facts.canonical):
            return skipped(
                self.env._("The same page as %(url)s", url=facts.canonical),
                same_as=facts.canonical,
                links=self._found(item, [facts.canonical, *links], deeper=False),
                **told,
            )
        followed = self._found(item, links)
        if facts.noindex:
            return skipped(
                self.env._("The page asks robots not to index it."),
                links=followed,
                **told,
            )
        result = self._document(item, answer, kind, content, told, facts)
        result.links = followed
        return result

    def _document(self, item, answer, kind, content, told, facts=None):
        parts = urlsplit(item.key)
        name = parts.path.rstrip("/").rpartition("/")[2] or parts.netloc
        draft = Draft(
            external_id=item.key,
            title=(facts and facts.title) or name,
            content=content,
            content_type=kind,
            url=item.key,
            language=(facts and facts.language) or "",
            version=self.version,
            date=_moment(answer.headers.get("Last-Modified")),
        )
        return Fetched(draft=draft, **told)

    def _moved(self, item, came_from, told):
        """A redirect: what it leads to is looked at under its own address."""
        if item.key == self.start:  # the site itself is at another address
            self.memory["start"] = came_from
        if not self.scope.holds(came_from):
            return skipped(
                self.env._("It leads to another place: %(url)s", url=came_from), **told
            )
        return skipped(
            self.env._("It leads to %(url)s", url=came_from),
            same_as=came_from,
            links=self._found(item, [came_from], deeper=False),
            **told,
        )

    def _has_other_name(self, item, canonical):
        if not canonical or canonical == item.key or not self.scope.holds(canonical):
            return False
        # two pages that name each other: then it is this one
        if self.other_names.get(canonical) == item.key:
            return False
        if self.source._has_item(canonical, same_as=item.key):
            return False
        self.other_names[item.key] = canonical
        return True

    def _found(self, item, addresses, deeper=True):
        """The addresses that are followed from a page."""
        depth = item.depth + deeper
        if depth > self.source.max_depth:
            if addresses:
                self.memory["capped"] = "depth"
            return []
        scope = self.scope
        return [
            Found(address, address, depth, shape=shape(address))
            for address in dict.fromkeys(addresses)
            if scope.holds(address) and not is_trap(address)
        ]


class Forum(Website):
    """A forum: a site whose pages are many, and much alike."""


def _delay(robots):
    """Seconds between two requests that a site asks for, or None."""
    delay, rate = robots.crawl_delay(ROBOTS_NAME), robots.request_rate(ROBOTS_NAME)
    if rate and rate.requests:
        delay = max(delay or 0, rate.seconds / rate.requests)
    return delay


def _looks_like_html(content):
    return bool(
        re.match(rb"\s*(<!doctype html|<html|<head|<body)", content[:500], re.I)
    )


def _settled(changed):
    """A sitemap's date, if it cannot be meant for two states of a page."""
    today = datetime.now(UTC).date().isoformat()
    return changed if len(changed) > 10 or changed < today else ""


def _moment(header):
    """When a page was changed; servers that make it up say: just now."""
    with contextlib.suppress(TypeError, ValueError):
        moment = parsedate_to_datetime(header).astimezone(UTC)
        if moment < datetime.now(UTC) - timedelta(hours=1):
            return moment.replace(tzinfo=None)
    return None
