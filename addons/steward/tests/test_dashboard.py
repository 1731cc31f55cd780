import json
import xmlrpc.client
from datetime import timedelta
from unittest.mock import Mock, patch

import psycopg2

from odoo import fields
from odoo.addons.bus.models.bus import json_dump
from odoo.addons.queue_job.jobrunner import runner as queue_runner
from odoo.addons.steward.exceptions import Invalid
from odoo.addons.steward.models import steward_dashboard
from odoo.addons.steward.models.steward_dashboard import NEWS, StewardDashboard
from odoo.addons.steward.models.steward_status import StewardStatus
from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from .common import PatientHttpCase

NOW = fields.Datetime.to_datetime("2026-03-04 10:20:30")


class DashboardCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.board = cls.env["steward.dashboard"]
        cls.other = cls.env["res.company"].create({"name": "Other"})
        cls.viewer = new_test_user(cls.env, "board_v", groups="steward.group_viewer")
        cls.operator = new_test_user(
            cls.env, "board_o", groups="steward.group_operator"
        )
        cls.both = new_test_user(
            cls.env,
            "board_both",
            groups="steward.group_viewer",
            company_id=cls.env.company.id,
            company_ids=[cls.env.company.id, cls.other.id],
        )

    def data(self, user=None, period="day", company_ids=None, cards=None):
        board = self.board.with_user(user or self.viewer)
        return board.data(period, company_ids, cards)

    def card(self, name, *args, **kwargs):
        return self.data(*args, cards=[name], **kwargs)["cards"][name]

    def with_cards(self, **looks):
        """The dashboard with other cards, each a function of board and period."""

        def cards(board):
            return {
                name: lambda period, look=look: look(board, period)
                for name, look in looks.items()
            }

        self.startPatcher(patch.object(type(self.board), "_get_cards", cards))


class TestData(DashboardCase):
    def test_viewer_and_denied_twin(self):
        answer = self.data()
        self.assertEqual(set(answer), {"period", "cards", "steps"})
        self.assertEqual(set(answer["cards"]), set(self.board._get_cards()))
        for name, card in answer["cards"].items():
            self.assertNotIn("error", card, name)
        for groups in ("base.group_user", "steward.group_agent", "base.group_portal"):
            user = new_test_user(self.env, groups, groups=groups)
            with self.assertRaises(AccessError):
                self.data(user)

    def test_both_wires_carry_it(self):
        self.env["steward.circuit"].create({"name": "ill", "mode": "forced_open"})
        answer = self.data(self.operator)
        self.assertTrue(answer["cards"]["circuits"]["rows"])
        self.assertEqual(json.loads(json.dumps(answer, allow_nan=False)), answer)
        self.assertEqual(
            xmlrpc.client.loads(xmlrpc.client.dumps((answer,)))[0][0], answer
        )

    def test_only_what_was_asked_for(self):
        asked = []
        self.with_cards(
            one=lambda *_args: asked.append("one") or {"value": 1},
            two=lambda *_args: asked.append("two"),
        )
        self.assertEqual(self.data(cards=["one"])["cards"], {"one": {"value": 1}})
        self.assertEqual(asked, ["one"])
        self.assertEqual(self.data(cards=[])["cards"], {})
        self.assertEqual(set(self.data(cards=False)["cards"]), {"one", "two"})
        self.assertIn("no such card", self.card("three")["error"])

    def test_period(self):
        with patch.object(fields.Datetime, "now", lambda: NOW):
            self.viewer.tz = "Asia/Kolkata"  # half an hour beside the full one
            self.assertEqual(
                self.data(cards=[])["period"],
                {
                    "start": "2026-03-03 09:30:00",
                    "end": "2026-03-04 10:20:30",
                    "step": 3600.0,
                },
            )
            period = self.data(period="2026-03-01/2026-03-03", cards=[])["period"]
            self.assertEqual(period["end"], "2026-03-03 00:00:00")

    def test_bad_input(self):
        for period in ("", "year", None, 7, ["day"], "2026-03-03/2026-03-01"):
            with self.subTest(period=period), self.assertRaises(Invalid):
                self.data(period=period)
        for company_ids in (["x"], [None], "x", 7.5, [[1]]):
            with self.subTest(company_ids=company_ids), self.assertRaises(Invalid):
                self.data(company_ids=company_ids)
        for cards in (0, 7, "jobs", [["one"]], [None], {}, {"one": 1}):
            with self.subTest(cards=cards), self.assertRaises(Invalid):
                self.data(cards=cards)

    def test_companies(self):
        """Cards look at the chosen companies; others' are refused."""
        self.with_cards(
            seen=lambda board, _period: {"value": sorted(board.env.companies.ids)}
        )
        ours = self.env.company.id
        self.assertEqual(self.card("seen", self.both)["value"], [ours, self.other.id])
        for ids in ([self.other.id], [ours]):
            self.assertEqual(
                self.card("seen", self.both, company_ids=ids)["value"], ids
            )
        for ids in ([self.other.id], [ours, self.other.id], [2**40], [-1]):
            with self.subTest(ids=ids), self.assertRaises(AccessError):
                self.data(self.viewer, company_ids=ids)

    def test_a_broken_card_breaks_alone(self):
        def forbidden(board, _period):
            return board.env["steward.secret"].search([])

        def bug(*_args):
            raise KeyError("secret detail")

        def sql(board, _period):
            board.env.cr.execute("SELECT 1 FROM no_such_table")

        self.with_cards(
            bug=bug,
            sql=sql,
            forbidden=forbidden,
            too_large=lambda *_args: {"value": 10**400},
            fine=lambda board, _period: {
                "value": board.env["res.users"].search_count([])
            },
        )
        with (
            mute_logger("odoo.sql_db"),
            self.assertLogs("odoo.addons.steward.exceptions", "ERROR") as log,
        ):
            cards = self.data()["cards"]
        self.assertEqual(len(log.records), 3, log.output)
        for name in ("bug", "sql", "too_large"):
            self.assertIn("Tell your administrator", cards[name]["error"])
        self.assertNotIn("secret detail", str(cards))
        self.assertIn("access", cards["forbidden"]["error"])
        self.assertGreater(cards["fine"]["value"], 0)

    def test_no_connection(self):
        self.with_cards(cut=Mock(side_effect=psycopg2.InterfaceError("closed")))
        with self.assertRaises(psycopg2.InterfaceError):
            self.data()

    def test_each_part_of_health_has_a_title(self):
        """Those too that the other addons of the suite bring along."""
        parts = self.env["steward.status"]._get_health_parts()
        titles = self.env["steward.dashboard"]._get_health_titles()
        self.assertFalse(parts.keys() - titles)

    def test_a_name_beside_the_screen(self):
        """Parts of health that other addons add are shown too."""
        status = type(self.env["steward.status"])
        parts = status._get_health_parts
        more = patch.object(
            status,
            "_get_health_parts",
            lambda self: {**parts(self), "fire": lambda: ("ok", "None burns.")},
        )
        with more:
            health = self.card("health")["parts"]
        self.assertEqual(health[0]["title"], "Database")
        self.assertEqual(health[-1]["title"], "fire")

    def test_queries_do_not_grow(self):
        self.env["steward.circuit"].create(
            [{"name": f"ill {n}", "mode": "forced_open"} for n in range(9)]
        )
        self.env.flush_all()
        # others count their own
        ours = list(StewardDashboard._get_cards(self.board))
        self.patch(
            self.registry["steward.status"],
            "_get_health_parts",
            StewardStatus._get_health_parts,
        )
        self.data(self.operator, cards=ours)  # what is cached for good
        self.env.invalidate_all()
        with self.assertQueryCount(60):
            self.data(self.operator, cards=ours)


class TestCards(DashboardCase):
    def test_circuits(self):
        self.env["steward.circuit"].search([]).unlink()
        self.assertEqual(self.card("circuits")["rows"], [])
        circuits = self.env["steward.circuit"].create(
            [{"name": "well"}, {"name": "ill"}, {"name": "tried"}, {"name": "shut"}]
        )
        _well, ill, tried, shut = circuits
        ill._write_own(
            {
                "state": "open",
                "reason": "slow_rate",
                "open_until": "2026-03-04 10:00:00",
            }
        )
        tried._write_own({"state": "half_open", "open_until": "2026-03-04 09:00:00"})
        shut.mode = "forced_open"
        with patch.object(fields.Datetime, "now", lambda: NOW - timedelta(hours=1)):
            card = self.card("circuits")
        self.assertEqual(card["total"], 3)
        rows = {row["name"]: row for row in card["rows"]}
        self.assertEqual(
            {name: row["state"]["status"] for name, row in rows.items()},
            {"ill": "failed", "tried": "degraded", "shut": "failed"},
        )
        self.assertEqual(rows["ill"]["reason"], "Too many slow calls")
        self.assertEqual(rows["ill"]["until"], "2026-03-04 10:00:00")
        self.assertNotIn("until", rows["tried"], "the next call is the trial")
        self.assertEqual(
            rows["ill"]["action"],
            {"ref": "steward.action_circuits", "res_id": ill.id},
        )
        found = circuits.search(card["action"]["domain"])
        self.assertEqual(found, ill | tried | shut)

    def test_more_circuits_than_rows(self):
        self.env["steward.circuit"].search([]).unlink()
        self.env["steward.circuit"].create(
            [{"name": f"ill {n}", "mode": "forced_open"} for n in range(7)]
        )
        card = self.card("circuits")
        self.assertEqual((len(card["rows"]), card["total"]), (5, 7))

    def test_circuits_of_other_companies(self):
        self.env["steward.circuit"].search([]).unlink()
        self.env["steward.circuit"].create(
            {"name": "theirs", "mode": "forced_open", "company_id": self.other.id}
        )
        self.assertEqual(self.card("circuits", self.viewer)["rows"], [])
        mine = self.card("circuits", self.both, company_ids=[self.other.id])
        self.assertEqual(mine["rows"][0]["name"], "theirs")
        ours = self.card("circuits", self.both, company_ids=[self.env.company.id])
        self.assertEqual(ours["rows"], [])
        behind = self.env["steward.circuit"].with_user(self.both)
        self.assertFalse(behind.search(ours["action"]["domain"]))
        self.assertEqual(behind.search(mine["action"]["domain"]).name, "theirs")


class TestJobs(DashboardCase):
    def setUp(self):
        super().setUp()
        self.env.cr.execute("DELETE FROM queue_job")
        self.startPatcher(patch.object(fields.Datetime, "now", lambda: NOW))

    def job(self, state="done", ago=0, company=None, seconds=1):
        """A job that ended (or came) so many hours ago."""
        when = NOW - timedelta(hours=ago)
        self.env.cr.execute(
            """
            INSERT INTO queue_job (uuid, state, company_id, exec_time, date_created,
                                   date_started, date_done)
            VALUES (gen_random_uuid(), %(state)s, %(company)s, %(seconds)s, %(when)s,
                    %(when)s, CASE WHEN %(state)s = 'done' THEN %(when)s END)
            """,
            {
                "state": state,
                "company": company and company.id,
                "seconds": seconds,
                "when": when,
            },
        )

    def parts(self, *args, **kwargs):
        parts = self.card("jobs", *args, **kwargs)["parts"]
        return {part["name"]: part for part in parts}

    def test_what_is_not_done(self):
        parts = self.parts()
        self.assertEqual(list(parts), ["runner", "waiting", "started", "failed"])
        self.assertEqual(parts["waiting"]["value"], 0)
        self.assertNotIn("status", parts["failed"], "nothing to look at")
        self.job("pending", ago=3)
        self.job("failed")
        self.job("failed")
        self.job("enqueued")
        self.job("started", company=self.other)
        parts = self.parts()
        self.assertEqual(
            [parts[name]["value"] for name in ("waiting", "started", "failed")],
            [1, 1, 2],
        )
        self.assertEqual(parts["failed"]["status"], "degraded")
        self.assertEqual(parts["waiting"]["status"], "degraded")
        self.assertIn("The oldest was due", parts["waiting"]["reason"])
        self.assertEqual(self.parts(self.both)["started"]["value"], 2)

    def test_drill_down_for_those_who_may(self):
        self.job("failed")
        self.job("failed", company=self.other)
        self.assertNotIn("action", self.parts(self.viewer)["failed"])
        self.assertNotIn("action", self.parts(self.viewer)["runner"])
        self.assertNotIn("action", self.card("jobs_done", self.viewer))
        failed = self.parts(self.operator)["failed"]
        jobs = self.env["queue.job"].with_user(self.operator)
        self.assertEqual(jobs.search_count(failed["action"]["domain"]), failed["value"])
        self.assertEqual(failed["value"], 1)
        for action in (failed["action"], self.parts(self.operator)["runner"]["action"]):
            self.assertTrue(self.env.ref(action["ref"]))

    def test_numbers_and_the_period_before(self):
        for ago, seconds in ((1, 2), (23, 4), (26, 8), (47, 8), (80, 99)):
            self.job(ago=ago, seconds=seconds)
        self.job(ago=1, company=self.other, seconds=50)
        self.job("failed", ago=1)
        done = self.card("jobs_done", self.operator)
        self.assertEqual((done["value"], done["before"]), (2, 2))
        self.assertEqual(
            self.env["queue.job"]
            .with_user(self.operator)
            .search_count(done["action"]["domain"]),
            2,
        )
        time = self.card("job_time", self.operator)
        self.assertEqual((time["value"], time["before"]), (3.0, 8.0))
        self.assertEqual(self.card("jobs_done", self.both)["value"], 3)

    def test_unknown_is_not_zero(self):
        """No job has no duration; and jobs of long ago are forgotten, not undone."""
        self.assertEqual(self.card("jobs_done")["value"], 0)
        self.assertNotIn("value", self.card("job_time"))
        month = self.card("jobs_done", period="month")
        self.assertIn("value", month)
        self.assertNotIn("before", month, "jobs are kept for 30 days")
        old = self.card("jobs_done", period="2026-01-01/2026-01-08")
        self.assertNotIn("value", old)
        chart = self.card("jobs_finished", period="2026-01-25/2026-02-10")
        values = chart["series"][0]["values"]
        self.assertIs(values[0], False, "a gap")
        self.assertEqual(values[-1], 0)

    def test_chart(self):
        for state, ago in (("done", 0.1), ("done", 2), ("failed", 2), ("done", 30)):
            self.job(state, ago=ago)
        self.job("failed", ago=2, company=self.other)
        chart = self.card("jobs_finished")
        self.assertEqual(len(chart["labels"]), 25)
        self.assertEqual(chart["labels"][-1], "2026-03-04 10:00:00")
        done, failed = (serie["values"] for serie in chart["series"])
        self.assertEqual((done[-1], done[-3], sum(done)), (1, 1, 2))
        self.assertEqual((failed[-3], sum(failed)), (1, 1))


class TestNews(DashboardCase):
    def setUp(self):
        super().setUp()
        steward_dashboard._told.clear()
        self.addCleanup(steward_dashboard._told.clear)
        self.env["bus.bus"].search([]).unlink()

    def after_commit(self):
        self.env.cr.postcommit.run()
        self.env.cr.precommit.run()

    def told(self):
        channels = self.env["bus.bus"].search([], order="id").mapped("channel")
        return [json.loads(channel)[1:] for channel in channels]

    def channel(self, record):
        return [record._name, record.id, NEWS]

    def test_after_the_commit_only(self):
        self.board._touch(self.env.company)
        self.board._touch(self.env.company | self.other)
        self.env.cr.precommit.run()
        self.assertEqual(self.told(), [])
        self.after_commit()
        self.assertEqual(
            sorted(self.told()),
            sorted([self.channel(self.env.company), self.channel(self.other)]),
        )
        message = json.loads(self.env["bus.bus"].search([], limit=1).message)
        self.assertEqual(message, {"type": NEWS, "payload": {}}, "no contents")

    def test_not_after_a_rollback(self):
        self.board._touch(self.env.company)
        self.env.cr.postcommit.clear()  # as a rollback does
        self.after_commit()
        self.assertEqual(self.told(), [])

    def test_everybodys(self):
        self.board._touch()
        self.after_commit()
        self.assertEqual(self.told(), [self.channel(self.board._get_everybody())])

    def test_at_most_one_in_two_seconds(self):
        def touch(forget=False):
            if forget:  # another worker
                steward_dashboard._told.clear()
            self.board._touch(self.env.company)
            self.after_commit()
            return len(self.told())

        def age(interval):
            self.env.cr.execute(
                "UPDATE bus_bus SET create_date = create_date - %s::interval",
                [interval],
            )

        # however slow the machine is
        now = steward_dashboard.monotonic()
        self.enterContext(patch.object(steward_dashboard, "monotonic", lambda: now))
        self.assertEqual(touch(), 1)
        age("-1 hour")
        with self.assertQueryCount(0):
            self.board._touch(self.env.company)
            self.env.cr.postcommit.run()
        self.assertEqual(touch(forget=True), 1)
        self.assertEqual(touch(), 1, "the other worker knows it now")
        age("2 hours")
        self.assertEqual(touch(forget=True), 2)
        age("2 hours")
        now += 3
        self.assertEqual(touch(), 3)

    def test_another_worker_is_just_telling(self):
        channel = json_dump([self.env.cr.dbname, *self.channel(self.env.company)])
        with self.worker() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [channel])
            self.board._touch(self.env.company)
            self.after_commit()
            cursor.execute("SELECT pg_advisory_unlock_all()")
        self.assertEqual(self.told(), [])
        self.board._touch(self.env.company)
        self.after_commit()
        self.assertEqual(len(self.told()), 1, "nothing was remembered of the other")

    def worker(self):
        info = queue_runner._connection_info_for(self.env.cr.dbname)
        connection = psycopg2.connect(**info)
        self.addCleanup(connection.close)
        return connection.cursor()

    def test_trouble_stays_here(self):
        self.board._touch(self.env.company)
        broken = patch.object(
            StewardDashboard, "_tell_one", Mock(side_effect=ValueError("no bus"))
        )
        with broken, self.assertLogs(steward_dashboard._logger, "ERROR") as log:
            self.after_commit()
        self.assertIn("could not tell dashboards", log.output[0])

    def test_who_hears_of_it(self):
        def heard(user, *asked):
            websocket = self.env["ir.websocket"].with_user(user)
            session = Mock()
            session.session.uid = user.id
            with patch("odoo.addons.bus.models.ir_websocket.wsrequest", session):
                channels = websocket._build_bus_channel_list([*asked, "others"])
            names = [channel for channel in channels if isinstance(channel, str)]
            self.assertNotIn(NEWS, names, "never under this bare name")
            self.assertIn("others", names)
            return {
                channel[0]
                for channel in channels
                if isinstance(channel, tuple) and channel[1] == NEWS
            }

        everybody = self.board._get_everybody()
        self.assertEqual(heard(self.viewer), set())
        self.assertEqual(heard(self.viewer, NEWS), {everybody, self.env.company})
        self.assertEqual(
            heard(self.both, NEWS), {everybody, self.env.company, self.other}
        )
        employee = new_test_user(self.env, "board_e", groups="base.group_user")
        self.assertEqual(heard(employee, NEWS), set())


@tagged("post_install", "-at_install")
class TestScreen(PatientHttpCase):
    def test_tour(self):
        """A Viewer looks at another period, and from a card at what is behind it."""
        new_test_user(
            self.env, "victor_v", password="victor_v", groups="steward.group_viewer"
        )
        circuit = self.env["steward.circuit"].create({"name": "tour.example.com"})
        circuit.mode = "forced_open"
        self.start_tour("/odoo/steward", "steward_dashboard", login="victor_v")
