from unittest.mock import Mock, patch

import psycopg2
from werkzeug.exceptions import NotFound

from odoo.addons.queue_job.jobrunner import runner as queue_runner
from odoo.addons.steward.controllers import health
from odoo.addons.steward.models import steward_status
from odoo.addons.steward.models.steward_status import StewardStatus
from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import config, mute_logger

from .common import PatientHttpCase

NAMES = [
    *("database", "modules", "jobs", "crons", "services", "mail", "disk", "runner"),
]


class StatusCase(TransactionCase):
    def setUp(self):
        super().setUp()
        steward_status._answers.clear()
        self.addCleanup(steward_status._answers.clear)
        self.status = self.env["steward.status"]

    def part(self, name):
        return next(p for p in self.status._health()["parts"] if p["name"] == name)

    def facts(self, **facts):
        """The runner is seen as told, whatever runs beside this test."""
        known = {"runner": "alive", "pending": 0, "started": 0, "failed": 0}
        facts = {**known, "status": "ok", **facts}
        patched = patch.object(
            type(self.status), "_runner_facts", lambda _self: dict(facts)
        )
        self.startPatcher(patched)


class TestHealth(StatusCase):
    def test_viewer_and_denied_twin(self):
        viewer = new_test_user(self.env, "v", groups="steward.group_viewer")
        answer = self.status.with_user(viewer).health()
        names = [part["name"] for part in answer["parts"]]
        self.assertEqual(names[: len(NAMES)], NAMES)
        self.assertIn(answer["status"], ("ok", "degraded", "failed"))
        for groups in ("base.group_user", "base.group_portal"):
            user = new_test_user(self.env, groups, groups=groups)
            with self.assertRaises(AccessError):
                self.status.with_user(user).health()

    def test_plain_types(self):
        """XML-RPC carries no None, no large integer and no other key than a word."""

        def check(value, where):
            if isinstance(value, dict):
                for key, member in value.items():
                    self.assertIsInstance(key, str, where)
                    check(member, f"{where}.{key}")
            elif isinstance(value, list):
                for number, member in enumerate(value):
                    check(member, f"{where}[{number}]")
            else:
                self.assertIsInstance(value, str | int | float | bool, where)
                if isinstance(value, int):
                    self.assertLess(abs(value), 2**31, where)

        check(self.status.health(), "health")

    def test_another_addon_adds_a_part(self):
        parts = StewardStatus._get_health_parts

        def look():
            return "failed", "It burns.", {"degrees": 451, "unknown": None}

        def blind():
            self.env.cr.execute("SELECT 1 FROM no_such_table")

        def more(status):
            return {**parts(status), "fire": look, "fog": blind}

        with (
            patch.object(StewardStatus, "_get_health_parts", more),
            mute_logger("odoo.sql_db"),
        ):
            answer = self.status.health()
        parts = {part["name"]: part for part in answer["parts"]}
        fire, fog = parts["fire"], parts["fog"]
        self.assertEqual(fire["facts"], {"degrees": 451})
        self.assertEqual((fog["name"], fog["status"]), ("fog", "unknown"))
        self.assertEqual(answer["status"], "failed")

    def test_no_connection(self):
        def cut(status):
            return {"cut": Mock(side_effect=psycopg2.InterfaceError("closed"))}

        with (
            patch.object(StewardStatus, "_get_health_parts", cut),
            self.assertRaises(psycopg2.InterfaceError),
        ):
            self.status.health()


class TestParts(StatusCase):
    def test_database_takes_no_changes(self):
        self.assertEqual(self.part("database")["status"], "ok")
        self.env.cr.execute("SET LOCAL default_transaction_read_only = on")
        self.assertEqual(self.part("database")["status"], "failed")

    def test_modules(self):
        self.assertEqual(self.part("modules")["status"], "ok")
        self.env.cr.execute(
            "UPDATE ir_module_module SET state = 'to upgrade' WHERE name = 'web'"
        )
        self.assertEqual(self.part("modules")["status"], "degraded")

    def test_crons(self):
        self.env.cr.execute("UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'utc'")
        self.assertEqual(self.part("crons")["status"], "ok")
        self.env.cr.execute(
            "UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'utc'"
            " - interval '31 min' WHERE cron_name LIKE 'Steward: tell%%'"
        )
        late = self.part("crons")
        self.assertEqual((late["status"], late["facts"]), ("degraded", {"late": 1}))

    def test_services(self):
        self.env.cr.execute("DELETE FROM steward_circuit")
        self.assertEqual(self.part("services")["status"], "ok")
        self.env["steward.circuit"].create({"name": "left"})._write_own(
            {"state": "open", "open_until": self.env.cr.now()}
        )
        self.env.flush_all()
        left = self.part("services")
        self.assertEqual(
            (left["status"], left["facts"]), ("degraded", {"left_alone": 1})
        )
        self.env.cr.execute(
            "UPDATE steward_circuit SET open_until = open_until - interval '11 min'"
        )
        self.assertEqual(self.part("services")["status"], "ok")
        self.env.cr.execute("UPDATE steward_circuit SET mode = 'forced_open'")
        self.assertEqual(self.part("services")["status"], "degraded")

    def test_mail(self):
        self.env.cr.execute("DELETE FROM mail_mail")
        mail = self.env["mail.mail"].create({"subject": "wait", "state": "outgoing"})
        mail.flush_recordset()
        self.assertEqual(self.part("mail")["status"], "ok")
        self.env.cr.execute(
            "UPDATE mail_mail SET create_date = create_date - interval '61 min'"
        )
        self.assertEqual(self.part("mail")["status"], "degraded")
        self.env["ir.config_parameter"].set_param("database.is_neutralized", "true")
        self.assertEqual(self.part("mail")["status"], "ok")
        mail.state = "sent"
        mail.flush_recordset()
        self.assertEqual(self.part("mail")["reason"], "No mail waits long.")

    def test_disk(self):
        usage = Mock(free=10, total=1000)
        with patch("shutil.disk_usage", return_value=usage):
            self.assertEqual(self.part("disk")["status"], "failed")
        with patch("shutil.disk_usage", return_value=Mock(free=2**40, total=2**41)):
            self.assertEqual(self.part("disk")["facts"], {"free_gib": 1024.0})

    def test_disk_before_the_first_file(self):
        with patch.object(type(config), "filestore", lambda *_args: "/no/such/folder"):
            self.assertEqual(
                str(self.status._get_data_folder()), config["data_dir"].rstrip("/")
            )

    def test_jobs(self):
        for facts, status, words in (
            ({}, "ok", "works"),
            ({"status": "degraded"}, "degraded", "wait long"),
            ({"runner": "absent", "status": "failed"}, "failed", "No job runner"),
            ({"runner": "unknown", "status": "unknown"}, "unknown", "cannot be seen"),
            ({"runner": "silent", "status": "degraded"}, "degraded", "does nothing"),
        ):
            with self.subTest(**facts):
                self.facts(**facts)
                part = self.part("jobs")
                self.assertEqual(part["status"], status)
                self.assertIn(words, part["reason"])

    def test_jobs_of_a_neutralized_copy(self):
        self.facts(runner="absent", status="failed")
        self.env["ir.config_parameter"].set_param("database.is_neutralized", "true")
        self.assertEqual(self.part("jobs")["status"], "ok")


class TestRunner(StatusCase):
    """Seen in PostgreSQL itself: a second connection plays the runner."""

    def runner(self):
        info = queue_runner._connection_info_for(self.env.cr.dbname)
        connection = psycopg2.connect(**info)
        connection.autocommit = True
        self.addCleanup(connection.close)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_try_advisory_lock(%s)", [queue_runner.PG_ADVISORY_LOCK_ID]
            )
            self.assertTrue(cursor.fetchone()[0])
        return connection

    def test_comes_and_goes(self):
        self.env.cr.execute("DELETE FROM queue_job")
        facts = self.status._runner_facts()
        self.assertEqual((facts["runner"], facts["status"]), ("absent", "degraded"))
        self.assertNotIn("since", facts)
        connection = self.runner()
        facts = self.status._runner_facts()
        self.assertEqual((facts["runner"], facts["status"]), ("alive", "ok"))
        self.assertRegex(facts["since"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
        connection.close()
        for _again in range(600):  # the lock goes when PostgreSQL notices
            facts = self.status._runner_facts()
            if facts["runner"] == "absent":
                break
            self.env.cr.execute("SELECT pg_sleep(0.05)")
        self.assertEqual(facts["runner"], "absent")

    def test_what_waits(self):
        self.env.cr.execute("DELETE FROM queue_job")
        jobs = [
            self.status.with_delay(eta=eta)._is_neutralized().db_record()
            for eta in (0, 3600, 0, 0)
        ]
        due, _later, failed, started = jobs
        failed.state, started.state = "failed", "started"
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE queue_job SET date_created = now() AT TIME ZONE 'utc'"
            " - interval '10 min', eta = NULL WHERE id = %s",
            [due.id],
        )
        facts = self.status._runner_facts()
        self.assertEqual(
            (facts["pending"], facts["started"], facts["failed"], facts["status"]),
            (2, 1, 1, "failed"),
        )
        self.assertEqual(facts["oldest"], 600)


class TestAdvice(StatusCase):
    def advice(self, **facts):
        return self.status._runner_advice({"runner": "absent", **facts})

    def test_nothing_to_do(self):
        self.assertEqual(self.advice(runner="alive", status="ok"), "")

    def test_each_cause(self):
        modules = ["base", "rpc", "web"]
        with patch.dict(config.options, server_wide_modules=modules):
            self.assertIn(
                "server_wide_modules = base,rpc,web,queue_job",
                self.advice(status="failed"),
            )
        modules = [*modules, "queue_job"]
        with patch.dict(config.options, server_wide_modules=modules):
            with patch.object(queue_runner, "_channels", lambda: "root:0"):
                self.assertIn("channels = root:0", self.advice(status="failed"))
            with patch.object(queue_runner, "_channels", lambda: "root:2"):
                self.assertIn("restart Odoo", self.advice(status="degraded"))
                self.assertIn("hangs", self.advice(runner="silent", status="degraded"))
                alive = self.advice(runner="alive", status="degraded")
                self.assertIn("/queue_job/runjob", alive)
        self.assertIn("standby", self.advice(runner="unknown", status="unknown"))


class TestPanel(StatusCase):
    def setUp(self):
        super().setUp()
        self.operator = new_test_user(
            self.env, "steward_operator", groups="steward.group_operator"
        )

    def panel(self):
        panels = self.env["steward.job.panel"].with_user(self.operator)
        return panels.browse(panels._open()["res_id"])

    def test_all_is_well(self):
        self.facts(since="2026-01-01 10:00:00", seen=7, pending=3, failed=1)
        panel = self.panel()
        self.assertEqual((panel.runner, panel.advice), ("alive", ""))
        self.assertEqual(str(panel.since), "2026-01-01 10:00:00")
        self.assertEqual(panel.seen, "7 seconds ago")
        self.assertFalse(panel.oldest, "what is not known stays empty")
        self.assertEqual((panel.pending_count, panel.failed_count), (3, 1))
        self.assertEqual(panel.action_failed()["domain"][0][2], ("failed",))
        self.assertEqual(
            panel.action_started()["domain"][0][2], ("started", "enqueued")
        )
        self.assertEqual(panel.action_pending()["domain"][0][2], ("pending",))
        self.assertNotEqual(panel.action_refresh()["res_id"], panel.id)

    def test_it_is_not(self):
        self.facts(runner="absent", status="failed", oldest=7300, seen=600)
        panel = self.panel()
        self.assertTrue(panel.advice)
        self.assertEqual((panel.oldest, panel.seen), ("2 hours ago", "10 minutes ago"))

    def test_viewer_is_denied(self):
        viewer = new_test_user(self.env, "v", groups="steward.group_viewer")
        with self.assertRaises(AccessError):
            self.env["steward.job.panel"].with_user(viewer)._open()
        menus = self.env["ir.ui.menu"]
        jobs = self.env.ref("steward.menu_jobs").id
        self.assertNotIn(jobs, menus.with_user(viewer)._visible_menu_ids())
        self.assertIn(jobs, menus.with_user(self.operator)._visible_menu_ids())
        settings = self.env.ref("steward.menu_settings").id
        self.assertNotIn(settings, menus.with_user(self.operator)._visible_menu_ids())

    def test_operator_opens_the_lists(self):
        self.env["steward.status"].with_delay()._is_neutralized()
        for model in ("queue.job", "steward.job.failure"):
            records = self.env[model].with_user(self.operator)
            for kind in ("list", "form"):
                view = records.get_view(view_type=kind)
                self.assertIn("field", view["arch"])
            records.search([])
        form = self.env["queue.job"].with_user(self.operator).get_view(view_type="form")
        self.assertIn('name="requeue"', form["arch"])
        self.assertNotIn('name="button_done"', form["arch"])


class TestCost(StatusCase):
    def test_queries(self):
        """Asked every five seconds: few queries, and none when asked again at once."""
        status = self.env["steward.status"]
        self.patch(  # others count their own
            self.registry["steward.status"],
            "_get_health_parts",
            StewardStatus._get_health_parts,
        )
        status._health_public()
        steward_status._answers.clear()
        clock = Mock(return_value=1000.0)
        with patch.object(steward_status.time, "monotonic", clock):
            with self.assertQueryCount(2 * len(NAMES) + 9):
                status._health_public()
            with self.assertQueryCount(0):
                status._health_public("ready")

    def test_answers_grow_old(self):
        clock = Mock(return_value=1000.0)
        with patch.object(steward_status.time, "monotonic", clock):
            first, _status = self.status._health_public()
            self.facts(runner="absent", status="failed")
            again, _status = self.status._health_public()
            self.assertEqual(first, again)
            clock.return_value += steward_status.CACHE_TIME + 0.1
            fresh, status = self.status._health_public()
        self.assertEqual((fresh["status"], status), ("failed", 503))


@tagged("post_install", "-at_install")
class TestRoute(PatientHttpCase, StatusCase):
    def get(self, path):
        answer = self.url_open(path)
        return answer.status_code, answer.json()

    def test_anonymous_learns_little(self):
        self.facts(runner="absent", status="failed", pending=17)
        status, body = self.get("/steward/health")
        self.assertEqual((status, body["status"]), (503, "failed"))
        for part in body["parts"]:
            self.assertEqual(set(part), {"name", "status", "reason"})
        self.assertNotIn("17", str(body))

    def test_ready_and_live(self):
        """No runner is no reason to take a worker out of the balance."""
        self.facts(runner="absent", status="failed")
        for path in ("/steward/health/ready", "/steward/health?ready"):
            status, body = self.get(path)
            self.assertEqual((status, body["status"]), (200, "ok"))
            self.assertEqual(
                [part["name"] for part in body["parts"]], ["database", "modules"]
            )
        for path in ("/steward/health/live", "/steward/health?live"):
            self.assertEqual(self.get(path), (200, {"status": "ok", "parts": []}))

    def test_no_other_kind(self):
        self.assertEqual(self.url_open("/steward/health/other").status_code, 404)

    def test_a_database_without_us(self):
        """The route is there for every database of the server."""
        without = Mock(db="other", env={})
        without.not_found.return_value = NotFound()
        with patch.object(health, "request", without), self.assertRaises(NotFound):
            health.Health()._answer("")

    def test_never_kept(self):
        headers = self.url_open("/steward/health/live").headers
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertNotIn("session_id", headers.get("Set-Cookie", ""))

    def test_database_breaks_off(self):
        broken = Mock(side_effect=psycopg2.OperationalError("terminated"))
        with patch.object(StewardStatus, "_health_public", broken):
            status, body = self.get("/steward/health")
        self.assertEqual((status, body["status"]), (503, "failed"))
        self.assertEqual(body["parts"][0]["reason"], "The database does not answer.")


class TestNoDatabase(StatusCase):
    def test_sentence(self):
        with patch.object(health, "request", Mock(db=None)):
            body, status = health.Health()._answer("")
            self.assertEqual(status, 503)
            self.assertIn("No database", body["parts"][0]["reason"])
            self.assertEqual(health.Health()._answer("live")[1], 200)
