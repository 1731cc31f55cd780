from functools import cache, partial

from odoo import api, models
from odoo.addons.steward.kernel import health
from odoo.addons.steward.models.steward_dashboard import TOP
from odoo.tools import SQL

from .steward_search_report import COLUMNS, NORMALISED

UNDER_WAY = ("fetched", "extracted", "understood", "chunked")
TROUBLED = {"failed": health.FAILED, "partial": health.DEGRADED}  # of sources


class StewardDashboard(models.AbstractModel):
    _inherit = "steward.dashboard"

    @api.model
    def _get_cards(self):
        # several cards show the same figures: they are added up once for each answer
        searches = cache(self._search_figures)
        return {
            **super()._get_cards(),
            "documents": self._card_documents,
            "documents_by_source": self._card_documents_by_source,
            "documents_by_topic": self._card_documents_by_topic,
            "documents_added": self._card_documents_added,
            "searches": partial(self._card_searches, searches, "searches"),
            "search_typical": partial(self._card_searches, searches, "p50"),
            "search_slow": partial(self._card_searches, searches, "p95"),
            "search_useful": partial(self._card_searches, searches, "useful"),
            "search_zero": self._card_search_zero,
            "harvest_failures": self._card_harvest_failures,
            "embedding_known": self._card_embedding_known,
            "embedding_cost": self._card_embedding_cost,
        }

    # -- documents -------------------------------------------------------------------

    def _card_documents(self, _period):
        """How far documents are, as far as the user may read them."""
        counts = dict(
            self.env["steward.document"]._read_group(
                self._get_companies_domain(), ["state"], ["__count"]
            )
        )

        def part(name, title, *states, status=None):
            value = sum(counts.get(state, 0) for state in states)
            return {
                "name": name,
                "title": title,
                "value": value,
                "status": status if value else None,
                "action": self._documents_action(("state", "in", states)),
            }

        return {
            "parts": [
                part("ready", self.env._("Searchable"), "ready"),
                part("under_way", self.env._("Under way"), *UNDER_WAY),
                part("duplicate", self.env._("Duplicates"), "duplicate"),
                part("failed", self.env._("Failed"), "failed", status=health.DEGRADED),
            ]
            if counts
            else [],
            "action": self._documents_action(),
        }

    @api.model
    def _get_health_titles(self):
        return super()._get_health_titles() | {"vectors": self.env._("Search")}

    def _card_documents_by_source(self, _period):
        """The largest sources."""
        groups = self.env["steward.document"]._read_group(
            self._get_companies_domain(),
            ["source_id"],
            ["__count"],
            order="__count desc",
        )
        return {
            "rows": [
                {
                    "id": source.id,
                    "name": source.name,
                    "documents": count,
                    "action": self._drill(
                        "steward_knowledge.action_source", res_id=source.id
                    ),
                }
                for source, count in groups[:TOP]
            ],
            "total": len(groups),
            "action": self._drill(
                "steward_knowledge.action_source", self._get_companies_domain()
            ),
        }

    def _card_documents_by_topic(self, _period):
        """What the documents are about; what is about nothing known stays out."""
        groups = self.env["steward.document"]._read_group(
            [*self._get_companies_domain(), ("topic_id", "!=", False)],
            ["topic_id"],
            ["__count"],
            order="__count desc",
        )
        return {
            "rows": [
                {
                    "id": topic.id,
                    "name": topic.display_name,
                    "documents": count,
                    "action": self._documents_action(("topic_id", "=", topic.id)),
                }
                for topic, count in groups[:TOP]
            ],
            "total": len(groups),
            "action": self._documents_action(("topic_id", "!=", False)),
        }

    def _card_documents_added(self, period):
        documents = self.env["steward.document"]
        added = [
            *self._get_companies_domain(),
            ("create_date", ">=", period.start),
            ("create_date", "<", period.end),
        ]
        counts = dict(
            self.env.execute_query(
                SQL(
                    "SELECT date_bin(%s, create_date, %s), count(*)"
                    " FROM steward_document WHERE id IN %s GROUP BY 1",
                    period.step,
                    period.start,
                    documents._search(added, active_test=False).subselect(),
                )
            )
        )
        edges = period.edges()
        return {
            "labels": edges,
            "series": [
                {
                    "name": self.env._("Added"),
                    "values": [counts.get(edge, 0) for edge in edges],
                }
            ],
            "action": self._drill("steward_knowledge.action_document", added),
        }

    @api.model
    def _documents_action(self, *conditions):
        return self._drill(
            "steward_knowledge.action_document",
            [*self._get_companies_domain(), *conditions],
        )

    # -- searches --------------------------------------------------------------------

    @api.model
    def _search_figures(self, period):
        """Numbers of searches in a period and before: (now, before) by name."""
        before = period.before
        self.env["steward.search.log"].flush_model(COLUMNS)
        rows = self.env.execute_query(
            SQL(
                """
                SELECT date >= %(start)s, count(*)::int,
                       percentile_cont(0.5) WITHIN GROUP (ORDER BY took_ms),
                       percentile_cont(0.95) WITHIN GROUP (ORDER BY took_ms),
                       100.0 * count(*) FILTER (WHERE verdict = 'useful')
                           / NULLIF(count(verdict), 0)
                  FROM steward_search_log
                 WHERE date >= %(before)s AND date < %(end)s
                   AND %(companies)s
              GROUP BY 1
                """,
                start=period.start,
                before=before.start,
                end=period.end,
                companies=self._companies_sql(),
            )
        )
        names = ("searches", "p50", "p95", "useful")
        found = {is_now: dict(zip(names, row, strict=True)) for is_now, *row in rows}
        return found.get(True, {}), found.get(False, {})

    @api.model
    def _companies_sql(self):
        return SQL(
            "(company_id IS NULL OR company_id = ANY(%s))", self.env.companies.ids
        )

    def _card_searches(self, look, name, period):
        now, before = look(period)
        none = 0 if name == "searches" else None  # of no searches, none was slow
        return {
            "value": now.get(name, none),
            "before": before.get(name, none),
            "action": self._drill(
                "steward_knowledge.action_search_days",
                [
                    *self._get_companies_domain(),
                    ("day", ">=", period.start.date()),
                    ("day", "<=", period.end.date()),
                ],
            ),
        }

    def _card_search_zero(self, period):
        """What people asked most often in the period and nothing was found for."""
        if not self._is_operator():
            return {"rows": [], "total": 0}  # others' words are not for everybody
        self.env["steward.search.log"].flush_model(COLUMNS)
        rows = self.env.execute_query(
            SQL(
                """
                SELECT max(id), %(question)s, count(*)::int, max(date),
                       count(*) OVER ()::int
                  FROM steward_search_log
                 WHERE empty AND date >= %(start)s AND date < %(end)s
                   AND %(companies)s
              GROUP BY 2 ORDER BY 3 DESC, 4 DESC LIMIT %(top)s
                """,
                question=NORMALISED,
                start=period.start,
                end=period.end,
                companies=self._companies_sql(),
                top=TOP,
            )
        )
        found = [*self._get_companies_domain(), ("zero_times", ">", 0)]
        return {
            "rows": [
                {
                    "id": identity,
                    "question": question,
                    "times": times,
                    "last": last,
                    "action": self._drill(
                        "steward_knowledge.action_search_questions",
                        [*self._get_companies_domain(), ("name", "=", question)],
                    ),
                }
                for identity, question, times, last, _total in rows
            ],
            "total": rows[0][-1] if rows else 0,
            "action": self._drill("steward_knowledge.action_search_questions", found),
        }

    # -- harvests and embeddings -------------------------------------------------------

    def _card_harvest_failures(self, _period):
        """Sources whose last harvest failed, or parts of it."""
        sources = self.env["steward.source"]
        domain = [*self._get_companies_domain(), ("state", "in", list(TROUBLED))]
        found = sources.search(domain, order="state, id", limit=TOP)
        words = dict(sources._fields["state"]._description_selection(self.env))
        return {
            "rows": [
                {
                    "id": source.id,
                    "name": source.name,
                    "state": {
                        "status": TROUBLED[source.state],
                        "word": words[source.state],
                    },
                    "reason": source.last_reason or None,
                    "last": source.last_at or None,
                    "action": self._drill(
                        "steward_knowledge.action_source", res_id=source.id
                    ),
                }
                for source in found
            ],
            "total": len(found) if len(found) < TOP else sources.search_count(domain),
            "action": self._drill("steward_knowledge.action_source", domain),
        }

    def _card_embedding_known(self, period):
        """How many of the vectors that were wanted the cache knew already."""
        hits, misses = self._embedding_days(period)
        hits_before, misses_before = self._embedding_days(period.before)

        def share(hits, misses):
            return 100 * hits / (hits + misses) if hits + misses else None

        return {
            "value": share(hits, misses),
            "before": share(hits_before, misses_before),
            "action": self._drill("steward_llm.action_embedding_days"),
        }

    def _embedding_days(self, period):
        [(hits, misses)] = self.env["steward.embedding.day"]._read_group(
            [
                ("model_id.company_id", "in", [*self.env.companies.ids, False]),
                ("day", ">=", period.start.date()),
                ("day", "<=", period.end.date()),
            ],
            [],
            ["hits:sum", "misses:sum"],
        )
        return hits or 0, misses or 0

    def _card_embedding_cost(self, period):
        def spent(period):
            return [
                ("company_id", "in", self.env.companies.ids),
                ("operation", "=", "embedding"),
                ("is_current", "=", True),
                ("at", ">=", period.start),
                ("at", "<", period.end),
            ]

        usage = self.env["steward.usage"]
        [(value,)] = usage._read_group(spent(period), [], ["cost:sum"])
        [(before,)] = usage._read_group(spent(period.before), [], ["cost:sum"])
        return {
            "value": value or 0,
            "before": before or 0,
            "action": self._drill("steward_llm.action_usage", spent(period)),
        }
