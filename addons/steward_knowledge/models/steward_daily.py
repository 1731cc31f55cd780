from datetime import timedelta

from odoo import fields, models
from odoo.addons.steward.models.steward_daily import Later

from .steward_document_pipeline import PENDING
from .steward_harvest import UNFINISHED

KEPT = timedelta(days=180)  # that what is gone at its source stays readable
PRUNED = 1000  # documents at once
TOPICS = 5  # that are told


class StewardDaily(models.Model):
    """What is done for knowledge each night, and what is told in the morning."""

    _inherit = "steward.daily"

    def _get_parts(self):
        return {
            **super()._get_parts(),
            "harvest": (self.env._("Harvest"), self._part_harvest),
            "embed": (self.env._("Embed"), self._part_embed),
            "prune": (self.env._("Tidy up"), self._part_prune),
            "evaluate": (self.env._("Quality of search"), self._part_evaluate),
            "coverage": (self.env._("What we know"), self._part_coverage),
        }

    def _part_harvest(self, daily):
        """Harvest what is due, and wait until it is taken in."""
        self.env["steward.source"]._cron_harvest()
        harvests = self.env["steward.harvest"].search(
            [
                ("source_id.active", "=", True),
                "|",
                ("state", "in", UNFINISHED),
                ("ended_at", ">=", daily.create_date),
            ]
        )
        if any(harvest.state in UNFINISHED for harvest in harvests) or self.env[
            "steward.document"
        ].search_count([("state", "in", PENDING), ("tries", "=", 0)], limit=1):
            raise Later
        for harvest in harvests:
            told = self.env._(
                "%(name)s: %(new)s new, %(changed)s changed, %(gone)s gone,"
                " %(failed)s failed.",
                name=harvest.source_id.name,
                new=harvest.new,
                changed=harvest.changed,
                gone=harvest.gone,
                failed=harvest.failed,
            )
            yield f"{told} {harvest.reason}" if harvest.reason else told
        failed = self.env["steward.document"].search_count([("state", "=", "failed")])
        if failed:
            yield self.env._("%(count)s documents could not be read.", count=failed)

    def _part_embed(self, _daily):
        """Have all passages embedded; what cannot be is told, and not waited for."""
        spaces = self.env["steward.space"]
        waits = spaces.browse()
        for space in spaces._fed():
            missing = len(space._missing(limit=10_000))
            if missing and space.last_error:
                yield self.env._(
                    "%(name)s: %(count)s passages are missing. %(error)s",
                    name=space.name,
                    count=missing,
                    error=space.last_error,
                )
            elif missing:
                waits |= space
        if waits:
            waits._fill_later()
            raise Later

    def _part_prune(self, _daily):
        """Delete what has been gone at its source for long."""
        documents = self.env["steward.document"].with_context(active_test=False)
        old = documents.search(
            [
                ("active", "=", False),
                ("write_date", "<", fields.Datetime.now() - KEPT),
            ],
            limit=PRUNED,
        )
        if old:
            count = len(old)
            old.unlink()
            yield self.env._(
                "%(count)s documents that were gone at their source for half a year"
                " were deleted.",
                count=count,
            )

    def _part_evaluate(self, daily):
        """Ask the test questions, and compare with the last time."""
        evaluations = self.env["steward.search.evaluation"]
        if not self.env["steward.search.case"].search_count([], limit=1):
            return
        mine = evaluations.search([("create_date", ">=", daily.create_date)], limit=1)
        if not mine:
            evaluations._start()
            raise Later
        if mine.state == "running":
            raise Later
        if mine.case_count:
            yield self.env._(
                "nDCG@10 %(ndcg).2f, recall@10 %(recall).2f on %(cases)s questions.",
                ndcg=mine.ndcg,
                recall=mine.recall,
                cases=mine.case_count,
            )

    def _part_coverage(self, _daily):
        """What came in since the last round, and of what we know most."""
        documents = self.env["steward.document"]
        ready = documents.search_count([("state", "=", "ready")])
        since = fields.Datetime.now() - timedelta(days=1)
        new = documents.search_count([("create_date", ">=", since)])
        if not ready and not new:
            return
        yield self.env._(
            "%(ready)s documents can be searched; %(new)s came in since yesterday.",
            ready=ready,
            new=new,
        )
        rows = self.env["steward.topic"]._coverage()
        named = [row for row in rows if row["topic_id"]][:TOPICS]
        if named:
            yield ", ".join(f"{row['name']} {row['documents']}" for row in named)
