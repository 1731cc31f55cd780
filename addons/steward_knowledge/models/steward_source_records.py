import hashlib
from functools import partial

from odoo import SUPERUSER_ID, api, models, tools
from odoo.addons.steward.const import CHANNEL_OUTBOUND

from .steward_source_settings import RECORD_FIELDS

NOTED = "steward_knowledge_changed"  # where a transaction keeps what it changed
MOST_AT_ONCE = 500  # changed records; more are a harvest
WATCHED_FIELDS = RECORD_FIELDS | {"is_live", "active"}


class StewardSource(models.Model):
    _inherit = "steward.source"

    @api.model_create_multi
    def create(self, vals_list):
        sources = super().create(vals_list)
        sources._watch_anew()
        return sources

    def write(self, vals):
        done = super().write(vals)
        if WATCHED_FIELDS & vals.keys():
            self._watch_anew()
        return done

    def unlink(self):
        done = super().unlink()
        self.env.registry.clear_cache()
        return done

    def _watch_anew(self):
        self.flush_recordset(list(WATCHED_FIELDS - {"record_title", "record_body"}))
        self.env.registry.clear_cache()

    @api.model
    @tools.ormcache()
    def _watched(self):
        """The models of which a source wants to hear.

        In plain SQL, because this is asked in the middle of any write.
        """
        self.env.cr.execute(
            "SELECT DISTINCT record_model FROM steward_source WHERE kind = 'records'"
            " AND active AND is_live AND record_model IS NOT NULL"
        )
        return frozenset(name for (name,) in self.env.cr.fetchall())

    @api.model
    def _enqueue_changes(self, env):
        """Enqueue what this transaction changed; called when it is about to commit."""
        changed = env.cr.precommit.data.pop(NOTED, {})
        # sudo: steward.source - whoever changes records need not see sources
        sources = env["steward.source"].sudo()
        for model, ids in changed.items():
            for source in sources.search(
                [
                    ("kind", "=", "records"),
                    ("record_model", "=", model),
                    ("is_live", "=", True),
                ]
            ):
                source._enqueue_refresh(sorted(ids))

    def _enqueue_refresh(self, ids):
        if len(ids) > MOST_AT_ONCE:
            self._start()
            return
        digest = hashlib.sha256(str(ids).encode()).hexdigest()[:16]
        self.with_user(SUPERUSER_ID).with_delay(
            channel=CHANNEL_OUTBOUND,
            identity_key=f"steward.source/{self.id}/{digest}",
            description=self.env._("Changed records of %(name)s", name=self.name),
        )._refresh(ids)

    def _refresh(self, ids):
        """Bring the documents of some records up to date. A job."""
        source = self.exists()
        if not source or not source.active or source.kind != "records":
            return
        adapter = source._adapter()
        adapter.check()
        listed = adapter.listed(ids)
        keys = [f"{source.record_model},{number}" for number in ids]
        items = self.env["steward.source.item"]
        items._note(source, source.last_harvest_id, listed, again=True)
        found = items.search(
            [("source_id", "=", source.id), ("key", "in", keys)], order="id"
        )
        there = {item.key for item in listed}
        source._settle(
            {item: adapter.fetch(item) for item in found if item.key in there}
        )
        source._retire([key for key in keys if key not in there])


class Base(models.AbstractModel):
    """Every model tells what changed in it, if a source of knowledge asks.

    Where none does this costs the look into a set; recomputed fields count, too,
    because it is asked where rows are written.
    """

    _inherit = "base"

    @api.model
    def _create(self, data_list):
        records = super()._create(data_list)
        records._note_for_sources()
        return records

    def _write_multi(self, vals_list):  # pylint: disable=missing-return
        super()._write_multi(vals_list)
        self._note_for_sources()

    def unlink(self):
        self._note_for_sources()
        return super().unlink()

    def _note_for_sources(self):
        if not self.pool.ready or "steward.source" not in self.pool:
            return
        if self._name not in self.env["steward.source"]._watched():
            return
        precommit = self.env.cr.precommit
        if NOTED not in precommit.data:
            precommit.data[NOTED] = {}
            # sudo: steward.source - whoever changes records need not see sources
            env = self.sudo().env
            precommit.add(partial(env["steward.source"]._enqueue_changes, env))
        precommit.data[NOTED].setdefault(self._name, set()).update(self.ids)
