from datetime import datetime, timedelta
from unittest.mock import patch
from zoneinfo import ZoneInfo

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..exceptions import Locked, Refused
from ..models.steward_daily import TRIES, Later
from .common import StewardCase


@tagged("post_install", "-at_install")
class TestDaily(StewardCase):
    """Parts do what is due, one after the other, whatever becomes of the others."""

    def parts(self, **parts):
        model = self.registry["steward.daily"]
        found = {name: (name.title(), method) for name, method in parts.items()}
        self.patch(model, "_get_parts", lambda _self: found)

    def jobs(self):
        return self.env["queue.job"].search([("model_name", "=", "steward.daily")])

    def round(self):
        """Begin one, and do its jobs as they come."""
        daily = self.env["steward.daily"]._begin()
        for _job in range(20):
            if daily.state != "running":
                break
            daily._work()
        return daily

    @mute_logger("odoo.addons.steward.models.steward_daily")
    def test_one_fails_and_the_others_work(self):
        def broken(_daily):
            raise Refused("No tape in the drive.")

        self.parts(
            harvest=lambda _daily: ["3 pages are new."],
            backup=broken,
            prune=lambda _daily: [],
        )
        daily = self.round()
        self.assertEqual(daily.state, "failed")
        self.assertEqual(
            [(part["name"], part["state"]) for part in daily.parts],
            [("harvest", "done"), ("backup", "failed"), ("prune", "done")],
        )
        [message] = daily.message_ids.filtered("subject")
        self.assertIn("3 pages are new.", message.body)
        self.assertIn("No tape in the drive.", message.body)
        self.assertNotIn("Prune", message.body)  # it has nothing to tell

    @mute_logger(
        "odoo.addons.steward.models.steward_daily",
        "odoo.addons.steward.exceptions",
        "odoo.sql_db",
    )
    def test_a_broken_query_harms_no_other(self):
        self.parts(
            one=lambda daily: daily.env.cr.execute("SELECT 1 / 0"),
            two=lambda daily: [daily.env.user.name],
        )
        self.assertEqual(
            [part["state"] for part in self.round().parts], ["failed", "done"]
        )

    @mute_logger("odoo.addons.steward.models.steward_daily")
    def test_what_may_pass_is_tried_again(self):
        tries = []

        def locked(_daily):
            tries.append(1)
            raise Locked("Somebody else is changing the same thing.")

        self.parts(locked=locked)
        daily = self.env["steward.daily"]._begin()
        for _try in range(TRIES):
            self.assertFalse(daily.parts)
            job = self.jobs()[0]
            self.assertEqual(job.args, [len(tries)])
            self.assertEqual(bool(job.eta), bool(tries), "not at once again")
            daily._work(*job.args)
        self.assertEqual(len(tries), TRIES)
        [part] = daily.parts
        self.assertEqual(part["state"], "failed")
        self.assertEqual(part["lines"], ["Somebody else is changing the same thing."])

    def test_a_part_may_wait(self):
        asked = []

        def slow(daily):
            asked.append(1)
            if len(asked) < 3:
                daily.env["res.partner"].create({"name": "Begun"})
                raise Later
            return ["At last."]

        self.parts(slow=slow, next=lambda _daily: ["After it."])
        daily = self.round()
        self.assertEqual(
            [part["lines"] for part in daily.parts], [["At last."], ["After it."]]
        )
        begun = self.env["res.partner"].search_count([("name", "=", "Begun")])
        self.assertEqual(begun, 2)  # what it begins is not taken back

    def test_not_for_ever(self):
        def never(_daily):
            raise Later

        self.parts(never=never)
        daily = self.env["steward.daily"]._begin()
        daily._work()
        self.assertFalse(daily.parts)
        with patch(
            "odoo.addons.steward.models.steward_daily.WAIT_AT_MOST",
            -timedelta(hours=1),
        ):
            daily._work()
        self.assertEqual(daily.parts[0]["state"], "failed")

    def test_once_a_day_when_the_night_comes(self):
        self.parts()
        model = self.registry["steward.daily"]
        rounds = self.env["steward.daily"]
        before = rounds.search([])
        zone = ZoneInfo("Europe/Brussels")
        for hour, expected in ((1, 0), (2, 1), (9, 1)):
            now = datetime(2040, 3, 1, hour, 30, tzinfo=zone)
            with patch.object(model, "_local_now", lambda _self, now=now: now):
                rounds._cron_begin()
            self.assertEqual(len(rounds.search([]) - before), expected)

    def test_who_may_begin(self):
        self.parts()
        operator = new_test_user(self.env, "op", "steward.group_operator")
        viewer = new_test_user(self.env, "see", "steward.group_viewer")
        rounds = self.env["steward.daily"]
        found = rounds.with_user(operator).run()
        status = rounds.with_user(viewer).status(found["daily_id"])
        self.assertEqual(status["state"], "running")
        with self.assertRaises(AccessError):
            rounds.with_user(viewer).run()
        plain = new_test_user(self.env, "plain", "base.group_user")
        with self.assertRaises(AccessError):
            rounds.with_user(plain).status(found["daily_id"])
