from odoo.addons.queue_job.controllers.main import RunJobController

from ..exceptions import StewardError


class StewardJobController(RunJobController):
    """Errors of our jobs mean what they mean everywhere; see ``queue.job``."""

    @classmethod
    def _try_perform_job(cls, env, job):
        try:
            return super()._try_perform_job(env, job)
        except Exception as error:
            jobs = env["queue.job"]
            if not jobs._is_stewards(job.model_name, job.channel):
                raise
            raise jobs._job_error(job, error) from error

    @classmethod
    def _get_failure_values(cls, job, traceback_txt, orig_exception):
        values = super()._get_failure_values(job, traceback_txt, orig_exception)
        if not isinstance(orig_exception, StewardError):
            return values
        return job.env["queue.job"]._get_failure_values(job, orig_exception, values)
