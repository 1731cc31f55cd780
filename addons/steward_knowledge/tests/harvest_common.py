"""What tests of harvests share: a site on loopback, and jobs that run when told to."""

from odoo.addons.steward.tests.http_common import HttpKit
from odoo.addons.steward.tests.server import Server
from odoo.tools import mute_logger

from ..models.steward_harvest import UNFINISHED
from .pipeline_common import PipelineCase


class Site(Server):
    """A site whose pages are told one by one; it says by itself what robots may do."""

    def page(self, path, body="", *headers, kind="text/html", status=200, title=""):
        """A page. A body that is a text is put into HTML."""
        if isinstance(body, str):
            title = title or path
            body = (
                f"<html><head><title>{title}</title></head><body>{body}</body></html>"
            )
            body = body.encode()
        said = (f"Content-Type: {kind}", *headers) if kind else headers
        self.on(path, lambda peer: peer.answer(status, body, *said))

    def links(self, path, *targets, more=""):
        """A page with links."""
        anchors = "".join(f'<a href="{target}">{target}</a> ' for target in targets)
        self.page(path, f"<p>Page {path}</p>{anchors}{more}")

    def etag_page(self, path, body, etag):
        """A page that is sent only to who does not have it."""
        whole = f"<html><title>{path}</title><body>{body}</body></html>".encode()

        def behave(peer):
            if peer.received.headers.get("If-None-Match") == etag:
                return peer.answer(304, b"", f"ETag: {etag}")
            return peer.answer(200, whole, "Content-Type: text/html", f"ETag: {etag}")

        self.on(path, behave)

    def asked(self, path):
        """How often a path was asked for."""
        return sum(request.path == path for request in self.requests)

    def sitemap(self, *paths, path="/sitemap.xml", changed=""):
        """A sitemap of pages of this site."""
        when = f"<lastmod>{changed}</lastmod>" if changed else ""
        rows = "".join(f"<url><loc>{self.url(p)}</loc>{when}</url>" for p in paths)
        xml = f"<urlset>{rows}</urlset>".encode()
        self.page(path, xml, kind="application/xml")


class HarvestCase(HttpKit, PipelineCase):
    """Sources on a site of this machine, harvested step by step."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context={**cls.env.context, "queue_job__no_delay": False})
        cls.site = cls.enterClassContext(Site())
        cls.sources = cls.env["steward.source"]

    def setUp(self):
        super().setUp()
        self.site.clear()
        self.taken = []
        documents = self.registry["steward.document"]
        take = documents._take

        def noted(model, source, drafts, harvest=None):
            self.taken += drafts
            return take(model, source, drafts, harvest=harvest)

        self.patch(documents, "_take", noted)
        self.enterContext(mute_logger("odoo.addons.steward.models.steward_http"))

    def make_source(self, **values):
        values = {
            "name": "Docs",
            "kind": "website",
            "requests_per_minute": 60000,
            "page_seconds": 30,
            **values,
        }
        if values["kind"] in ("website", "forum"):
            values.setdefault("url", self.site.url("/"))
        return self.sources.create(values)

    def harvest(self, source, steps=200):
        """Harvest to the end; time passes as fast as it has to."""
        harvest = source._start()
        return self.work(harvest, steps)

    def work(self, harvest, steps=200):
        for _step in range(steps):
            if harvest.state not in UNFINISHED:
                break
            harvest.item_ids._write_plainly({"next_try": False})
            harvest._work()
        self.assertNotIn(harvest.state, UNFINISHED, harvest.reason)
        return harvest

    def items(self, source):
        """The items' states by their paths."""
        items = self.env["steward.source.item"].search([("source_id", "=", source.id)])
        base = self.site.url("")
        return {item.key.removeprefix(base): item.state for item in items}

    def reason(self, source, path):
        key = self.site.url(path) if path.startswith("/") else path
        return (
            self.env["steward.source.item"]
            .search([("source_id", "=", source.id), ("key", "=", key)])
            .reason
        )

    def documents(self, source, active=True):
        """The source's documents, with their texts."""
        documents = self.env["steward.document"].with_context(active_test=False)
        found = documents.search(
            [("source_id", "=", source.id), ("active", "=", active)], order="id"
        )
        found._process(stages=["extract"])
        return found
