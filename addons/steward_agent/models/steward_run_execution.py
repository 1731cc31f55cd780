import uuid
from datetime import UTC, datetime, timedelta

from odoo import SUPERUSER_ID, api, fields, models
from odoo.tools import SQL

from ..executor import LEASE, Claim, Executor
from ..kernel.ledger import FAILED
from ..ledger import CAPTURE
from .steward_guard import AT_WORK, RunId

MAX_DEATHS = 3  # workers that may die at one step
BATCH = 200  # runs that one look at the stragglers takes care of
LOST_AFTER = 24  # hours without a report after which an agent elsewhere counts as lost
PLACES = 20  # runs of one company at the same time, unless its setting says otherwise
CLAIM_LOCK = 0x57E7  # first key of the advisory lock: claims of one company take turns


class StewardRun(models.Model):
    _inherit = "steward.run"

    playbook_version_id = fields.Many2one("steward.playbook.version", readonly=True)
    # who works at it; see executor.py
    fence = fields.Integer(readonly=True, default=0)
    worker = fields.Char(readonly=True, help="The job that works, or worked, at it.")
    deaths = fields.Integer(readonly=True, default=0)
    lease_until = fields.Datetime(readonly=True)
    position = fields.Json(groups=fields.NO_ACCESS)
    waits_for = fields.Selection(
        [("place", "A place"), ("person", "A person"), ("time", "Its time")],
        readonly=True,
    )
    wakes_at = fields.Datetime(readonly=True)

    _unfinished = models.Index(
        "(agent_id, id) WHERE state IN ('queued', 'running', 'waiting')"
    )

    # -- jobs ----------------------------------------------------------------------

    def _enqueue(self, eta=None):
        """Let a worker take these runs on; at most one job of a run waits."""
        for run in self:
            # as the superuser: what a run may do is decided by its guard, and is done
            # as the user it runs as
            run.with_user(SUPERUSER_ID).with_delay(
                eta=eta,
                identity_key=f"steward.run/{run.id}/{eta or 'now'}",
                description=self.env._("Run of %(agent)s", agent=run.agent_name),
            )._execute()

    def _go_on(self):
        """What these runs waited for is there."""
        # sudo: steward.run - whoever answers need not see the run
        for run in self.sudo().filtered(lambda run: run.state == "waiting"):
            run._write_own({"state": "queued", "waits_for": False, "wakes_at": False})
            run._enqueue()

    def _execute(self):
        """Work at this run for a while: the one job that commits.

        It may be killed at any moment; the next one goes on at the same step.
        """
        self.ensure_one()
        claim = self._claim(self.env.context.get("job_uuid") or uuid.uuid4().hex)
        if claim is not None:
            Executor(self, claim).work()

    @api.model
    def _at_work(self):
        """The run that the caller works for; empty when nobody does."""
        run_id = self.env.context.get(AT_WORK)
        # sudo: steward.run - what a run does knows which one it is
        return self.sudo().browse(int(run_id) if isinstance(run_id, RunId) else ())

    # -- who works -------------------------------------------------------------------

    def _claim(self, job) -> Claim | None:
        """Take this run, unless somebody works at it or there is no place.

        A dead worker's run is taken when its lease is over, or at once by the same
        job: queue_job starts a job anew only when its process is gone.
        """
        self.ensure_one()
        with self._own_transaction() as cr:
            # counting and taking must not overlap, or there are too many
            cr.execute(
                "SELECT pg_advisory_xact_lock(%s, %s)",
                [CLAIM_LOCK, self.company_id.id],
                log_exceptions=False,
            )
            cr.execute(
                SQL(
                    """
                    WITH clock AS (
                        SELECT clock_timestamp() AT TIME ZONE 'utc' AS now
                    ), taken AS (
                        SELECT count(*) FILTER (WHERE agent_id = %(agent)s) AS agent,
                               count(*) AS company
                          FROM steward_run, clock
                         WHERE company_id = %(company)s AND state = 'running'
                           AND source = 'here' AND id != %(id)s
                           AND lease_until > clock.now)
                    UPDATE steward_run AS run
                       SET state = 'running', fence = fence + 1, worker = %(job)s,
                           lease_until = clock.now + %(lease)s,
                           started_at = COALESCE(started_at, clock.now),
                           deaths = deaths + (state = 'running')::int,
                           waits_for = NULL, wakes_at = NULL, reason = NULL
                      FROM taken, clock
                     WHERE id = %(id)s AND source = 'here'
                       AND (state = 'queued'
                            OR state = 'waiting' AND wakes_at <= clock.now
                            OR state = 'running' AND (worker = %(job)s
                                                      OR lease_until < clock.now))
                       AND taken.agent < %(agent_places)s
                       AND taken.company < %(company_places)s
                    RETURNING fence
                    """,
                    agent=self.agent_id.id or 0,
                    company=self.company_id.id,
                    id=self.id,
                    job=job,
                    lease=SQL("make_interval(secs => %s)", LEASE),
                    agent_places=self.agent_id.max_runs or PLACES,
                    company_places=self._company_places(),
                ),
                log_exceptions=False,
            )
            row = cr.fetchone()
            if row is None:
                cr.execute(
                    "UPDATE steward_run SET waits_for = 'place'"
                    " WHERE id = %s AND state = 'queued' AND waits_for IS NULL",
                    [self.id],
                )
        self.invalidate_recordset()
        return Claim(row[0]) if row else None

    @api.model
    def _company_places(self):
        # sudo: ir.config_parameter - a limit that holds for everybody
        get = self.env["ir.config_parameter"].sudo().get_param
        return int(get("steward.runs_at_a_time") or PLACES)

    def _let_others(self):
        """A place is free: wake who waits longest for it, here and in the company."""
        self.ensure_one()
        for among in ([("agent_id", "=", self.agent_id.id)], []):
            waiting = self.search(
                [
                    ("company_id", "=", self.company_id.id),
                    ("state", "=", "queued"),
                    ("waits_for", "=", "place"),
                    *among,
                ],
                order="id",
                limit=1,
            )
            waiting._enqueue()

    # -- the end ---------------------------------------------------------------------

    def _end(self, state, reason="", output=None, category=None):
        """Bring these runs to an end; whatever comes later changes nothing."""
        now = datetime.now(UTC).replace(tzinfo=None)
        for run in self:
            began = min(run.started_at or now, now)
            capture = run.agent_id.capture or "none"
            values = {
                "state": state,
                "reason": reason or False,
                "ended_at": now,
                "duration_ms": (now - began).total_seconds() * 1000,
                "lease_until": False,
                "waits_for": False,
                "wakes_at": False,
            }
            if output is not None:
                values["output"] = CAPTURE.text(output, capture)
            if state in FAILED:
                values["error"] = CAPTURE.message(reason, capture)
                values["category"] = category
            run._write_own(values)
        self._count_ended()
        self._clean_up()

    def _clean_up(self):
        """Forget what only a run that goes on needs."""
        self.env["steward.approval"].search(
            [("run_id", "in", self.ids), ("state", "=", "pending")]
        )._settle("moot")
        self._write_own({"position": False})
        gone = self - self._get_continuable()
        self.env.cr.execute(
            "DELETE FROM steward_run_variable WHERE run_id = ANY(%s)", [gone.ids]
        )
        gone.picture_ids.unlink()

    # -- stragglers ------------------------------------------------------------------

    @api.model
    def _cron_watch(self):
        """Take care of runs whose worker died, whose job is lost, or that are quiet."""
        now = fields.Datetime.now()
        dead = self.search(
            [("state", "=", "running"), ("lease_until", "<", now)], limit=BATCH
        )
        for run in dead:
            if run.deaths >= MAX_DEATHS:
                run._end("lost", self.env._("Its worker died again and again."))
        (dead.filtered(lambda run: run.state == "running"))._enqueue()
        asleep = self.search(
            [
                ("source", "=", "here"),
                "|",
                *("&", ("state", "=", "waiting"), ("wakes_at", "<", now)),
                *("&", ("state", "=", "queued"), ("write_date", "<", _ago(minutes=2))),
            ],
            order="id",
            limit=BATCH,
        )
        asleep._enqueue()
        silent = self.search(
            [
                ("source", "=", "reported"),
                ("state", "in", ["queued", "running", "paused"]),
                ("write_date", "<", _ago(hours=LOST_AFTER)),
            ],
            limit=BATCH,
        )
        for run in silent:
            run._end("lost", self.env._("Nothing was heard of it for a day."))


def _ago(**time_):
    return fields.Datetime.now() - timedelta(**time_)
