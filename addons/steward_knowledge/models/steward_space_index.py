import logging
from contextlib import closing, suppress
from typing import NamedTuple

import psycopg2

from odoo import api, models
from odoo.addons.steward.const import CHANNEL_HEAVY
from odoo.addons.steward.exceptions import Locked
from odoo.sql_db import connection_info_for
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

INDEX_FROM = 20_000  # vectors; to compare fewer one by one takes a few milliseconds
M, EF_CONSTRUCTION = 16, 200
MEMORY = "1024MB"  # while building; with too little, it takes four times as long
BUILD_LOCK = 0x5354564C  # the first half of an advisory lock, the second is the space
PREFIX = "steward_vector_space_"


class Index(NamedTuple):
    """What the database knows of an index.

    :param pid: of the process that builds it now
    """

    valid: bool
    size: int
    pid: int | None = None
    done: int | None = None
    total: int | None = None


class StewardSpace(models.Model):
    """Each space has an index of its own: partial, and on an expression of its size."""

    _inherit = "steward.space"

    def _index_name(self):
        # nobody takes an index of the one kind for one of the other
        return f"{PREFIX}{self.id}_{self.quantization}"

    def _index_definition(self):
        """What follows CREATE INDEX; the casts are those of `steward_space_search`."""
        size = SQL(str(int(self.dimensions)))
        expression = SQL("(embedding::halfvec(%s)) halfvec_ip_ops", size)
        if self.quantization == "binary":
            expression = SQL(
                "(binary_quantize(embedding::halfvec(%s))::bit(%s)) bit_hamming_ops",
                *(size, size),
            )
        return SQL(
            "%s ON steward_vector USING hnsw (%s)"
            " WITH (m = %s, ef_construction = %s) WHERE space_id = %s",
            SQL.identifier(self._index_name()),
            expression,
            SQL(str(M)),
            SQL(str(EF_CONSTRUCTION)),
            SQL(str(int(self.id))),
        )

    @api.model
    def _indexes(self):
        """The indexes of all spaces, by name."""
        self.env.cr.execute(
            """
            SELECT c.relname, i.indisvalid, pg_relation_size(c.oid), p.pid,
                   p.tuples_done, p.tuples_total
              FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         LEFT JOIN pg_stat_progress_create_index p ON p.index_relid = c.oid
             WHERE i.indrelid = 'steward_vector'::regclass
               AND starts_with(c.relname, %s)
            """,
            [PREFIX],
        )
        return {name: Index(*facts) for name, *facts in self.env.cr.fetchall()}

    # -- building ----------------------------------------------------------------

    def _vector_counts(self):
        """How many vectors each space has, by its id."""
        self.env.cr.execute(
            "SELECT space_id, count(*) FROM steward_vector GROUP BY space_id"
        )
        return dict(self.env.cr.fetchall())

    def _index_later(self):
        """Have an index built where there are enough vectors and none yet."""
        counts, indexes = self._vector_counts(), self._indexes()
        for space in self:
            index = indexes.get(space._index_name())
            is_there = bool(index and index.valid)
            if is_there != space.has_index:
                space._write_own({"has_index": is_there})
            if is_there or counts.get(space.id, 0) < INDEX_FROM:
                continue
            space.with_delay(
                channel=CHANNEL_HEAVY,
                description=self.env._(
                    "Build the index of %(space)s", space=space.name
                ),
                identity_key=f"steward.space/{space.id}/index",
            )._job_index()

    def _job_index(self):
        """Build the index once this job's transaction has ended.

        CREATE INDEX CONCURRENTLY waits for all transactions that began before it, so
        it would wait for this one forever. What it leaves behind when it is killed is
        found by `_cron_tend`.
        """
        if not self.exists() or self.is_paused:
            return
        self.env.flush_all()
        name, definition = self._index_name(), self._index_definition()
        self.env.cr.postcommit.add(lambda: self._build(name, definition))

    def _build(self, name, definition):
        """Build an index, unless somebody is at it; on a connection of its own.

        Must not touch ``self.env.cr``: the least query would begin a transaction.
        """
        try:
            with closing(self._autocommitting()) as connection:
                built = _built(connection.cursor(), self.id, name, definition)
        except psycopg2.errors.QueryCanceled:
            _logger.info("the index %s was stopped", name)
            return
        except psycopg2.Error as error:
            _logger.warning("the index %s could not be built: %s", name, error)
            return
        if built:
            # somebody holds the row: `_cron_tend` finds the index
            with suppress(Locked), self._own_transaction() as cr:
                own = self.with_env(self.env(cr=cr)).exists()
                own._write_own({"has_index": True})

    @api.model
    def _autocommitting(self):
        """A connection for what PostgreSQL refuses within a transaction.

        The one place of this kind, for CREATE and DROP INDEX CONCURRENTLY alone: Odoo's
        cursors always have a transaction, and a lock of an ordinary CREATE INDEX would
        keep all documents waiting for as long as it takes.
        """
        _name, settings = connection_info_for(self.env.cr.dbname)
        connection = psycopg2.connect(**settings)
        connection.autocommit = True
        return connection

    def _drop_concurrently(self):
        """Drop the index once this transaction has ended."""
        name = self._index_name()
        self._write_own({"has_index": False})

        def drop():
            with closing(self._autocommitting()) as connection:
                connection.cursor().execute(_drop(name))

        self.env.cr.postcommit.add(drop)

    def _stop_build(self):
        """End the build that is under way, if there is one."""
        indexes = self._indexes()
        for space in self:
            index = indexes.get(space._index_name())
            if index and index.pid:
                self.env.cr.execute("SELECT pg_cancel_backend(%s)", [index.pid])

    def _drop_indexes(self):
        """Drop indexes with their spaces, in this transaction."""
        if not self._available():
            return
        self._stop_build()
        for space in self:
            self.env.cr.execute(
                SQL("DROP INDEX IF EXISTS %s", SQL.identifier(space._index_name()))
            )


def _drop(name):
    return f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"'


def _built(cr, space, name, definition):
    """Build an index, and say whether it is there; only one process does."""
    cr.execute("SELECT pg_try_advisory_lock(%s, %s)", [BUILD_LOCK, space])
    if not cr.fetchone()[0]:
        return False
    # left behind by a process that was killed
    cr.execute(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name]
    )
    found = cr.fetchone()
    if found and found[0]:
        return True
    if found:
        cr.execute(_drop(name))
    cr.execute("SELECT set_config('maintenance_work_mem', %s, false)", [MEMORY])
    create = SQL("CREATE INDEX CONCURRENTLY %s", definition)
    try:
        cr.execute(create.code, create.params)
    except (psycopg2.errors.DiskFull, psycopg2.errors.OutOfMemory):
        # a container's shared memory is small, and processes that build together use it
        cr.execute(_drop(name))
        cr.execute("SET max_parallel_maintenance_workers = 0")
        cr.execute(create.code, create.params)
    # a planner that does not know yet how many they are would pass the index by
    cr.execute("ANALYZE steward_vector")
    return True
