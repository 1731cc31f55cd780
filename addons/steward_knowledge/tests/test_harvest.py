from unittest.mock import patch

from odoo import fields
from odoo.addons.steward.exceptions import StewardError
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from ..adapters.website import Website
from ..models import steward_harvest
from .harvest_common import HarvestCase


@tagged("post_install", "-at_install")
class TestHarvest(HarvestCase):
    """How a harvest goes on, ends, and begins again."""

    def setUp(self):
        super().setUp()
        self.site.links("/", "/a", "/b")
        self.site.etag_page("/a", "About a", '"a1"')
        self.site.etag_page("/b", "About b", '"b1"')

    def test_crawl(self):
        source = self.make_source()
        self.assertEqual(source.state, "new")
        harvest = self.harvest(source)
        self.assertEqual(harvest.state, "done", harvest.reason)
        self.assertEqual((harvest.found, harvest.new), (3, 3))
        self.assertEqual(self.items(source), {"/": "done", "/a": "done", "/b": "done"})
        self.assertEqual(source.state, "ok")
        self.assertEqual(source.document_count, 3)
        self.assertEqual(harvest.progress, 100)
        self.assertGreater(harvest.size, 50)

    def test_nothing_changed(self):
        """Again: conditions are sent, nothing is taken in, links are known."""
        source = self.make_source()
        self.harvest(source)
        self.taken.clear()
        self.site.requests.clear()
        harvest = self.harvest(source)
        self.assertEqual((harvest.new, harvest.changed, harvest.unchanged), (0, 0, 3))
        self.assertEqual([d.external_id for d in self.taken], [self.site.url("/")])
        conditions = [r.headers.get("If-None-Match") for r in self.site.requests]
        self.assertIn('"a1"', conditions)

    def test_only_what_changed(self):
        source = self.make_source()
        self.harvest(source)
        self.site.etag_page("/a", "Now otherwise", '"a2"')
        harvest = self.harvest(source)
        self.assertEqual((harvest.new, harvest.changed, harvest.unchanged), (0, 1, 2))
        changed = self.documents(source).filtered(lambda d: d.url.endswith("/a"))
        self.assertIn("otherwise", changed.text)

    def test_gone_pages_are_retired(self):
        source = self.make_source()
        self.harvest(source)
        self.site.behaviours.pop("/a")  # 404 from now on
        self.site.links("/", "/a")  # and nothing leads to /b
        harvest = self.harvest(source)
        self.assertEqual(harvest.gone, 2)
        gone = self.documents(source, active=False)
        self.assertEqual(
            {d.url for d in gone}, {self.site.url("/a"), self.site.url("/b")}
        )
        self.assertEqual(self.items(source)["/a"], "gone")
        self.site.etag_page("/a", "Back", '"a3"')
        harvest = self.harvest(source)
        self.assertEqual(self.items(source)["/a"], "done")

    def test_nothing_is_retired_when_the_site_fails(self):
        source = self.make_source()
        self.harvest(source)
        self.site.page("/", "ill", status=503)
        with self.at(0):
            harvest = self.harvest(source)
        self.assertEqual(harvest.state, "failed")
        self.assertIn("503", harvest.reason)
        self.assertEqual(source.state, "failed")
        self.assertFalse(self.documents(source, active=False))

    def test_a_page_that_failed_may_lead_to_others(self):
        source = self.make_source()
        self.site.links("/a", "/c")
        self.site.page("/c", "C")
        self.harvest(source)
        self.site.page("/a", "ill", status=500)
        harvest = self.harvest(source)
        self.assertEqual((harvest.state, harvest.failed), ("done", 1))
        self.assertFalse(self.documents(source, active=False))
        self.assertEqual(source.state, "partial")

    def test_many_gone_wait_for_a_person(self):
        paths = [f"/p{number}" for number in range(14)]
        self.site.links("/", *paths)
        for path in paths:
            self.site.page(path, "Page")
        source = self.make_source()
        self.harvest(source)
        self.site.links("/", "/p0")
        harvest = self.harvest(source)
        self.assertEqual((harvest.gone, harvest.gone_unasked), (0, 13))
        self.assertEqual(source.document_count, 15)
        harvest.action_retire()
        source.invalidate_recordset()
        self.assertEqual(source.document_count, 2)
        with self.assertRaises(AccessError):
            harvest.action_retire()

    def test_failures_are_tried_again(self):
        self.site.page("/a", "ill", status=500)
        source = self.make_source()
        harvest = self.harvest(source)
        self.assertEqual(self.site.asked("/a"), 3)
        self.assertEqual(self.items(source)["/a"], "failed")
        self.assertIn("500", self.reason(source, "/a"))
        self.assertEqual(source.failure_count, 1)
        self.site.page("/a", "well")
        self.site.requests.clear()
        source.action_retry_failures()
        again = source.last_harvest_id
        self.assertEqual((again.mode, again.found), ("retry", 1))
        self.assertNotEqual(again, harvest)
        self.work(again)
        self.assertEqual(self.items(source)["/a"], "done")
        self.assertEqual(self.site.asked("/"), 0)
        self.assertFalse(self.documents(source, active=False))
        self.assertEqual(source.state, "ok")

    def test_what_the_pipeline_refuses_is_told(self):
        source = self.make_source()
        with patch.object(
            self.registry["steward.document"],
            "_reject",
            lambda _self, draft: "No." if draft.external_id.endswith("/a") else "",
        ):
            harvest = self.harvest(source)
        self.assertEqual((harvest.new, harvest.failed), (2, 1))
        self.assertEqual(self.reason(source, "/a"), "No.")

    def test_cancel(self):
        source = self.make_source()
        harvest = source._start()
        harvest._work()
        harvest.action_cancel()
        self.assertEqual(harvest.state, "cancelled")
        self.assertIn(self.env.user.name, harvest.reason)
        self.site.requests.clear()
        harvest._work()
        self.assertFalse(self.site.requests)

    def test_source_deleted_or_archived_meanwhile(self):
        source = self.make_source()
        harvest = source._start()
        source.active = False
        harvest._work()
        self.assertEqual(harvest.state, "cancelled")
        other = self.make_source(name="Other")
        harvest = other._start()
        harvest._work()
        other.unlink()
        harvest._work()
        self.assertFalse(harvest.exists())

    def test_one_at_once(self):
        source = self.make_source()
        harvest = source._start()
        self.assertEqual(source._start(), harvest)
        self.assertEqual(self.sources.harvest(source.id)["job"], harvest.job_uuid)
        self.assertTrue(harvest.job_uuid)

    def test_killed_in_the_middle(self):
        """What a worker did not commit is done again; nothing comes in twice."""
        source = self.make_source()
        harvest = source._start()
        while harvest.state != "fetching":
            harvest._work()
        with (
            patch.object(Website, "_document", side_effect=KeyboardInterrupt),
            self.assertRaises(KeyboardInterrupt),
            self.env.cr.savepoint(),
        ):
            harvest._work()
        self.env.invalidate_all()
        self.work(harvest)
        self.assertEqual(harvest.new, 3)
        self.assertEqual(source.document_count, 3)

    def test_jobs_are_enqueued_one_after_the_other(self):
        source = self.make_source()
        harvest = source._start()
        job = self.env["queue.job"].search([("uuid", "=", harvest.job_uuid)])
        self.assertEqual(job.channel, "root.steward.outbound")
        self.assertEqual(job.method_name, "_work")
        jobs = self.env["queue.job"].search(
            [("identity_key", "=", f"steward.harvest/{harvest.id}")]
        )
        self.assertEqual(len(jobs), 1)

    def test_rate_limit_makes_it_wait(self):
        source = self.make_source(requests_per_minute=1)
        harvest = source._start()
        for _step in range(10):
            harvest._work()
        self.assertEqual(harvest.state, "discovering")
        self.assertEqual([r.path for r in self.site.requests], ["/robots.txt"])
        self.assertIn("limit", harvest.reason)
        self.assertTrue(harvest.next_at > fields.Datetime.now())
        limit = self.env["steward.rate.limit"].search(
            [("name", "=", "harvest/127.0.0.1")]
        )
        self.assertEqual(limit.rate, 1)

    def test_a_job_that_died_is_noticed(self):
        source = self.make_source()
        harvest = source._start()
        job = self.env["queue.job"].search([("uuid", "=", harvest.job_uuid)])
        job.write({"state": "failed", "exc_message": "It died."})
        self.env["steward.harvest"]._cron_revive()
        self.assertEqual(harvest.state, "waiting", "it is too early to say")
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE steward_harvest SET write_date = write_date - interval '1 hour'"
        )
        self.env.invalidate_all()
        self.env["steward.harvest"]._cron_revive()
        self.assertEqual((harvest.state, harvest.reason), ("failed", "It died."))

    def test_schedule(self):
        source = self.make_source(interval="daily")
        self.assertLessEqual(source.next_harvest_at, fields.Datetime.now())
        self.site.requests.clear()
        self.sources._cron_harvest()
        self.assertFalse(self.site.requests, "the scheduled action only enqueues")
        self.work(source.last_harvest_id)
        self.assertGreater(source.next_harvest_at, fields.Datetime.now())
        self.assertFalse(
            self.sources.search([("id", "=", source.id)]).filtered(
                lambda s: s.next_harvest_at <= fields.Datetime.now()
            )
        )
        source.interval = "manual"
        self.assertFalse(source.next_harvest_at)

    def test_one_source_that_cannot_start_stops_no_other(self):
        broken = self.make_source(name="Broken", interval="hourly", sequence=1)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE steward_source SET url = NULL WHERE id = %s", [broken.id]
        )
        self.env.invalidate_all()
        source = self.make_source(interval="hourly", sequence=2)
        self.sources._cron_harvest()
        self.assertFalse(broken.last_harvest_id)
        self.assertIn("https://", broken.message_ids[:1].body)
        self.assertTrue(source.last_harvest_id)

    def test_page_limit(self):
        source = self.make_source(page_limit=2)
        harvest = self.harvest(source)
        self.assertEqual(harvest.found, 2)
        self.assertIn("limit", harvest.reason)

    def test_time_limit(self):
        source = self.make_source(max_minutes=1)
        harvest = source._start()
        harvest._work()
        harvest._write_plainly({"seconds": 61})
        self.work(harvest)
        self.assertIn("time", harvest.reason)

    def test_news_on_the_bus(self):
        source = self.make_source()
        with patch.object(
            self.registry["steward.source"], "_bus_send", autospec=True
        ) as sent:
            self.harvest(source)
        self.assertTrue(sent.called)
        self.assertEqual(sent.call_args.args[1], steward_harvest.CHANGED)


@tagged("post_install", "-at_install")
class TestHarvestRights(HarvestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = {
            role: new_test_user(cls.env, f"harvest_{role}", groups=group)
            for role, group in (
                ("employee", "base.group_user"),
                ("agent", "steward.group_agent"),
                ("viewer", "steward.group_viewer"),
                ("operator", "steward.group_operator"),
                ("administrator", "steward.group_administrator"),
            )
        }

    def setUp(self):
        super().setUp()
        self.site.page("/", "Home")
        self.site.page("/sitemap.xml", b"", status=404)

    def test_operators_harvest(self):
        source = self.make_source()
        as_operator = self.sources.with_user(self.people["operator"])
        self.assertTrue(as_operator.harvest("Docs")["job"])
        self.work(source.last_harvest_id)
        source.with_user(self.people["operator"]).action_harvest()
        source.with_user(self.people["operator"]).action_cancel()
        self.assertIn("sentence", as_operator.estimate(source.id))

    def test_nobody_else_does(self):
        source = self.make_source()
        harvest = source._start()
        for role in ("employee", "agent", "viewer"):
            mine = source.with_user(self.people[role])
            for call in (
                lambda m=mine: m.harvest(m.id),
                lambda m=mine: m.estimate(m.id),
                mine.action_harvest,
                mine.action_estimate,
                mine.action_cancel,
                mine.action_retry_failures,
                mine.action_upload,
                harvest.with_user(self.people[role]).action_cancel,
                harvest.with_user(self.people[role]).action_retire,
            ):
                with self.subTest(role=role, call=call), self.assertRaises(AccessError):
                    call()
        self.assertEqual(harvest.state, "waiting")

    def test_unknown_sources(self):
        for name in ("Nowhere", 987654321, True):
            with self.assertRaises(StewardError):
                self.sources.harvest(name)
        self.make_source()
        self.make_source()
        with self.assertRaisesRegex(StewardError, "Several"):
            self.sources.harvest("Docs")

    def test_other_companies(self):
        company = self.env["res.company"].create({"name": "Others"})
        source = self.make_source(company_id=company.id, name="Theirs")
        as_operator = self.sources.with_user(self.people["operator"])
        with self.assertRaises(StewardError):
            as_operator.harvest("Theirs")
        with self.assertRaises(StewardError):
            as_operator.harvest(source.id)

    def test_nothing_is_forged(self):
        source = self.make_source()
        mine = source.with_user(self.people["operator"])
        harvest = source._start()
        for values in (
            {"record_user_id": 1},
            {"state": "ok"},
            {"last_harvest_id": harvest.id},
        ):
            with self.assertRaises(UserError):
                mine.write(values)
        with self.assertRaises(AccessError):
            harvest.with_user(self.people["administrator"]).write({"state": "done"})

    def test_settings_are_checked(self):
        for values, sentence in (
            ({"url": "ftp://example.com"}, "https://"),
            ({"url": False}, "https://"),
            ({"kind": "github", "repository": "nothing"}, "owner/name"),
            (
                {"kind": "github", "repository": "a/b", "with_discussions": True},
                "token",
            ),
            ({"kind": "git", "url": ""}, "repository"),
            ({"kind": "odoo_docs", "folder": "/etc"}, "may not be read"),
            ({"kind": "records"}, "records"),
        ):
            with (
                self.subTest(values=values),
                self.assertRaisesRegex(ValidationError, sentence),
            ):
                self.make_source(**values)

    def test_channels(self):
        source = self.make_source()

        def channels(role):
            env = self.env(user=self.people[role])
            found = env["steward.source"]._get_channels([source.id, 99999999])
            return {record for record, _name in found}

        self.assertEqual(channels("viewer"), {source})
        self.assertEqual(channels("employee"), set())
