"""A made-up world to harvest: documentation, a forum, issues; a site that serves it.

The same seed gives the same bytes, with no network. Words are as frequent as in
business texts, each page keeps coming back to a few of its own, and whatever real sites
have besides is there: navigation, scripts, footers, tracebacks, tables, copies of other
pages with little changed, and pages in other languages.

    with Site(Corpus(pages=1000)) as site:
        ...  # site.url("/documentation/19.0/"), site.github
"""

import hashlib
import html
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate, product
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

WORDS = Path(__file__).parents[1] / "addons" / "steward_llm" / "kernel" / "words.txt"
FREQUENT = 150  # of the words: they stand everywhere and are nobody's own
BEGINNING = datetime(2025, 3, 1, 8, tzinfo=UTC)
DOCS, FORUM = "/documentation/19.0", "/forum/help"
REPOSITORY = "acme/addons"
SITEMAP_URLS = 1000  # in one sitemap
NEARLY_THE_SAME = 0.04  # of the pages and threads
FOREIGN = 0.03


class Area(NamedTuple):
    """A part of the software, and how people speak of it."""

    module: str
    models: tuple[str, ...]
    fields: tuple[str, ...]
    things: tuple[str, ...]


AREAS = {
    "sales": Area(
        "sale_management",
        ("sale.order", "sale.order.line"),
        ("order_line", "amount_untaxed", "validity_date", "pricelist_id"),
        ("quotations", "sales orders", "pricelists", "discounts", "down payments"),
    ),
    "purchase": Area(
        "purchase",
        ("purchase.order", "product.supplierinfo"),
        ("date_planned", "partner_ref", "qty_received", "min_qty"),
        ("requests for quotation", "vendor bills", "blanket orders", "vendor prices"),
    ),
    "inventory": Area(
        "stock",
        ("stock.picking", "stock.move", "stock.quant"),
        ("location_dest_id", "reserved_quantity", "lot_id", "scheduled_date"),
        ("reservations", "lots", "serial numbers", "putaway rules", "transfers"),
    ),
    "accounting": Area(
        "account",
        ("account.move", "account.move.line", "account.payment"),
        ("invoice_date_due", "amount_residual", "reconciled", "fiscal_position_id"),
        ("customer invoices", "payments", "taxes", "bank statements", "lock dates"),
    ),
    "manufacturing": Area(
        "mrp",
        ("mrp.production", "mrp.bom", "mrp.workorder"),
        ("bom_line_ids", "qty_producing", "workcenter_id", "date_start"),
        ("bills of materials", "work orders", "by-products", "scrap orders"),
    ),
    "people": Area(
        "hr_holidays",
        ("hr.leave", "hr.employee", "hr.leave.allocation"),
        ("number_of_days", "holiday_status_id", "department_id", "date_from"),
        ("time off requests", "allocations", "working schedules", "expense reports"),
    ),
    "website": Area(
        "website_sale",
        ("website.page", "product.template"),
        ("website_published", "public_categ_ids", "website_url"),
        (
            "product pages",
            "carts",
            "payment providers",
            "redirects",
            "shipping methods",
        ),
    ),
    "developer": Area(
        "base",
        ("ir.model.access", "ir.rule", "ir.cron", "ir.actions.server"),
        ("domain_force", "perm_write", "nextcall", "group_ids"),
        ("record rules", "computed fields", "server actions", "views", "migrations"),
    ),
}
DEEDS = (
    *("Configure", "Validate", "Import", "Cancel", "Merge", "Archive", "Print"),
    *("Translate", "Automate", "Split", "Approve", "Export"),
)
PLACES = (
    *("before confirmation", "in several companies", "with another currency"),
    *("for portal users", "from the mobile app", "with multi-step routes"),
    *("after a migration", "in a test database", "by e-mail", "with barcodes"),
    *("over the external API", "at the end of the year", "in batches"),
)
SENTENCES = (
    "Open {thing} and set {field} before you save.",
    "The field {field} of {model} decides which {own} is used, and {drawn}.",
    "If the {own} is missing, {thing} cannot be confirmed and {drawn}.",
    "Only users of the group {own} may change {field}.",
    "Since version {version} the module {module} handles {own} by itself.",
    "{Drawn}, so that {thing} stay linked to the {own}.",
    "By default {drawn}; this can be changed in the settings of {module}.",
    "Each {own} has a {own}, which {drawn}.",
    "To see the result, group {thing} by {own} and compare the {own}.",
    "When {drawn}, the record of {model} is locked until {field} is empty.",
)
NOTES = (
    "Activate the developer mode to see this menu.",
    "This cannot be undone once the period is closed.",
    "Multi-company rules apply to this screen as well.",
)
ASKING = (
    "Hi all, since we upgraded to {version} {thing} do not work any more: {drawn}.",
    "I try to {deed} {thing} {place} and get the message below. {Drawn}.",
    "What is the right way to set {field} on {model}? We have {drawn}.",
)
ANSWERING = (
    "You have to install {module} and set {field}. Then {drawn}.",
    "It is a known problem of {version}. Override `{method}` of {model} and {drawn}.",
    "Check the record rule on {model}: {drawn}.",
    "Same here. {Drawn}, after that {thing} were fine again.",
)
ELSEWHERE = {
    "fr": (
        "Ouvrez le menu {own} et choisissez la valeur du champ {field}.",
        "Le module {module} permet de gérer les documents de plusieurs sociétés.",
        "Si la commande n'est pas encore confirmée, vous pouvez la modifier.",
        "Les utilisateurs doivent avoir les droits d'accès pour enregistrer.",
    ),
    "de": (
        "Öffnen Sie das Menü {own} und wählen Sie den Wert des Feldes {field}.",
        "Das Modul {module} verwaltet die Belege mehrerer Unternehmen.",
        "Solange der Auftrag nicht bestätigt ist, können Sie ihn noch ändern.",
        "Benutzer brauchen die Zugriffsrechte, um diese Änderung zu speichern.",
    ),
    "es": (
        "Abra el menú {own} y elija el valor del campo {field}.",
        "El módulo {module} permite gestionar los documentos de varias empresas.",
        "Si el pedido todavía no está confirmado, se puede modificar.",
        "Los usuarios necesitan derechos de acceso para guardar este cambio.",
    ),
}
ERRORS = (
    "odoo.exceptions.UserError: You cannot {deed} {thing} without {own}.",
    "odoo.exceptions.ValidationError: The {own} of {model} must be positive ({field}).",
    "odoo.exceptions.AccessError: You are not allowed to modify '{thing}' ({model}).",
    'psycopg2.errors.UniqueViolation: duplicate key in "{table}_{field}_uniq"',
    "KeyError: '{field}'",
    "AttributeError: '{model}' object has no attribute '{method}'",
)
PEOPLE = ("Ana", "Bilal", "Chloé", "Dmitri", "Emeka", "Farah", "Goran", "Hana", "Ines")
VERSIONS = ("16.0", "17.0", "18.0", "19.0")


@dataclass(frozen=True, slots=True)
class Page:
    """What the site has at an address.

    :param near: the path of the page that this one repeats with little changed
    :param mark: words that only this page is about
    """

    path: str
    title: str
    body: bytes
    changed: datetime
    language: str = "en"
    near: str = ""
    mark: str = ""


class Writer:
    """Writes about one subject, in words of its own."""

    def __init__(self, draw: random.Random, words: list[str], rising: list[float]):
        self.draw, self.words, self.rising = draw, words, rising
        self.area = draw.choice(list(AREAS))
        known = AREAS[self.area]
        self.own = [words[n] for n in draw.sample(range(FREQUENT, len(words)), 12)]
        self.known = {
            "module": known.module,
            "thing": draw.choice(known.things),
            "deed": draw.choice(DEEDS).lower(),
            "place": draw.choice(PLACES),
            "method": f"_{draw.choice(('check', 'compute', 'prepare'))}_{self.own[0]}",
        }
        self.facts = known

    def some(self, low: int, high: int) -> range:
        return range(self.draw.randint(low, high))

    def sentence(self, patterns: tuple[str, ...] = SENTENCES) -> str:
        pattern = self.draw.choice(patterns)
        while "{own}" in pattern:
            pattern = pattern.replace("{own}", self.draw.choice(self.own), 1)
        count = self.draw.randint(4, 9)
        drawn = " ".join(
            self.draw.choices(self.words, cum_weights=self.rising, k=count)
        )
        model = self.draw.choice(self.facts.models)
        return pattern.format(
            **self.known,
            model=model,
            table=model.replace(".", "_"),
            field=self.draw.choice(self.facts.fields),
            version=self.draw.choice(VERSIONS),
            drawn=drawn,
            Drawn=drawn.capitalize(),
        )

    def paragraph(self, patterns: tuple[str, ...] = SENTENCES) -> str:
        return " ".join(self.sentence(patterns) for _sentence in self.some(2, 5))

    def code(self) -> str:
        model, field = self.facts.models[0], self.draw.choice(self.facts.fields)
        return (
            "from odoo import api, models\n\n\n"
            f"class {model.title().replace('.', '')}(models.Model):\n"
            f'    _inherit = "{model}"\n\n'
            f'    @api.constrains("{field}")\n'
            f"    def {self.known['method']}(self):\n"
            f'        for record in self.filtered("{field}"):\n'
            f"            record.{self.own[1]} = record.{field}\n"
        )

    def traceback(self) -> str:
        lines = ["Traceback (most recent call last):"]
        for name in ("web/controllers/dataset", f"{self.known['module']}/models/main"):
            number = self.draw.randint(20, 900)
            lines.append(f'  File "odoo/addons/{name}.py", line {number}, in call')
        return "\n".join([*lines, self.sentence(ERRORS)])

    def table(self) -> list[list[str]]:
        rows = [["Field", "Meaning", "Default"]]
        for field in self.facts.fields:
            own = self.draw.sample(self.own, 2)
            rows.append([field, f"{own[0]} of the {own[1]}", self.draw.choice("01-")])
        return rows


class Corpus:
    """Everything there is to harvest.

    :param pages: of documentation; threads are twice as many, issues half
    """

    def __init__(self, pages: int = 1000, seed: int = 19) -> None:
        self.words = WORDS.read_text("ascii").split()
        ranks = range(1, len(self.words) + 1)
        self.rising = [*accumulate(1 / rank for rank in ranks)]
        self.seed = seed
        self.pages = [*self._some(pages, self._page)]
        self.threads = [*self._some(2 * pages, self._thread)]
        self.issues = [
            self._issue(self._writer("issue", n), n) for n in range(pages // 2)
        ]

    def __len__(self) -> int:
        return len(self.pages) + len(self.threads) + len(self.issues)

    def questions(self, count: int) -> list[tuple[str, str]]:
        """What people may ask, and the path of the page that it was asked about."""
        draw = random.Random(f"{self.seed} questions")
        about = [page for page in (*self.pages, *self.threads) if not page.near]
        asked = []
        for page in draw.choices(about, k=count):
            words = [*page.title.lower().split()[:4], *page.mark.split()]
            asked.append((" ".join(draw.sample(words, min(5, len(words)))), page.path))
        return asked

    def _writer(self, kind: str, number: int) -> Writer:
        draw = random.Random(f"{self.seed} {kind} {number}")
        return Writer(draw, self.words, self.rising)

    def _some(self, count, make):
        """Pages, some of which repeat an earlier one but for a sentence."""
        made: list[Page] = []
        for number in range(count):
            writer = self._writer(make.__name__, number)
            if number > 10 and writer.draw.random() < NEARLY_THE_SAME:
                original = writer.draw.choice([page for page in made if not page.near])
                made.append(self._again(original, writer, number))
            else:
                made.append(make(writer, number))
        return made

    def _again(self, original: Page, writer: Writer, number: int) -> Page:
        """The same page at another place, as sites have it."""
        added = f"<p>Updated: {html.escape(writer.sentence())}</p></article>"
        body = original.body.replace(b"</article>", added.encode(), 1)
        path = original.path.removesuffix(".html") + f"-{number}.html"
        return Page(
            path=path,
            title=original.title,
            body=body.replace(original.path.encode(), path.encode()),
            changed=BEGINNING + timedelta(hours=number),
            language=original.language,
            near=original.path,
            mark=original.mark,
        )

    # -- documentation ---------------------------------------------------------------

    def _page(self, writer: Writer, number: int) -> Page:
        choices = [*product(DEEDS, PLACES)]
        deed, place = choices[number % len(choices)]
        thing = writer.known["thing"]
        title = f"{deed} {thing} {place}"
        language = "en"
        patterns = SENTENCES
        if writer.draw.random() < FOREIGN:
            language = writer.draw.choice([*ELSEWHERE])
            patterns = ELSEWHERE[language]
            title = f"{thing.capitalize()} ({language})"
        parts = [f"<h1>{title}</h1>", f"<p>{writer.paragraph(patterns)}</p>"]
        for _section in writer.some(2, 5):
            about = writer.draw.sample(writer.own, 2)
            heading = " ".join([writer.draw.choice(DEEDS), *about])
            parts.append(f'<h2 id="{about[0]}-{about[1]}">{heading}</h2>')
            parts += [
                f"<p>{html.escape(writer.paragraph(patterns))}</p>"
                for _paragraph in writer.some(1, 3)
            ]
            parts.append(self._extra(writer))
        slug = title.lower().replace(" ", "-").replace("(", "").replace(")", "")
        path = f"{DOCS}/{writer.area}/{slug}-{number}.html"
        main = "".join(parts)
        return Page(
            path=path,
            title=title,
            body=_dressed(path, title, main, language, writer),
            changed=BEGINNING + timedelta(hours=number),
            language=language,
            mark=" ".join(writer.own[:4]),
        )

    def _extra(self, writer: Writer) -> str:
        kind = writer.draw.randrange(6)
        if kind == 0:
            return f"<pre><code>{html.escape(writer.code())}</code></pre>"
        if kind == 1:
            first, *rest = writer.table()
            rows = [f"<tr>{_cells('th', first)}</tr>"]
            rows += [f"<tr>{_cells('td', row)}</tr>" for row in rest]
            return f"<table>{''.join(rows)}</table>"
        if kind == 2:
            steps = "".join(f"<li>{writer.sentence()}</li>" for _s in writer.some(3, 5))
            return f"<h3>Steps</h3><ol>{steps}</ol>"
        if kind == 3:
            note = writer.draw.choice(NOTES)
            return f'<div class="admonition note"><p>{note}</p></div>'
        return ""

    # -- forum -----------------------------------------------------------------------

    def _thread(self, writer: Writer, number: int) -> Page:
        subject = " ".join(writer.own[:2])
        title = (
            f"{writer.known['thing'].capitalize()}: {subject} {writer.known['place']}"
        )
        question = [f"<p>{html.escape(writer.paragraph(ASKING))}</p>"]
        if writer.draw.random() < 0.5:
            question.append(f"<pre>{html.escape(writer.traceback())}</pre>")
        parts = [f"<h1>{title}</h1>", self._post(writer, "".join(question), "question")]
        for nth in writer.some(0, 4):
            answer = f"<p>{html.escape(writer.paragraph(ANSWERING))}</p>"
            if writer.draw.random() < 0.3:
                answer += f"<pre><code>{html.escape(writer.code())}</code></pre>"
            accepted = " accepted" if nth == 0 else ""
            parts.append(self._post(writer, answer, f"answer{accepted}"))
        path = f"{FORUM}/{writer.own[0]}-{writer.own[1]}-{200_000 + number}"
        return Page(
            path=path,
            title=title,
            body=_dressed(path, title, "".join(parts), "en", writer),
            changed=BEGINNING + timedelta(minutes=30 * number),
            mark=" ".join(writer.own[:4]),
        )

    def _post(self, writer: Writer, text: str, kind: str) -> str:
        votes, author = writer.draw.randint(-1, 40), writer.draw.choice(PEOPLE)
        return (
            f'<div class="post {kind}"><span class="votes">{votes}</span>{text}'
            f'<p class="author">{author}</p></div>'
        )

    # -- issues ----------------------------------------------------------------------

    def _issue(self, writer: Writer, number: int) -> dict[str, Any]:
        known, draw = writer.known, writer.draw
        opened = BEGINNING + timedelta(hours=3 * number)
        body = (
            f"**Module:** `{known['module']}`\n**Version:** {draw.choice(VERSIONS)}\n\n"
            f"### Steps to reproduce\n\n"
            + "".join(f"{n}. {writer.sentence()}\n" for n in range(1, 5))
            + f"\n### Current behaviour\n\n{writer.paragraph()}\n\n"
            f"```\n{writer.traceback()}\n```\n\n"
            f"### Expected behaviour\n\n{writer.sentence()}\n"
        )
        comments = [
            {
                "user": {"login": draw.choice(PEOPLE)},
                "body": writer.paragraph(ANSWERING),
                "created_at": _moment(opened + timedelta(hours=1 + nth)),
            }
            for nth in writer.some(0, 3)
        ]
        return {
            "number": number + 1,
            "title": f"[{known['module']}] cannot {known['deed']} {known['thing']}:"
            f" {writer.own[0]} {writer.own[1]}",
            "body": body,
            "state": draw.choice(("open", "closed")),
            "user": {"login": draw.choice(PEOPLE)},
            "labels": [{"name": writer.area}],
            "comments": len(comments),
            "created_at": _moment(opened),
            "updated_at": _moment(opened + timedelta(hours=5)),
            "html_url": f"https://github.example/{REPOSITORY}/issues/{number + 1}",
            "told": comments,
        }


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def _cells(tag: str, texts: list[str]) -> str:
    return "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in texts)


def _dressed(path: str, title: str, main: str, language: str, writer: Writer) -> bytes:
    """A page's text with all that a real site puts around it."""
    menu = "".join(
        f'<li><a href="{DOCS}/{area}.html">{area.capitalize()}</a><ul>'
        + "".join(f'<li><a href="{DOCS}/{area}.html#{n}">{thing}</a></li>'
                  for n, thing in enumerate(known.things))
        + "</ul></li>"
        for area, known in AREAS.items()
    )  # fmt: skip
    told = json.dumps({"@type": "TechArticle", "headline": title})
    return f"""<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title} — Acme Help</title>
<link rel="canonical" href="{path}"><meta name="viewport" content="width=device-width">
<script type="application/ld+json">{told}</script>
<script>window.dataLayer = window.dataLayer || [];
function track() {{ dataLayer.push(arguments); }} track("js", {writer.draw.random()});
</script><style>body {{ margin: 0 }} .menu li {{ list-style: none }}</style></head>
<body><header><a href="/">Acme</a> <a href="/apps">Apps</a>
<a href="/web/login">Sign in</a>
<form action="/search"><input name="q" placeholder="Search"></form></header>
<nav class="menu"><ul>{menu}</ul></nav>
<div class="cookie">We use cookies. <button>Accept all</button></div>
<main><article>{main}</article></main>
<aside><h4>On this page</h4><a href="{path}#top">{title}</a></aside>
<footer><p>© Acme. All rights reserved.</p><a href="/legal">Legal</a>
<a href="/privacy">Privacy</a></footer>
<script src="/static/app.js"></script></body></html>
""".encode()


class Site:
    """Serves a corpus on loopback: pages, sitemaps, robots.txt, GitHub's interface.

    :param corpus: what it has; `change` and `forget` alter it while it is served
    :param calls: how many calls GitHub allows
    """

    def __init__(self, corpus: Corpus, calls: int = 1_000_000) -> None:
        self.corpus, self.calls = corpus, calls
        self.pages = {page.path: page for page in (*corpus.pages, *corpus.threads)}
        self.issues = list(corpus.issues)
        self.asked: Counter[str] = Counter()  # answers by kind: page, unchanged, …
        self.pause = 0.0  # seconds before each page
        self._tags: dict[str, str] = {}
        self._extra = self._entrances()

    def __enter__(self) -> "Site":
        site = self

        class Handler(_Handler):
            def do_GET(self) -> None:
                site._answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    @property
    def github(self) -> str:
        """What a source names as GitHub's interface."""
        return self.url("/api/v3")

    def change(self, path: str, sentence: str) -> None:
        """Let a page say something else from now on."""
        page = self.pages[path]
        body = page.body.replace(b"</h1>", f"</h1><p>{sentence}</p>".encode(), 1)
        changed = datetime.now(UTC).replace(microsecond=0)
        self.pages[path] = Page(path, page.title, body, changed, page.language)
        self._tags.pop(path, None)

    def forget(self, path: str) -> None:
        """Let a page be gone."""
        del self.pages[path]

    # -- answers ---------------------------------------------------------------------

    def _answer(self, peer: "_Handler") -> None:
        parts = urlsplit(peer.path)
        path = parts.path
        if path.startswith("/api/v3/"):
            query = {name: some[0] for name, some in parse_qs(parts.query).items()}
            self._github(peer, path.removeprefix("/api/v3"), query)
        elif path == "/robots.txt":
            text = (
                "User-agent: *\nDisallow: /web/\nDisallow: /search\n"
                f"Sitemap: {self.url('/sitemap.xml')}\n"
            )
            peer.reply(200, text.encode(), "text/plain")
        elif path.startswith("/sitemap"):
            self._sitemap(peer, path)
        elif page := self.pages.get(path):
            self._page(peer, page)
        elif path in self._extra:
            self.asked["entrance"] += 1
            peer.reply(200, self._extra[path], "text/html; charset=utf-8")
        else:
            self.asked["missing"] += 1
            peer.reply(404, b"<h1>Not found</h1>", "text/html")

    def _page(self, peer: "_Handler", page: Page) -> None:
        time.sleep(self.pause)
        tag = self._tags.get(page.path)
        if not tag:
            tag = f'"{hashlib.sha256(page.body).hexdigest()[:16]}"'
            self._tags[page.path] = tag
        headers = {
            "ETag": tag,
            "Last-Modified": format_datetime(page.changed, usegmt=True),
        }
        if peer.headers.get("If-None-Match") == tag:
            self.asked["unchanged"] += 1
            peer.reply(304, b"", "", headers)
        else:
            self.asked["page"] += 1
            peer.reply(200, page.body, "text/html; charset=utf-8", headers)

    def _sitemap(self, peer: "_Handler", path: str) -> None:
        self.asked["sitemap"] += 1
        pages = [*self.pages.values()]
        if path == "/sitemap.xml":
            count = -(-len(pages) // SITEMAP_URLS)
            rows = "".join(
                f"<sitemap><loc>{self.url(f'/sitemap-{n}.xml')}</loc></sitemap>"
                for n in range(count)
            )
            xml = f"<sitemapindex>{rows}</sitemapindex>"
        else:
            number = int(path.removeprefix("/sitemap-").removesuffix(".xml"))
            some = pages[number * SITEMAP_URLS : (number + 1) * SITEMAP_URLS]
            rows = "".join(
                f"<url><loc>{self.url(html.escape(page.path))}</loc>"
                f"<lastmod>{page.changed:%Y-%m-%dT%H:%M:%S+00:00}</lastmod></url>"
                for page in some
            )
            xml = f"<urlset>{rows}</urlset>"
        peer.reply(200, f'<?xml version="1.0"?>{xml}'.encode(), "application/xml")

    def _entrances(self) -> dict[str, bytes]:
        """The pages that lead to others: of the site, its areas, and the forum."""
        lists = {
            f"{DOCS}/{area}.html": [
                page for page in self.corpus.pages if f"{DOCS}/{area}/" in page.path
            ]
            for area in AREAS
        }
        lists[f"{FORUM}/"] = self.corpus.threads
        made = {
            path: "".join(f'<li><a href="{p.path}">{p.title}</a></li>' for p in pages)
            for path, pages in lists.items()
        }
        areas = "".join(f'<li><a href="{path}">{path}</a></li>' for path in lists)
        made |= {"/": areas, f"{DOCS}/": areas}
        return {
            path: f"<html><head><title>Acme Help</title></head><body><ul>{links}</ul>"
            "</body></html>".encode()
            for path, links in made.items()
        }

    # -- GitHub ----------------------------------------------------------------------

    def _github(self, peer: "_Handler", path: str, query: dict[str, str]) -> None:
        self.asked["github"] += 1
        left = max(self.calls - self.asked["github"], -1)
        headers = {
            "X-RateLimit-Limit": str(self.calls),
            "X-RateLimit-Remaining": str(max(left, 0)),
            "X-RateLimit-Reset": str(int(time.time()) + 60),
        }
        base = f"/repos/{REPOSITORY}"
        if left < 0:
            peer.json(403, {"message": "API rate limit exceeded"}, headers)
        elif path == f"{base}/issues":
            self._listing(peer, path, self._wanted(query), query, headers)
        elif path == f"{base}/git/trees/HEAD":
            peer.json(200, {"tree": [], "truncated": False}, headers)
        elif path.startswith(f"{base}/issues/") and path.endswith("/comments"):
            number = path.split("/")[-2]
            told = [
                issue["told"] for issue in self.issues if str(issue["number"]) == number
            ]
            self._listing(peer, path, told[0] if told else [], query, headers)
        else:
            peer.json(404, {"message": "Not Found"}, headers)

    def _wanted(self, query: dict[str, str]) -> list[dict[str, Any]]:
        state, since = query.get("state", "open"), query.get("since", "")
        by = "updated_at" if query.get("sort") == "updated" else "created_at"
        found = [
            {name: value for name, value in issue.items() if name != "told"}
            for issue in self.issues
            if state in ("all", issue["state"]) and issue["updated_at"] >= since
        ]
        # as GitHub does, the newest first unless the other way is asked for
        return sorted(found, key=lambda issue: issue[by],
                      reverse=query.get("direction") != "asc")  # fmt: skip

    def _listing(self, peer, path, rows, query, headers) -> None:
        """One page of a list, and the addresses of the others."""
        size = min(int(query.get("per_page", 30)), 100)
        number = int(query.get("page", 1))
        last = max(-(-len(rows) // size), 1)

        def link(page: int, name: str) -> str:
            address = f"{self.github}{path}?{urlencode({**query, 'page': page})}"
            return f'<{address}>; rel="{name}"'

        if number < last:
            headers["Link"] = f"{link(number + 1, 'next')}, {link(last, 'last')}"
        peer.json(200, rows[(number - 1) * size : number * size], headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept, as sites do
    disable_nagle_algorithm = True

    def reply(
        self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def json(self, status: int, content: Any, headers: dict[str, str]) -> None:
        self.reply(status, json.dumps(content).encode(), "application/json", headers)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""
