import logging
import shutil
import time
from pathlib import Path

import psycopg2

from odoo import SUPERUSER_ID, api, models
from odoo.addons.queue_job.jobrunner import runner as queue_runner
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import SQL, config

from ..kernel import health

_logger = logging.getLogger(__name__)

CACHE_TIME = 2  # seconds that a worker repeats its last answer to anonymous callers
SERVICE_FORGOTTEN = 10 * 60  # seconds after its cool-down that an open circuit counts
CRON_LATE = 30 * 60  # seconds; no longer than a scheduled action may take
MAIL_LATE = 60 * 60  # seconds; mails leave with a scheduled action each hour at most
NEUTRALIZED = "database.is_neutralized"

# database -> (when, answer), of this worker
_answers = {}


class StewardStatus(models.AbstractModel):
    """How the house is: for people, programs and load balancers."""

    _name = "steward.status"
    _inherit = "steward"
    _description = "Steward's Health"

    # not @api.readonly: the locks of the primary cannot be seen on a standby
    @api.model
    def health(self) -> dict:
        """Tell how the system is, part by part.

        :return: ``{"status", "parts": [{"name", "status", "reason", "facts"?}]}``;
            the status is ``ok``, ``degraded`` or ``failed``, that of a part may be
            ``unknown`` as well
        """
        if not (self.env.su or self.env.user.has_group("steward.group_viewer")):
            raise AccessError(self.env._("Only Steward's Viewers see its health."))
        # sudo: steward.status - counts and ages only, no contents
        return self.sudo()._health()

    @api.model
    def first_steps(self) -> dict:
        """Tell which of the first steps on the dashboard are done.

        :return: ``{step: bool}``
        """
        if not (self.env.su or self.env.user.has_group("steward.group_viewer")):
            raise AccessError(self.env._("Only Steward's Viewers see its dashboard."))
        # sudo: steward.status - whether there is any, no contents
        return {n: bool(look()) for n, look in self.sudo()._get_first_steps().items()}

    @api.model
    def _get_first_steps(self):
        """The steps: name -> method that says whether it is done.

        Called when the dashboard opens, as superuser. The screen's side of a step is
        in the JavaScript registry ``steward.first_steps``, under the same name.
        """
        env = self.env
        people = env.ref("steward.group_viewer")
        return {
            "contact": env["res.config.settings"]._steward_contact,
            "people": lambda: len(people.all_user_ids.filtered("active")) > 1,
            "secret": lambda: env["steward.secret"].search_count([], limit=1),
            "limit": lambda: env["steward.rate.limit"].search_count(
                [("id", "!=", env.ref("steward.rate_limit_hook", False).id)], limit=1
            ),
            "jobs": lambda: self._runner_facts()["runner"] == "alive",
        }

    @api.model
    def _get_health_parts(self):
        """The parts, in order: name -> method that looks at it.

        A method returns ``(status, reason)`` or ``(status, reason, facts)``: a status
        of ``kernel.health``; a short reason that anybody may read (no name, address
        or number of a record); facts for Viewers, in plain JSON types. It is called
        as superuser, every few seconds: a handful of cheap queries, nothing else.
        """
        return {
            "database": self._health_database,
            "modules": self._health_modules,
            "jobs": self._health_jobs,
            "crons": self._health_crons,
            "services": self._health_services,
            "mail": self._health_mail,
            "disk": self._health_disk,
            "runner": self._health_runner,
        }

    @api.model
    def _get_ready_parts(self):
        """Parts without which no request should come here at all."""
        return {"database", "modules"}

    @api.model
    def _health(self):
        parts = [
            self._health_part(name, look)
            for name, look in self._get_health_parts().items()
        ]
        return {
            "status": health.overall(part["status"] for part in parts),
            "parts": parts,
        }

    @api.model
    def _health_part(self, name, look):
        """One part; that it cannot be looked at is an answer too."""
        try:
            with self.env.cr.savepoint(flush=False):
                status, reason, *facts = look()
        except psycopg2.InterfaceError:
            raise  # no connection: nobody can look at anything
        except Exception as error:  # noqa: BLE001 - another addon's part may do anything
            _logger.info("health: cannot look at %s: %r", name, error)
            return {
                "name": name,
                "status": health.UNKNOWN,
                "reason": self.env._("It could not be looked at."),
            }
        part = {"name": name, "status": status, "reason": reason}
        if facts and facts[0]:
            part["facts"] = {k: v for k, v in facts[0].items() if v is not None}
        return part

    # -- the answer to anybody -------------------------------------------------

    @api.model
    def _health_public(self, kind=""):
        """What anonymous callers get: no facts, and a repeated answer when they hurry.

        :param kind: ``"ready"`` for the parts that a load balancer asks for, or all
        :return: the body, and the HTTP status
        """
        name, now = self.env.cr.dbname, time.monotonic()
        when, answer = _answers.get(name, (None, None))
        if when is None or now - when > CACHE_TIME:
            answer = self.with_user(SUPERUSER_ID)._health()
            _answers[name] = (now, answer)
        parts = [
            {key: part[key] for key in ("name", "status", "reason")}
            for part in answer["parts"]
        ]
        if kind == "ready":
            needed = self._get_ready_parts()
            parts = [part for part in parts if part["name"] in needed]
        status = health.overall(part["status"] for part in parts)
        body = {"status": status, "parts": parts}
        return body, 503 if status == health.FAILED else 200

    # -- the parts -------------------------------------------------------------

    @api.model
    def _health_database(self):
        [(standby, readonly)] = self.env.execute_query(
            SQL(
                "SELECT pg_is_in_recovery(),"
                " current_setting('default_transaction_read_only')::boolean"
            )
        )
        if standby or readonly:
            return health.FAILED, self.env._("The database takes no changes.")
        return health.OK, self.env._("The database answers.")

    @api.model
    def _health_modules(self):
        [(waiting,)] = self.env.execute_query(
            SQL(
                "SELECT count(*) FROM ir_module_module"
                " WHERE state IN ('to install', 'to upgrade', 'to remove')"
            )
        )
        if waiting:
            return (
                health.DEGRADED,
                self.env._("Apps wait to be installed, upgraded or removed."),
                {"waiting": waiting},
            )
        return health.OK, self.env._("All apps are loaded.")

    @api.model
    def _health_jobs(self):
        facts = self._runner_facts()
        status = facts.pop("status")
        reasons = {
            "alive": self.env._("The job runner works."),
            "silent": self.env._("The job runner is connected, but does nothing."),
            "absent": self.env._("No job runner is connected."),
            "unknown": self.env._("From here the job runner cannot be seen."),
        }
        reason = reasons[facts["runner"]]
        if facts["runner"] == "alive" and status != health.OK:
            reason = self.env._("Jobs wait long, although the job runner is connected.")
        if status != health.OK and self._is_neutralized():
            return health.OK, self.env._("A neutralized copy runs no jobs."), facts
        return status, reason, facts

    @api.model
    def _health_crons(self):
        [(late,)] = self.env.execute_query(
            SQL(
                "SELECT count(*) FROM ir_cron"
                " WHERE active AND nextcall < now() AT TIME ZONE 'utc' - %s",
                _seconds(CRON_LATE),
            )
        )
        if late:
            return (
                health.DEGRADED,
                self.env._("Scheduled actions are late."),
                {"late": late},
            )
        return health.OK, self.env._("Scheduled actions run on time.")

    @api.model
    def _health_services(self):
        # open for long without a trial: nobody asks for that service any more
        [(left,)] = self.env.execute_query(
            SQL(
                "SELECT count(*) FROM steward_circuit WHERE mode = 'forced_open'"
                " OR state = 'open' AND open_until > now() AT TIME ZONE 'utc' - %s",
                _seconds(SERVICE_FORGOTTEN),
            )
        )
        if not left:
            return health.OK, self.env._("No service is left alone.")
        reason = self.env._("A service that failed too often is left alone.")
        return health.DEGRADED, reason, {"left_alone": left}

    @api.model
    def _health_mail(self):
        [(late,)] = self.env.execute_query(
            SQL(
                """
                SELECT count(*) FROM (
                    SELECT 1 FROM mail_mail
                     WHERE state = 'outgoing'
                       AND create_date < now() AT TIME ZONE 'utc' - %(late)s
                       AND (scheduled_date IS NULL OR scheduled_date
                            < now() AT TIME ZONE 'utc' - %(late)s)
                     LIMIT 1000) AS late
                """,
                late=_seconds(MAIL_LATE),
            )
        )
        if not late:
            return health.OK, self.env._("No mail waits long.")
        if self._is_neutralized():
            return health.OK, self.env._("A neutralized copy sends no mail.")
        return (
            health.DEGRADED,
            self.env._("Outgoing mails wait for more than an hour."),
            {"waiting": late},
        )

    @api.model
    def _health_disk(self):
        usage = shutil.disk_usage(self._get_data_folder())
        status = health.disk_status(usage.free, usage.total)
        facts = {"free_gib": round(usage.free / 2**30, 1)}
        if status == health.OK:
            return status, self.env._("There is room for files."), facts
        return status, self.env._("The disk for files is nearly full."), facts

    @api.model
    def _health_runner(self):
        """The runner of long work; where nothing needs one, none is missed."""
        runners, operations = self.env["steward.runner"], self.env["steward.operation"]
        if not operations._get_verbs():
            return health.OK, self.env._("Nothing here needs a runner.")
        if self._is_neutralized():
            return health.OK, self.env._("A neutralized copy has no runner.")
        alive = runners._alive()
        facts = {"alive": len(alive)}
        if not alive:
            if not runners.search_count(runners._enrolled_domain(), limit=1):
                reason = self.env._("No runner is enrolled: long work is not done.")
                return health.DEGRADED, reason, facts
            reason = self.env._("The runner is silent: long work is not done.")
            return health.FAILED, reason, facts
        if operations.search_count(
            operations._to_apply_domain() & Domain("problem", "!=", False), limit=1
        ):
            reason = self.env._("What the runner did could not be taken over.")
            return health.DEGRADED, reason, facts
        if alive._is_skewed():
            reason = self.env._("The runner's clock differs from the database's.")
            return health.DEGRADED, reason, facts
        return health.OK, self.env._("The runner works."), facts

    @api.model
    def _get_data_folder(self):
        folder = Path(config.filestore(self.env.cr.dbname))
        return folder if folder.exists() else Path(config["data_dir"])

    @api.model
    def _is_neutralized(self):
        # sudo: ir.config_parameter - whether this is a neutralized copy
        return bool(self.env["ir.config_parameter"].sudo().get_param(NEUTRALIZED))

    # -- the job runner --------------------------------------------------------

    @api.model
    def _runner_facts(self):
        """What can be seen of queue_job's runner, and of what waits for it.

        The runner writes nothing. What it does do is to hold an advisory lock on a
        connection of its own for as long as it lives, and to use that connection at
        least once a minute. ``pg_locks`` shows the lock to everybody; since when
        and when last is visible to the role of the runner, which is ours as a rule.

        :return: runner (alive, silent, absent, unknown), status, and as far as known:
            since, seen (seconds ago), pending, started, failed, oldest (seconds)
        """
        lock = queue_runner.PG_ADVISORY_LOCK_ID
        [(standby, connected, since, silent_for)] = self.env.execute_query(
            SQL(
                """
                SELECT pg_is_in_recovery(), l.pid IS NOT NULL,
                       date_trunc('second', a.backend_start AT TIME ZONE 'utc')::text,
                       EXTRACT(EPOCH FROM clock_timestamp() - a.state_change)::float
                  FROM (SELECT 1) AS one
             LEFT JOIN pg_locks l
                    ON l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
                   AND l.classid::bigint = %s AND l.objid::bigint = %s
                   AND l.database = (SELECT oid FROM pg_database
                                      WHERE datname = current_database())
             LEFT JOIN pg_stat_activity a ON a.pid = l.pid
                """,
                lock >> 32,
                lock & 0xFFFFFFFF,
            )
        )
        [(pending, started, failed, oldest)] = self.env.execute_query(
            SQL(
                """
                SELECT count(*) FILTER (WHERE state = 'pending'),
                       count(*) FILTER (WHERE state IN ('enqueued', 'started')),
                       count(*) FILTER (WHERE state = 'failed'),
                       EXTRACT(EPOCH FROM now() AT TIME ZONE 'utc' - min(
                           greatest(eta, date_created))
                           FILTER (WHERE state = 'pending' AND greatest(
                               eta, date_created) <= now() AT TIME ZONE 'utc')
                       )::float
                  FROM queue_job
                 WHERE state IN ('pending', 'enqueued', 'started', 'failed')
                """
            )
        )
        state = health.runner_state(standby, connected, silent_for)
        facts = {
            "runner": state,
            "status": health.jobs_status(state, oldest, started),
            "since": since if connected else None,
            "seen": round(silent_for) if silent_for is not None else None,
            "pending": pending,
            "started": started,
            "failed": failed,
            "oldest": round(oldest) if oldest is not None else None,
        }
        return {key: value for key, value in facts.items() if value is not None}

    @api.model
    def _runner_advice(self, facts):
        """What to do so that jobs run; empty when they do.

        The settings it names are those of the Odoo that answers: with several, the
        runner may live in another.
        """
        if facts["status"] == health.OK:
            return ""
        if facts["runner"] == "unknown":
            return self.env._(
                "This page was answered from a standby of the database, where the"
                " job runner cannot be seen. Ask an Odoo on the primary."
            )
        modules = config["server_wide_modules"]
        if "queue_job" not in modules:
            return self.env._(
                "In odoo.conf, [options], set server_wide_modules = %(modules)s,"
                " then restart Odoo.",
                modules=",".join([*modules, "queue_job"]),
            )
        if not queue_runner_enabled():
            return self.env._(
                "The runner is switched off: channels = root:0. In odoo.conf,"
                " [queue_job], set channels = root:2 (and unset the environment"
                " variable ODOO_QUEUE_JOB_CHANNELS), then restart Odoo."
            )
        if facts["runner"] == "silent":
            return self.env._(
                "The runner's process hangs or its machine is gone: restart the Odoo"
                " that started it."
            )
        if facts["runner"] == "alive":
            return self.env._(
                "The runner hands out no job: is /queue_job/runjob reachable from it"
                " (section [queue_job], host and port), and has the jobs' channel a"
                " place free (channels = root:2)? The log says more under queue_job."
            )
        return self.env._(
            "The settings of this Odoo are right, and still no runner is connected."
            " It connects a few seconds after the start; otherwise look in the log"
            " for lines of queue_job, and restart Odoo."
        )


def queue_runner_enabled():
    """Whether the settings of this process let it start a runner."""
    return not queue_runner._channels().strip().startswith("root:0")


def _seconds(number):
    return SQL("make_interval(secs => %s)", number)
