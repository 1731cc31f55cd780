from datetime import timedelta
from unittest.mock import patch

import psycopg2
import requests

from odoo import fields
from odoo.addons.queue_job.exception import FailedJobError, JobError, RetryableJobError
from odoo.addons.queue_job.job import Job
from odoo.addons.steward import exceptions
from odoo.addons.steward.controllers.queue_job import StewardJobController
from odoo.addons.steward.exceptions import StewardError
from odoo.exceptions import AccessError, UserError
from odoo.tests import TransactionCase, new_test_user
from odoo.tools import mute_logger

QUEUE = "odoo.addons.queue_job.controllers.main"


class JobCase(TransactionCase):
    """Jobs run here as the controller runs them, in the test's transaction."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.failures = cls.env["steward.job.failure"]
        cls.operator = new_test_user(
            cls.env, "steward_operator", groups="steward.group_operator"
        )

    def job(self, model="steward.job.failure", **options):
        """A job that will raise whatever `run` is told."""
        delayed = self.env[model].with_delay(**options)._get_operators()
        record = delayed.db_record()
        record.flush_recordset()
        return record

    def run_job(self, record, raises=None):
        """Run it once, as the runner would ask for it."""
        job = Job.load(self.env, record.uuid)
        registry = self.env.registry
        cursors = patch.object(registry, "cursor", self._same_cursor)
        outcome = patch.object(type(self.failures), "_get_operators", _raise(raises))
        rollback = patch.object(self.env.cr, "rollback")  # of a try: it goes on here
        muted = mute_logger("odoo.addons.steward.exceptions", QUEUE)
        with cursors, outcome, rollback, muted:
            try:
                StewardJobController._runjob(self.env, job)
            except (JobError, StewardError):  # goes on to the worker's log
                record.invalidate_recordset()
                self.assertEqual(record.state, "failed")
        self.env.cr.postcommit.run()
        record.invalidate_recordset()
        return record

    def _same_cursor(self, readonly=False):
        return _Borrowed(self.env.cr)


class _Borrowed:
    """A "new" cursor that is the test's own."""

    def __init__(self, cr):
        self.cr = cr

    def __enter__(self):
        return self.cr

    def __exit__(self, *_error):
        self.cr.flush()


def _raise(error):
    def outcome(self, *args, **kwargs):
        if error is not None:
            raise error
        return self.env["res.users"]

    return outcome


class TestMeaning(JobCase):
    """Each kind of error ends a job, or a try, as designed."""

    def assert_tried_again(self, error, low, high):
        record, before = self.job(), fields.Datetime.now()
        self.run_job(record, error)
        after = fields.Datetime.now()  # some time has passed, on a busy machine much
        self.assertEqual(record.state, "pending", record.exc_message)
        self.assertEqual(record.retry, 1)
        self.assertLessEqual(before + timedelta(seconds=low), record.eta)
        self.assertLessEqual(record.eta, after + timedelta(seconds=high))
        self.assertFalse(record.steward_failure_id)
        return record

    def assert_failed(self, error, code, record=None):
        record = self.run_job(record or self.job(), error)
        self.assertEqual(record.state, "failed")
        self.assertTrue(record.exc_message.startswith(f"{code}: "), record.exc_message)
        self.assertEqual(record.steward_failure_id.code, code)
        return record

    def test_locked(self):
        self.assert_tried_again(psycopg2.errors.LockNotAvailable("busy"), 0, 10)

    def test_database_away(self):
        self.assert_tried_again(psycopg2.OperationalError("gone"), 4, 12)
        self.assert_tried_again(psycopg2.InterfaceError("closed"), 4, 12)

    def test_remote_says_when(self):
        error = exceptions.RemoteError("Down.", status_code=503, retry_after=120)
        record = self.assert_tried_again(error, 110, 140)
        self.assertIn("STEWARD-REMOTE-ERROR", record.result)

    def test_unreachable(self):
        self.assert_tried_again(requests.ConnectionError("refused"), 10, 40)

    def test_limit_and_busy(self):
        self.assert_tried_again(exceptions.RateLimited("Slower."), 10, 40)
        self.assert_tried_again(exceptions.CircuitOpen("Left alone."), 3, 20)

    def test_asked_by_the_job(self):
        self.assert_tried_again(RetryableJobError("later", seconds=77), 70, 80)

    def test_refused(self):
        self.assert_failed(AccessError("Not you."), "STEWARD-REFUSED")

    def test_invalid(self):
        record = self.assert_failed(UserError("No sense."), "STEWARD-INVALID")
        self.assertEqual(record.exc_message, "STEWARD-INVALID: No sense.")
        self.assertEqual(record.retry, 1)

    def test_exhausted(self):
        self.assert_failed(exceptions.Exhausted("Spent."), "STEWARD-EXHAUSTED")

    def test_remote_refuses(self):
        error = exceptions.RemoteError("No such thing.", status_code=404)
        self.assert_failed(error, "STEWARD-REMOTE-ERROR")

    def test_bug(self):
        record = self.assert_failed(ZeroDivisionError("oops"), "STEWARD-BUG")
        self.assertIn("ZeroDivisionError", record.exc_info)

    def test_job_gives_up(self):
        self.assert_failed(FailedJobError("See to it."), "STEWARD-INVALID")

    def test_tries_are_bounded(self):
        for wanted, last in ((2, 1), (0, 19), (50, 19)):
            record = self.job(max_retries=wanted)
            record.retry = last
            error = exceptions.TimedOut("Too slow.")
            record = self.assert_failed(error, "STEWARD-TIMED-OUT", record)
            self.assertIn(f"given up after {last + 1} tries", record.exc_message)

    def test_tries_of_a_job_that_asks_are_bounded(self):
        for wanted, last in ((2, 1), (0, 19)):
            record = self.job(max_retries=wanted)
            record.retry = last
            self.assert_failed(RetryableJobError("later"), "STEWARD-RETRY", record)

    def test_may_wait_without_counting(self):
        record = self.job()
        record.retry = 19
        error = RetryableJobError("not yet", seconds=5, ignore_retry=True)
        self.assertEqual(self.run_job(record, error).state, "pending")

    def test_nothing_secret_is_kept(self):
        error = UserError("refused: Authorization: Bearer abcdefghijklmnop12345678")
        record = self.run_job(self.job(), error)
        self.assertNotIn("abcdefghijklmnop12345678", record.exc_message)
        self.assertNotIn("abcdefghijklmnop12345678", record.exc_info)

    def test_done(self):
        self.assertEqual(self.run_job(self.job()).state, "done")


class TestOthersJobs(JobCase):
    def test_channel_of_ours(self):
        self.assertEqual(self.job().channel, "root.steward")
        self.assertEqual(
            self.job(channel="root.steward.heavy").channel, "root.steward.heavy"
        )
        other = self.env["queue.job"].with_delay()._test_job().db_record()
        self.assertEqual(other.channel, "root")

    def test_queue_jobs_own_behaviour(self):
        """A job of another suite fails as queue_job has it, with its message."""
        jobs = self.env["queue.job"]
        self.assertFalse(jobs._is_stewards("res.partner", "root.stewardess"))
        self.assertTrue(jobs._is_stewards("res.partner", "root.steward.outbound"))
        record = jobs.with_delay()._test_job(failure_rate=1).db_record()
        record = self.run_job(record)
        self.assertEqual(record.state, "failed")
        self.assertEqual(record.exc_message, "Job failed")
        self.assertFalse(record.steward_failure_id)
        self.assertIn("Something bad", "".join(record.message_ids.mapped("body")))


class TestTelling(JobCase):
    def failure(self, error, **options):
        return self.run_job(self.job(**options), error).steward_failure_id

    def told(self):
        return self.env["mail.notification"].search_count(
            [("res_partner_id", "=", self.operator.partner_id.id)]
        )

    def test_once_for_each_kind(self):
        one = self.failure(UserError("First."))
        self.assertEqual(self.told(), 1)
        self.assertEqual(one.times, 1)
        self.assertEqual(self.failure(UserError("Second.")), one)
        self.assertEqual(self.failure(UserError("Third.")), one)
        self.assertEqual(self.told(), 1)
        self.assertEqual((one.times, one.failed_count), (3, 3))
        self.assertEqual(one.sentence, "STEWARD-INVALID: Third.")
        other = self.failure(AccessError("Another kind."))
        self.assertNotEqual(other, one)
        self.assertEqual(self.told(), 2)
        self.assertFalse(one.job_ids.message_partner_ids, "nobody follows single jobs")

    def test_closed_is_told_anew(self):
        one = self.failure(UserError("First."))
        one.with_user(self.operator).action_close()
        self.assertFalse(one.is_open)
        self.assertNotEqual(self.failure(UserError("Second.")), one)
        self.assertEqual(self.told(), 2)

    def test_retry_all(self):
        one = self.failure(UserError("First."))
        self.failure(UserError("Second."))
        one.with_user(self.operator).action_retry()
        self.assertEqual(one.job_ids.mapped("state"), ["pending", "pending"])
        self.assertEqual(one.failed_count, 0)
        self.assertFalse(one.is_open)
        action = one.with_user(self.operator).action_jobs()
        self.assertEqual(action["domain"], [("steward_failure_id", "=", one.id)])

    def test_killed_jobs_are_told_too(self):
        """The runner fails a job that died too often in SQL, past all hooks."""
        record = self.job()
        self.env.cr.execute(
            "UPDATE queue_job SET state = 'failed', exc_name = 'JobFoundDead'"
            " WHERE id = %s",
            [record.id],
        )
        record.invalidate_recordset()
        self.env["queue.job"]._cron_tell_of_failures()
        self.assertEqual(record.steward_failure_id.code, "STEWARD-JOB-DIED")
        self.assertEqual(self.told(), 1)
        self.env["queue.job"]._cron_tell_of_failures()
        self.assertEqual(record.steward_failure_id.times, 1)

    def test_a_failure_without_our_code(self):
        record = self.job()
        record.exc_message = "Something: else"
        self.assertEqual(record._failure_code(), "STEWARD-ERROR")

    def test_it_cannot_be_told(self):
        """Then the failure is stored all the same, and told by the next cron."""
        with (
            patch.object(type(self.failures), "_tell", _raise(ValueError("no mail"))),
            self.assertLogs("odoo.addons.steward.models.steward_job_failure", "ERROR"),
        ):
            record = self.run_job(self.job(), UserError("First."))
        self.assertEqual(record.state, "failed")
        self.assertFalse(record.steward_failure_id)
        self.env["queue.job"]._cron_tell_of_failures()
        self.assertTrue(record.steward_failure_id)


class TestOperators(JobCase):
    def setUp(self):
        super().setUp()
        self.record = self.run_job(self.job(), UserError("No."))

    def test_operator_repairs(self):
        as_operator = self.record.with_user(self.operator)
        as_operator.requeue()
        self.assertEqual(self.record.state, "pending")
        as_operator.button_cancelled()
        self.assertEqual(self.record.state, "cancelled")
        self.assertIn(self.operator.name, self.record.result)

    def test_operator_does_not_become_somebody_else(self):
        with self.assertRaises(AccessError):
            self.record.with_user(self.operator).user_id = self.env.ref(
                "base.user_admin"
            )

    def test_viewer_is_denied(self):
        viewer = new_test_user(self.env, "v", groups="steward.group_viewer")
        for denied in ("requeue", "button_cancelled"):
            with self.assertRaises(AccessError):
                getattr(self.record.with_user(viewer), denied)()
        failure = self.record.steward_failure_id
        for denied in ("action_retry", "action_close"):
            with self.assertRaises(AccessError):
                getattr(failure.with_user(viewer), denied)()
        with self.assertRaises(AccessError):
            failure.with_user(self.operator).is_open = False
        # who may read failures for another reason still does not decide about them
        self.env["ir.model.access"].create(
            {
                "name": "read only",
                "model_id": self.env["ir.model"]._get_id("steward.job.failure"),
                "group_id": self.env.ref("steward.group_viewer").id,
                "perm_read": True,
            }
        )
        with self.assertRaises(AccessError):
            failure.with_user(viewer).action_close()
