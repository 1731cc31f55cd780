"""Harvests: what accepting files takes, what a second harvest saves, pages a second."""

import os
import random
import threading
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from harness import Row, alternate, environment, report

PAGES = 120
FILES, FILE_SIZE = 20, 50_000


def words(count, seed):
    from odoo.addons.steward_llm.kernel.common_words import business_words

    return " ".join(random.Random(seed).choices(business_words(), k=count))


class Site(BaseHTTPRequestHandler):
    """A site of pages of 600 words, with a sitemap and ETags."""

    protocol_version = "HTTP/1.1"
    pages: dict[str, bytes] = {}

    def do_GET(self):
        body, tag = self.pages.get(self.path), f'"{self.path}"'
        if body is None:
            self.send_response(404)
            body = b""
        elif self.headers.get("If-None-Match") == tag:
            self.send_response(304)
            body = b""
        else:
            self.send_response(200)
            kind = "application/xml" if self.path.endswith("xml") else "text/html"
            self.send_header("Content-Type", kind)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """Nothing."""


def served():
    """The site, and its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    url = f"http://127.0.0.1:{server.server_port}"
    paths = [f"/docs/{number}.html" for number in range(PAGES)]
    for number, path in enumerate(paths):
        text = "".join(f"<p>{words(60, number * 10 + n)}</p>" for n in range(10))
        html = f"<html><title>Page {number}</title><main>{text}</main></html>"
        Site.pages[path] = html.encode()
    rows = "".join(f"<url><loc>{url}{path}</loc></url>" for path in paths)
    Site.pages["/sitemap.xml"] = f"<urlset>{rows}</urlset>".encode()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return url, paths


def harvested(source):
    """Harvest to the end with what follows it; seconds of the whole, of fetching."""
    began = time.perf_counter()
    harvest = source._start()
    while harvest.state in ("waiting", "discovering", "fetching"):
        harvest._work()
    fetched = time.perf_counter() - began
    assert harvest.state == "done", harvest.reason
    todo = source.document_ids.filtered(lambda document: document.state == "fetched")
    todo._process()
    source.env.flush_all()
    return time.perf_counter() - began, fetched


def crawl(env):
    """A site harvested twice, beside a loop of requests on one connection."""
    url, paths = served()
    env["ir.config_parameter"].set_param("steward.http.allowed_networks", "127.0.0.1")
    make = env["steward.source"].create
    source = make(
        {"name": "Site", "kind": "website", "url": url, "requests_per_minute": 60000}
    )
    first, fetched = harvested(source)
    again, _fetched = harvested(source)
    session = requests.Session()

    def bare():
        for path in paths:
            session.get(url + path, timeout=10)

    bare()
    began = time.perf_counter()
    bare()
    plain = PAGES / (time.perf_counter() - began)
    pace = PAGES / fetched
    return [
        Row(
            "a harvest again, nothing changed",
            again,
            "s",
            first,
            again / first,
            ">= 10 x cheaper than the first, its pipeline included",
            again * 10 <= first,
        ),
        Row(
            "pages fetched and taken in",
            pace,
            "/s",
            plain,
            plain / pace,
            "<= 3 x as long as bare requests, which keep nothing",
            plain / pace <= 3,
        ),
    ]


def uploads(env):
    """Twenty files, beside their bytes merely written as attachments."""
    source = env["steward.source"].create({"name": "Files", "kind": "files"})
    number = iter(range(10_000))

    def contents():
        return [os.urandom(FILE_SIZE // 2).hex().encode() for _file in range(FILES)]

    def ours():
        source.upload(
            [
                {"name": f"f{next(number)}.md", "content": b64encode(text).decode()}
                for text in contents()
            ]
        )

    def bare():
        env["ir.attachment"].create(
            [{"name": f"f{next(number)}", "raw": text} for text in contents()]
        )

    ours()
    spent, base = alternate(ours, bare)
    return [
        Row(
            f"{FILES} files of 50 kB accepted",
            spent,
            "s",
            base,
            spent / base,
            "< 0.5 s; bare: attachments",
            spent < 0.5,
        )
    ]


def hook(env):
    """Writing a record that no source wants to hear of, with and without the look."""
    partner = env["res.partner"].create({"name": "Bench"})
    values = iter(range(10_000_000))
    noted = type(partner)._note_for_sources

    def write():
        for _time in range(200):
            partner.color = next(values) % 1000
            partner.flush_recordset()

    def without():
        type(env["base"])._note_for_sources = lambda _records: None
        try:
            write()
        finally:
            del type(env["base"])._note_for_sources

    write()
    spent, base = alternate(write, without)
    assert type(partner)._note_for_sources == noted
    return [
        Row(
            "200 writes that no source hears of",
            spent,
            "s",
            base,
            spent / base,
            "<= 1.1 x as long as without the look",
            spent <= base * 1.1,
        )
    ]


if __name__ == "__main__":
    with environment() as env:
        env = env(context={**env.context, "queue_job__no_delay": False})
        rows = [*uploads(env), *crawl(env), *hook(env)]
    report("harvest", rows)
