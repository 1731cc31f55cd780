from datetime import date

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Locked
from odoo.modules import module
from odoo.tools import SQL, sql

_SEEN: set[tuple] = set()  # (database, partition, True): that are there for good


class StewardPartitioned(models.AbstractModel):
    """A table partitioned by month, below an ordinary-looking model.

    Give a model ``_auto = False`` and ``_log_access = False``; it is read like any
    other and written by SQL, to ``_table``. Odoo knows no partitioned tables: it would
    make it anew at each update and leave it behind at the end. ``_table_query`` takes
    the model out of that; PostgreSQL flattens it, so that indexes and pruning work.
    What is lost: foreign keys, ``index=``, ``models.Index`` and ``Constraint``.

    The ids are what a client can carry: a sequence of 4-byte integers that starts again
    when it is used up, after 2³¹ rows. As no two rows of a month may have the same id,
    and old months are dropped, an id stands for one row while fewer rows are kept.
    """

    _name = "steward.partitioned"
    _inherit = "steward"
    _description = "Partitioned by Month"

    # name -> what follows "CREATE INDEX name ON table"; unique ones hold the period
    _partition_indexes = {}

    period = fields.Date(
        "Month",
        required=True,
        readonly=True,
        help="By the server's clock, so that nobody else's decides where a row lies.",
    )

    @property
    def _table_query(self):
        return SQL("SELECT * FROM %s", SQL.identifier(self._table))

    def init(self):
        super().init()
        if self._abstract:
            return
        cr, table = self.env.cr, SQL.identifier(self._table)
        columns = {
            field.name: SQL(
                "%s %s", SQL.identifier(field.name), SQL(field.column_type[1])
            )
            for field in self._fields.values()
            if field.name != "id" and field.store and field.column_type
        }
        if not sql.table_columns(cr, self._table):
            sequence = SQL.identifier(f"{self._table}_id_seq")
            cr.execute(SQL("CREATE SEQUENCE %s AS integer CYCLE", sequence))
            cr.execute(
                SQL(
                    "CREATE TABLE %s (id integer NOT NULL DEFAULT nextval(%s), %s,"
                    " PRIMARY KEY (id, period)) PARTITION BY RANGE (period)",
                    table,
                    f"{self._table}_id_seq",
                    SQL(", ").join(columns.values()),
                )
            )
            cr.execute(SQL("ALTER SEQUENCE %s OWNED BY %s.id", sequence, table))
        # like Odoo: columns are added, never taken away or narrowed without a migration
        for name in columns.keys() - sql.table_columns(cr, self._table).keys():
            cr.execute(SQL("ALTER TABLE %s ADD COLUMN %s", table, columns[name]))
        for field in self._fields.values():
            if field.name in columns and field.required:
                sql.set_not_null(cr, self._table, field.name)
        for name, definition in self._partition_indexes.items():
            unique = definition.startswith("UNIQUE ")
            cr.execute(
                SQL(
                    "CREATE %s INDEX IF NOT EXISTS %s ON %s %s",
                    SQL("UNIQUE") if unique else SQL(),
                    SQL.identifier(f"{self._table}_{name}"),
                    table,
                    SQL(definition.removeprefix("UNIQUE ")),
                )
            )
        self._make_partitions()

    @api.model
    def _make_partitions(self):
        """Have a place for what comes this month and the next."""
        today = fields.Date.today()
        for months in (0, 1):
            self._make_partition(today + relativedelta(months=months))

    @api.model
    def _make_partition(self, day: date) -> None:
        """Have a place for the rows of a month, without stopping readers or writers."""
        cr, first = self.env.cr, day.replace(day=1)
        part = f"{self._table}_{first:%Y%m}"
        # the current month's is never dropped: whoever saw it need not look again
        seen = (cr.dbname, part, first == fields.Date.today().replace(day=1))
        if seen in _SEEN:
            return
        if sql.table_exists(cr, part):
            if seen[-1] and not module.current_test:
                _SEEN.add(seen)
            return
        # only one makes it; the others wait for its commit, and find it
        cr.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [part])
        if sql.table_exists(cr, part):
            return
        cr.execute(
            SQL(
                "CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING STORAGE)",
                SQL.identifier(part),
                SQL.identifier(self._table),
            )
        )
        # attaching needs no exclusive lock of the whole; CREATE … PARTITION OF does
        cr.execute(
            SQL(
                "ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)",
                SQL.identifier(self._table),
                SQL.identifier(part),
                first,
                first + relativedelta(months=1),
            )
        )

    @api.model
    def _drop_partitions_before(self, day: date) -> bool:
        """Drop the months before that of a day.

        A drop locks out everybody, and while it waits for one slow reader everybody
        else waits behind it: so it waits half a second, and comes back later.

        :return: whether all are gone; if not, try again later
        """
        last = f"{self._table}_{day:%Y%m}"
        with self._own_transaction() as cr:
            cr.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits"
                " WHERE inhparent = %s::regclass",
                [self._table],
            )
            names = sorted(name for (name,) in cr.fetchall() if name < last)
        for name in names:
            try:
                with self._own_transaction() as cr:
                    cr.execute(
                        SQL("DROP TABLE %s", SQL.identifier(name)), log_exceptions=False
                    )
            except Locked:
                return False
        return True

    @api.model
    def _drop_table(self) -> None:
        """For ``uninstall_hook``: Odoo's uninstall leaves partitioned tables behind."""
        self.env.cr.execute(
            SQL("DROP TABLE IF EXISTS %s CASCADE", SQL.identifier(self._table))
        )
