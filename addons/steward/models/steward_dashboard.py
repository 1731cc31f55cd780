import logging
from datetime import timedelta
from time import monotonic

import psycopg2

from odoo import api, fields, models
from odoo.addons.bus.models.bus import channel_with_db, json_dump
from odoo.exceptions import AccessError
from odoo.tools import SQL

from ..exceptions import Invalid, converted
from ..kernel import health
from ..kernel.period import Period
from ..kernel.plain import plain

_logger = logging.getLogger(__name__)

NEWS = "steward.dashboard"  # the bus's name for: there is something new to see
NEWS_EVERY = 2  # seconds between two such messages to a company's dashboards
NEWS_TAIL = 1000  # of the bus's latest messages; one of ours may be among them
TOP = 5  # rows of a table card; the list behind it has them all

# channel -> this worker's clock when it last saw a message there
_told = {}


class StewardDashboard(models.AbstractModel):
    """What the dashboard shows, and how open dashboards hear of news.

    The screen's side of a card is in the JavaScript registry ``steward.cards``, under
    the name it has in `_get_cards`.
    """

    _name = "steward.dashboard"
    _inherit = "steward"
    _description = "Steward's Dashboard"

    # not @api.readonly: health looks at locks of the primary, and a standby may not
    # yet have the very change that a dashboard was told of
    @api.model
    def data(
        self,
        period: str = "day",
        company_ids: list[int] | None = None,
        cards: list[str] | None = None,
    ) -> dict:
        """Tell what the cards show, all in one answer.

        :param period: ``hour``, ``day``, ``week`` or ``month``, up to now; or an ISO
            8601 interval ``start/end``, UTC unless it says otherwise
        :param company_ids: of which companies; none: those that are ticked
        :param cards: names of cards; none: all
        :return: ``{"period": {"start", "end", "step"}, "cards": {name: data}, "steps":
            {first step: whether it is done}}``; a card that cannot be computed holds
            ``{"error": sentence}``
        """
        if not (self.env.su or self.env.user.has_group("steward.group_viewer")):
            raise AccessError(self.env._("Only Steward's Viewers see its dashboard."))
        board = self._of_companies(company_ids or [])
        when = board._period(period)
        looks = board._get_cards()
        if cards is None or cards is False:  # XML-RPC has no None
            cards = list(looks)
        if not isinstance(cards, list) or not all(isinstance(n, str) for n in cards):
            raise Invalid(self.env._("Cards are told by a list of their names."))
        return {
            "period": plain(
                {
                    "start": when.start,
                    "end": when.end,
                    "step": when.step.total_seconds(),
                }
            ),
            "cards": {name: board._card(looks.get(name), when) for name in cards},
            "steps": board.env["steward.status"].first_steps(),
        }

    @api.model
    def _get_cards(self):
        """The cards: name -> method that looks.

        A method gets a `kernel.period.Period` and returns what its kind of card shows
        (docs/dashboard.md). It is called as the user who looks, in the companies that
        they chose, each time a dashboard refreshes: a few indexed queries at most.
        """
        return {
            "health": self._card_health,
            "circuits": self._card_circuits,
            "jobs": self._card_jobs,
            "jobs_done": self._card_jobs_done,
            "job_time": self._card_job_time,
            "jobs_finished": self._card_jobs_finished,
        }

    @api.model
    def _of_companies(self, company_ids):
        """The dashboard in these companies, which the user must be allowed."""
        try:
            company_ids = [int(company_id) for company_id in company_ids]
        except (TypeError, ValueError) as error:
            raise Invalid(self.env._("Companies are told by their ids.")) from error
        if not company_ids:
            return self
        board = self.with_context(allowed_company_ids=company_ids)
        board.env.companies  # noqa: B018 - raises for others' companies
        return board

    @api.model
    def _period(self, text):
        now = fields.Datetime.now()
        offset = fields.Datetime.context_timestamp(self, now).utcoffset()
        try:
            return Period.parse(text, now, offset)
        except (TypeError, ValueError, AttributeError) as error:
            raise Invalid(
                self.env._(
                    "%(period)s is no period: give hour, day, week, month or the start"
                    " and end of at most a year, as 2026-01-01/2026-02-01.",
                    period=text,
                ),
                detail=str(error),
            ) from error

    @api.model
    def _card(self, look, period):
        """One card's data; that it cannot be computed is an answer too."""
        if look is None:
            return {"error": self.env._("There is no such card. Reload the page.")}
        try:
            with self.env.cr.savepoint(flush=False):
                return plain(look(period))
        except psycopg2.InterfaceError:
            raise  # no connection: there is no card at all
        except Exception as error:  # noqa: BLE001 - another addon's card may do anything
            return {"error": converted(error).sentence}

    @api.model
    def _drill(self, ref, domain=None, **options):
        """Where a click leads.

        :param ref: the external id of an action
        :param domain: instead of the action's own, if any
        :param options: ``res_id`` of the one record to open, or a ``context``
        """
        return {"ref": ref, "domain": domain, **options}

    @api.model
    def _get_companies_domain(self):
        """What belongs to the chosen companies, or to all.

        The list behind a card needs it: it opens with all companies that are ticked.
        """
        return [("company_id", "in", [*self.env.companies.ids, False])]

    # -- health ------------------------------------------------------------------

    def _card_health(self, _period):
        titles = self._get_health_titles()
        parts = self.env["steward.status"].health()["parts"]
        return {
            "parts": [
                {**part, "title": titles.get(part["name"], part["name"])}
                for part in parts
            ]
        }

    @api.model
    def _get_health_titles(self):
        """What people call the parts of health."""
        return {
            "database": self.env._("Database"),
            "modules": self.env._("Apps"),
            "jobs": self.env._("Jobs"),
            "crons": self.env._("Scheduled actions"),
            "services": self.env._("Services"),
            "mail": self.env._("Mail"),
            "disk": self.env._("Disk"),
            "runner": self.env._("Runner"),
        }

    # -- circuits ----------------------------------------------------------------

    def _card_circuits(self, _period):
        """Services that need attention, the worst first."""
        circuits, now = self.env["steward.circuit"], fields.Datetime.now()
        domain = [
            *self._get_companies_domain(),
            "|",
            ("state", "!=", "closed"),
            ("mode", "=", "forced_open"),
        ]
        found = circuits.search(domain, limit=TOP)
        total = len(found)
        if total == TOP:
            total = circuits.search_count(domain)
        states, reasons = (
            dict(circuits._fields[name]._description_selection(self.env))
            for name in ("state", "reason")
        )

        def state(circuit):
            if circuit.mode == "forced_open":
                return {"status": health.FAILED, "word": self.env._("Forced open")}
            status = health.FAILED if circuit.state == "open" else health.DEGRADED
            return {"status": status, "word": states[circuit.state]}

        return {
            "rows": [
                {
                    "id": circuit.id,
                    "name": circuit.name,
                    "state": state(circuit),
                    "reason": reasons.get(circuit.reason),
                    # later than that, whoever calls next is the trial
                    "until": circuit.open_until
                    if circuit.open_until and circuit.open_until > now
                    else None,
                    "action": self._drill("steward.action_circuits", res_id=circuit.id),
                }
                for circuit in found
            ],
            "total": total,
            "action": self._drill("steward.action_circuits", domain),
        }

    # -- jobs --------------------------------------------------------------------

    def _card_jobs(self, _period):
        """The runner, and what is not done yet."""
        # sudo: steward.status - the runner's state, as Viewers see it in health
        status, reason, facts = self.env["steward.status"].sudo()._health_jobs()
        # sudo: queue.job - numbers alone, for Viewers
        jobs = self.env["queue.job"].sudo()
        states = ["pending", "enqueued", "started", "failed"]
        counts = dict(
            jobs._read_group(
                self._jobs_domain(("state", "in", states)), ["state"], ["__count"]
            )
        )
        oldest = facts.get("oldest")

        def part(name, title, *states, **values):
            value = sum(counts.get(state, 0) for state in states)
            action = self._jobs_action(("state", "in", states))
            return {
                "name": name,
                "title": title,
                "value": value,
                "action": action,
                **values,
            }

        return {
            "parts": [
                {
                    "name": "runner",
                    "title": self.env._("Job runner"),
                    "status": status,
                    "reason": reason,
                    "action": self._drill("steward.action_job_panel")
                    if self._is_operator()
                    else None,
                },
                part(
                    "waiting",
                    self.env._("Waiting"),
                    "pending",
                    status=health.DEGRADED
                    if oldest and oldest > health.WAITS_LONG
                    else None,
                    reason=None
                    if oldest is None
                    else self.env._(
                        "The oldest was due %(ago)s.",
                        ago=self.env["steward.job.panel"]._ago(oldest),
                    ),
                ),
                part("started", self.env._("At work"), "enqueued", "started"),
                part(
                    "failed",
                    self.env._("Failed"),
                    "failed",
                    status=health.DEGRADED if counts.get("failed") else None,
                ),
            ]
        }

    def _card_jobs_done(self, period):
        value, before = self._jobs_summary(SQL("count(*)"), period)
        return {
            "value": value,
            "before": before,
            "action": self._jobs_done_action(period),
        }

    def _card_job_time(self, period):
        value, before = self._jobs_summary(SQL("avg(exec_time)"), period)
        return {
            "value": value,
            "before": before,
            "action": self._jobs_done_action(period),
        }

    def _card_jobs_finished(self, period):
        """How many jobs ended well and badly, step by step."""
        kept_since = self._jobs_kept_since(period)
        counts = {"done": {}, "failed": {}}
        for state, step, count in self.env.execute_query(
            SQL(
                """
                SELECT state, date_bin(%(step)s, date_done, %(start)s), count(*)
                  FROM queue_job
                 WHERE state = 'done' AND date_done >= %(start)s
                   AND date_done < %(end)s AND %(companies)s
                 GROUP BY 1, 2
                 UNION ALL
                SELECT state, date_bin(%(step)s, ended, %(start)s), count(*)
                  FROM (SELECT *, coalesce(
                                   date_started, date_enqueued, date_created) AS ended
                          FROM queue_job WHERE state = 'failed') AS failed
                 WHERE ended >= %(start)s AND ended < %(end)s AND %(companies)s
                 GROUP BY 1, 2
                """,
                step=period.step,
                start=period.start,
                end=period.end,
                companies=self._jobs_companies(),
            )
        ):
            counts[state][step] = count
        steps = period.edges()

        def values(state):
            # no job in a step that we remember: none; in another: not known
            return [
                counts[state].get(step, 0 if step >= kept_since else None)
                for step in steps
            ]

        return {
            "labels": steps,
            "series": [
                {
                    "name": self.env._("Done"),
                    "status": health.OK,
                    "values": values("done"),
                },
                {
                    "name": self.env._("Failed"),
                    "status": health.FAILED,
                    "values": values("failed"),
                },
            ],
            "action": self._jobs_action(("state", "in", ["done", "failed"])),
        }

    def _jobs_summary(self, what, period):
        """Something about the jobs done in a period and before; None if not known."""
        kept_since = self._jobs_kept_since(period)
        before = period.before
        [(value, value_before)] = self.env.execute_query(
            SQL(
                """
                SELECT %(what)s FILTER (WHERE date_done >= %(start)s),
                       %(what)s FILTER (WHERE date_done < %(start)s)
                  FROM queue_job
                 WHERE state = 'done' AND date_done >= %(before)s
                   AND date_done < %(end)s AND %(companies)s
                """,
                what=what,
                before=before.start,
                start=period.start,
                end=period.end,
                companies=self._jobs_companies(),
            )
        )
        return (
            value if period.start >= kept_since else None,
            value_before if before.start >= kept_since else None,
        )

    def _jobs_kept_since(self, period):
        """Jobs that were done before are forgotten; give or take a step."""
        # sudo: queue.job.channel - how long jobs are kept
        channels = self.env["queue.job.channel"].sudo()
        [(days,)] = channels._read_group([], [], ["removal_interval:min"])
        return fields.Datetime.now() - timedelta(days=days or 0) - period.step

    def _jobs_companies(self):
        return SQL(
            "(company_id IS NULL OR company_id = ANY(%s))", self.env.companies.ids
        )

    def _jobs_domain(self, *conditions):
        return [*self._get_companies_domain(), *conditions]

    def _jobs_action(self, *conditions):
        """The jobs behind a number, for those who may read jobs."""
        if not self._is_operator():
            return None
        return self._drill("steward.action_jobs", self._jobs_domain(*conditions))

    def _jobs_done_action(self, period):
        return self._jobs_action(
            ("state", "=", "done"),
            ("date_done", ">=", period.start),
            ("date_done", "<", period.end),
        )

    def _is_operator(self):
        return self.env["queue.job"].has_access("read")

    # -- news ----------------------------------------------------------------------

    @api.model
    def _touch(self, companies=None) -> None:
        """Tell open dashboards that there is something new, once this is committed.

        Cheap enough to be called with each change: at most one message every two
        seconds goes to the dashboards of a company, from all workers together. A
        dashboard looks after that time, so it sees also what came without a message.

        :param companies: whose news it is; none: everybody's
        """
        postcommit = self.env.cr.postcommit
        if NEWS not in postcommit.data:
            postcommit.data[NEWS] = set()
            postcommit.add(lambda: self._tell(postcommit.data.pop(NEWS)))
        postcommit.data[NEWS].update(
            (record._name, record.id) for record in companies or self._get_everybody()
        )

    @api.model
    def _get_everybody(self):
        """Whose channel carries the news that belong to no company."""
        return self.env.ref("steward.group_viewer")

    @api.model
    def _get_channels(self):
        """The channels of a user's dashboard: their companies' and everybody's."""
        if not self.env.user.has_group("steward.group_viewer"):
            return []
        companies = self.env["res.company"].browse(self.env.user._get_company_ids())
        return [
            (record, NEWS)
            for records in (self._get_everybody(), companies)
            for record in records
        ]

    @api.model
    def _tell(self, records):
        """Send the news; called after the commit, which nothing here may undo."""
        for name, record_id in sorted(records):
            key = (self.env.cr.dbname, name, record_id)
            if monotonic() - _told.get(key, -NEWS_EVERY) < NEWS_EVERY:
                continue
            try:
                with self._own_transaction() as cr:
                    # as superuser: whoever works need not read companies
                    record = self.env(cr=cr, su=True)[name].browse(record_id)
                    age = self._tell_one(record)
            except Exception:  # whatever it is, dashboards also look by themselves
                _logger.exception("could not tell dashboards of news")
                return
            if age is not None:
                _told[key] = monotonic() - age

    @api.model
    def _tell_one(self, record):
        """Send one message, unless another worker just did.

        :return: the seconds since the last message; None if one is being sent
        """
        cr = record.env.cr
        channel = json_dump(channel_with_db(cr.dbname, (record, NEWS)))
        cr.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [channel])
        if not cr.fetchone()[0]:
            return None
        cr.execute(
            """
            SELECT extract(epoch FROM clock_timestamp() AT TIME ZONE 'utc'
                           - max(create_date))::float
              FROM (SELECT channel, create_date FROM bus_bus ORDER BY id DESC LIMIT %s)
                   AS tail
             WHERE channel = %s
            """,
            [NEWS_TAIL, channel],
        )
        [age] = cr.fetchone()
        if age is not None and age < NEWS_EVERY:
            return age
        record._bus_send(NEWS, {}, subchannel=NEWS)
        return 0
