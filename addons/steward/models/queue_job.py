import logging
import random

import psycopg2

from odoo import api, fields, models
from odoo.addons.queue_job.exception import FailedJobError, RetryableJobError
from odoo.addons.queue_job.job import FAILED
from odoo.fields import Domain

from .. import exceptions
from ..const import CHANNEL
from ..kernel import retry
from ..kernel.redactor import redact

_logger = logging.getLogger(__name__)

FOUND_DEAD = "JobFoundDead"  # queue_job's word for a job whose process died too often


class QueueJob(models.Model):
    _inherit = "queue.job"

    steward_failure_id = fields.Many2one(
        "steward.job.failure",
        string="Told as",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The message to the Operators that tells of this failure.",
    )

    # -- who is ours -----------------------------------------------------------

    @api.model
    def _is_stewards(self, model_name, channel):
        """Whether a job is one of ours; others keep queue_job's own behaviour."""
        return model_name.startswith("steward.") or f"{channel}.".startswith(
            f"{CHANNEL}."
        )

    @api.model
    def _get_stewards_domain(self):
        return (
            Domain("model_name", "=like", "steward.%")
            | Domain("channel", "=", CHANNEL)
            | Domain("channel", "=like", f"{CHANNEL}.%")
        )

    # -- what an error means ---------------------------------------------------

    @api.model
    def _job_error(self, job, error):
        """Turn what a job raised into what queue_job shall do about it.

        Called by the controller that runs jobs, for jobs of ours, in a transaction
        that is rolled back already.

        :param job: the ``Job``; this try is counted in ``job.retry``
        :param error: what it raised
        :return: an exception to raise: to try again later, or the error that says
            for good why the job failed
        """
        may_try_again = job.retry < retry.tries(job.max_retries)
        if isinstance(error, RetryableJobError):
            if may_try_again or error.ignore_retry:
                return error  # the job itself asked for it and said when
            return exceptions.Retryable(str(error))
        error = self._job_meaning(error)
        if not (error.retryable and may_try_again):
            return error
        seconds = retry.wait(
            self._get_retry_kind(error),
            job.retry,
            error.retry_after,
            random.Random(),
        )
        return RetryableJobError(redact(str(error)), seconds=seconds)

    @api.model
    def _job_meaning(self, error):
        """An error of our tree for whatever a job raised."""
        if isinstance(error, FailedJobError):
            cause = error.__cause__
            if isinstance(cause, RetryableJobError):  # its tries are used up
                return exceptions.Retryable(str(cause))
            return exceptions.Invalid(str(error))
        if isinstance(error, psycopg2.InterfaceError):  # the connection is gone
            error = psycopg2.OperationalError(str(error))
        return exceptions.converted(error)

    @api.model
    def _get_retry_kind(self, error):
        """The pattern of `kernel.retry` for an error."""
        if isinstance(error, exceptions.Locked):
            return "locked"
        if isinstance(error, exceptions.Exhausted):
            return "limit"
        if isinstance(error, exceptions.External):
            return "remote"
        return "busy"

    @api.model
    def _get_failure_values(self, job, error, values):
        """What a failed job keeps: code and sentence, nothing secret.

        :param error: as `_job_error` returned it
        :param dict values: as queue_job prepared them
        """
        message = str(error)
        if error.retryable:
            message = self.env._(
                "%(message)s (given up after %(tries)s tries)",
                message=message,
                tries=job.retry,
            )
        return {
            **values,
            "exc_message": redact(message),
            "exc_info": redact(values["exc_info"]),
        }

    # -- who is told -----------------------------------------------------------

    def _message_post_on_failure(self):
        """One message for all failures of a kind, instead of one for each job."""
        ours = self.filtered(lambda job: self._is_stewards(job.model_name, job.channel))
        if ours:
            uuids = ours.mapped("uuid")
            failures = self.env["steward.job.failure"]
            self.env.cr.postcommit.add(lambda: failures._tell_of(uuids))
        others = self - ours
        return super(QueueJob, others)._message_post_on_failure() if others else None

    def _failure_code(self):
        """The stable code that a failed job's message begins with."""
        self.ensure_one()
        code, colon, _rest = (self.exc_message or "").partition(": ")
        if colon and code.startswith("STEWARD-"):
            return code
        return "STEWARD-JOB-DIED" if self.exc_name == FOUND_DEAD else "STEWARD-ERROR"

    @api.model
    def _cron_tell_of_failures(self):
        """Tell of failures that nobody was told of.

        A job whose process dies too often is set to failed by the runner in plain SQL;
        and a process may die between a failure and the message about it.
        """
        untold = self.search(
            Domain("state", "=", FAILED)
            & Domain("steward_failure_id", "=", False)
            & self._get_stewards_domain(),
            limit=1000,
        )
        self.env["steward.job.failure"]._tell_of(untold.mapped("uuid"))


class QueueJobFunction(models.Model):
    _inherit = "queue.job.function"

    def job_config(self, name):
        """Our models' jobs run in our channel without being declared one by one."""
        config = super().job_config(name)
        if config.job_function_id is None and name.startswith("<steward."):
            return config._replace(channel=CHANNEL)
        return config
