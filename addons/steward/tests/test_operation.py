from datetime import timedelta
from types import SimpleNamespace
from unittest.mock import Mock, patch

from odoo import fields
from odoo.addons.bus.models import ir_websocket as bus_websocket
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.addons.steward.models.steward_operation import StewardOperation
from odoo.exceptions import AccessError, UserError
from odoo.tools import mute_logger

from .runner_common import RunnerCase

VERBS = {
    "count": {
        "type": "object",
        "properties": {"to": {"type": "integer"}},
        "required": ["to"],
        "additionalProperties": False,
    }
}


class OperationCase(RunnerCase):
    def setUp(self):
        super().setUp()
        self.startPatcher(
            patch.object(StewardOperation, "_get_verbs", lambda _self: VERBS)
        )
        self.operations = self.env["steward.operation"]
        self.runner.enrol()
        # a record that is told: any model of ours will do
        self.secret = self.env["steward.secret"].create(
            {"name": "subject", "reference": "env:SUBJECT"}
        )
        self.told = []
        secrets = type(self.secret)
        secrets._operation_done = lambda record, operation: self.told.append(
            (record.id, operation.state)
        )
        self.addCleanup(delattr, secrets, "_operation_done")

    def start(self, **arguments):
        return self.operations._start("count", arguments or {"to": 3}, self.secret)

    def by(self, role, records):
        return records.with_user(self.users[role])


class TestOperation(OperationCase):
    def test_from_asking_to_taking_over(self):
        operation = self.start()
        self.assertEqual(operation.state, "queued")
        operation_id, verb, arguments = self.runner.claim()
        self.assertEqual(
            (operation_id, verb, arguments), (operation.id, "count", {"to": 3})
        )
        self.runner.step("dump", 40)
        [told] = self.by("viewer", self.operations).status([operation.id])
        self.assertEqual((told["state"], told["progress"]), ("running", 40))
        self.assertEqual(told["step"], "Read the database")
        self.runner.end(result={"sum": 6})
        self.assertFalse(operation.applied)
        with patch.object(
            type(self.env["ir.cron"]), "_commit_progress", lambda *_a, **_k: 1
        ):
            self.operations._cron_apply()
            self.operations._cron_apply()
        self.assertEqual(self.told, [(self.secret.id, "done")])
        self.assertTrue(operation.applied)

    def test_only_known_verbs_with_sound_arguments(self):
        with self.assertRaisesRegex(Invalid, "no operation rm"):
            self.operations._start("rm", {})
        with self.assertRaisesRegex(Invalid, "to: should be a whole number"):
            self.start(to="three")
        with self.assertRaises(Invalid):
            self.start(to=3, command="sh")

    def test_nobody_writes_one(self):
        operation = self.start()
        for role in self.users:
            with self.subTest(role=role):
                found = self.by(role, operation)
                with self.assertRaises(UserError):
                    found.write({"state": "done"})
                with self.assertRaises(UserError):
                    found.create({"verb": "count", "uuid": "1"})
        with self.assertRaises(Refused):
            operation.write({"result": {}})

    def test_status_is_for_viewers(self):
        operation = self.start()
        for role in ("employee", "agent"):
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.by(role, self.operations).status([operation.id])
        other = self.env["res.company"].create({"name": "Other"})
        theirs = self.operations._start("count", {"to": 1}, company=other)
        seen = self.by("viewer", self.operations).status([operation.id, theirs.id])
        self.assertEqual([told["id"] for told in seen], [operation.id])
        self.assertEqual(self.by("viewer", self.operations).status([]), [])

    def test_who_asks_takes_over(self):
        """Nobody waits for a scheduled action that others keep waiting."""
        operation = self.start()
        self.runner.claim()
        self.runner.end(result={"counted": 3})
        self.assertFalse(operation.applied)
        [told] = self.by("viewer", self.operations).status([operation.id])
        self.assertEqual((told["state"], told["applied"]), ("done", True))
        self.assertTrue(operation.applied)

    def test_secrets_of_work_are_for_operators(self):
        operation = self.start()
        with self.assertRaises(AccessError):
            self.by("viewer", operation).read(["arguments"])
        self.assertEqual(
            self.by("operator", operation).read(["arguments"])[0]["arguments"],
            {"to": 3},
        )

    def test_cancel(self):
        waits, works = self.start(), self.start()
        works, waits = waits, works
        self.runner.claim()
        for role in ("employee", "agent", "viewer", "reviewer"):
            with self.subTest(role=role), self.assertRaises(AccessError):
                self.by(role, waits).action_cancel()
        self.by("operator", waits + works).action_cancel()
        self.assertEqual((waits.state, waits.applied), ("cancelled", True))
        self.assertEqual((works.state, works.cancel_wanted), ("running", True))
        self.assertEqual(self.told, [(self.secret.id, "cancelled")])
        self.assertIsNone(self.runner.claim())
        self.runner.end("cancelled")
        self.by("operator", works).action_cancel()
        works._apply()
        self.assertEqual(len(self.told), 2)

    def test_a_record_that_fails_is_told_again(self):
        operation = self.start()
        self.runner.claim()
        self.runner.end()

        def fail(_record, _operation):
            raise Invalid("It burns.")

        with (
            patch.object(type(self.secret), "_operation_done", fail),
            mute_logger("odoo.addons.steward.models.steward_operation"),
        ):
            operation._apply()
        self.assertFalse(operation.applied)
        self.assertIn("It burns", operation.problem)
        operation._apply()
        self.assertTrue(operation.applied)
        self.assertFalse(operation.problem)
        self.assertEqual(len(self.told), 1)

    def test_a_subject_that_is_gone(self):
        operation = self.start()
        self.secret.unlink()
        self.runner.do()
        self.assertTrue(operation.applied)
        with self.assertRaises(Invalid):
            operation.action_open_subject()

    def test_lost_and_found(self):
        operation = self.start()
        self.runner.claim()
        self.runner.sql(
            "UPDATE steward_operation SET lease_until = now() AT TIME ZONE 'utc'"
            " - interval '5 min' WHERE id = %s",
            operation.id,
        )
        self.operations._find_lost()
        self.assertEqual(operation.state, "running", "its runner lives, and comes back")
        self.runner.beat(seconds_ago=300)
        self.operations._find_lost()
        self.assertEqual((operation.state, operation.fence), ("lost", 2))
        operation._apply()
        self.assertFalse(self.runner.step("dump", 50), "its fence is lost")
        # its journal knew better
        self.runner.sql(
            "UPDATE steward_operation SET state = 'done', applied = false"
            " WHERE uuid = %s",
            operation.uuid,
        )
        operation._apply()
        self.assertEqual([state for _id, state in self.told], ["lost", "done"])

    def asks_for(self, role, *channels):
        """What a browser of that role gets, of the channels that it asks for."""
        websocket = self.env["ir.websocket"].with_user(self.users[role])
        request = SimpleNamespace(session=Mock(uid=None))
        with patch.object(bus_websocket, "wsrequest", request):
            built = websocket._build_bus_channel_list(list(channels))
        names = {channel for channel in built if isinstance(channel, str)}
        return names, {
            channel[0].id
            for channel in built
            if isinstance(channel, tuple) and channel[1] == "steward.operation"
        }

    def test_news_go_to_those_who_may_know(self):
        operation = self.start()
        name = f"steward.operation_{operation.id}"
        names, told = self.asks_for("viewer", name, "steward.operation_x", "other")
        self.assertEqual(told, {operation.id})
        self.assertLessEqual({"steward.operation_x", "other"}, names)
        self.assertNotIn(name, names)
        names, told = self.asks_for("employee", name, "other")
        self.assertEqual(told, set())
        self.assertNotIn(name, names)

    def test_old_ones_are_forgotten(self):
        old, new, open_one = self.start(), self.start(), self.start()
        (old + new)._write_own({"state": "done", "applied": True})
        long_ago = fields.Datetime.now() - timedelta(days=91)
        old._write_own({"ended_at": long_ago})
        open_one._write_own({"queued_at": long_ago})
        new._write_own({"ended_at": fields.Datetime.now()})
        self.operations._gc_operations()
        self.assertEqual((old + new + open_one).exists(), new + open_one)


class TestRunner(OperationCase):
    def test_enrol_by_code(self):
        runners = self.env["steward.runner"]
        runners.search([])._write_own({"active": False})
        action = self.by("administrator", runners).action_enrol()
        code = action["context"]["steward_code"]
        runner = runners.browse(action["res_id"])
        self.assertEqual(runner.state, "code")
        shown = runner.with_context(**action["context"])
        self.assertEqual(shown.command, f"steward runner enrol --code {code}")
        self.env.flush_all()
        self.env.cr.execute("SELECT steward_runner::text FROM steward_runner")
        self.assertNotIn(code, str(self.env.cr.fetchall()))
        self.assertFalse(self.runner.enrol("wrong"))
        self.assertTrue(self.runner.enrol(code))
        self.assertEqual(runner.state, "works")
        self.assertFalse(self.runner.enrol(code), "a code is good once")
        self.assertEqual(runners._alive(), runner)
        runner.action_rotate()
        self.assertEqual(runner.state, "code")
        self.assertFalse(runners._alive())

    def test_a_code_expires(self):
        runners = self.env["steward.runner"]
        action = runners.action_enrol()
        runner = runners.browse(action["res_id"])
        runner._write_own({"code_until": fields.Datetime.now() - timedelta(hours=1)})
        self.assertEqual(runner.state, "expired")
        self.assertFalse(self.runner.enrol(action["context"]["steward_code"]))

    def test_denied(self):
        runners = self.env["steward.runner"].search([])
        for role in ("employee", "agent", "viewer", "operator", "reviewer"):
            for name in (
                "action_enrol",
                "action_rotate",
                "action_disable",
                "action_enable",
            ):
                with self.subTest(role=role, name=name), self.assertRaises(AccessError):
                    getattr(self.by(role, runners), name)()
        with self.assertRaises(Refused):
            self.by("administrator", runners).write({"key_hash": "mine"})
        with self.assertRaises(AccessError):
            self.by("administrator", runners).read(["key_hash"])

    def test_silent_off_and_skewed(self):
        [runner] = self.env["steward.runner"].search([])
        self.runner.beat(seconds_ago=120)
        self.assertEqual(runner.state, "silent")
        self.runner.facts["clock"] = "2001-01-01T00:00:00Z"
        self.runner.beat()
        self.assertTrue(runner._is_skewed())
        self.assertIn("pg pg_dump: 18.0", runner.facts_text)
        runner.action_disable()
        self.assertEqual(runner.state, "off")
        runner.action_enable()
        self.assertEqual(runner.state, "works")

    def part(self):
        parts = self.env["steward.status"]._health()["parts"]
        return next(part for part in parts if part["name"] == "runner")

    def test_health(self):
        [runner] = self.env["steward.runner"].search([])
        self.assertEqual(self.part()["status"], "ok")
        self.runner.beat(seconds_ago=120)
        self.assertEqual(self.part()["status"], "failed")
        self.start()
        runner.action_disable()
        self.assertEqual(self.part()["status"], "degraded")
        self.env["ir.config_parameter"].set_param("database.is_neutralized", "true")
        self.assertEqual(self.part()["status"], "ok")

    def test_health_of_who_needs_none(self):
        self.env["steward.runner"].search([]).unlink()
        operations = self.registry["steward.operation"]
        with patch.object(operations, "_get_verbs", lambda _self: {}):
            self.assertEqual(self.part()["status"], "ok")
        self.assertEqual(self.part()["status"], "degraded")

    def test_health_of_clock_and_work(self):
        operation = self.start()
        self.runner.claim()
        self.runner.end()
        operation._write_own({"problem": "It burns."})
        self.assertIn("taken over", self.part()["reason"])
        operation._write_own({"problem": False})
        self.runner.facts["clock"] = "2001-01-01T00:00:00Z"
        self.runner.beat()
        self.assertIn("clock", self.part()["reason"])
