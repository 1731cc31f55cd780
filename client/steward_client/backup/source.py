"""What a database holds, told by itself: the same questions for source and copy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from psycopg2 import sql

from ..runner.postgres import PROVIDER, Connection

SAMPLED_TABLES = 40  # the largest ones
SAMPLED_ROWS = 200  # the first and the last of each
_USER_SCHEMAS = """n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname !~ '^pg_(toast|temp)' AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.objid = {oid} AND d.deptype = 'e')"""

_COUNTS = {
    "tables": "SELECT count(*) FROM pg_class c JOIN pg_namespace n"
    " ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND {c}",
    "indexes": "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {i}",
    # 'n', not null, is counted from PostgreSQL 18 on only
    "constraints": "SELECT count(*) FROM pg_constraint k JOIN pg_namespace n"
    " ON n.oid = k.connamespace WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND {k}",
    "sequences": "SELECT count(*) FROM pg_class c JOIN pg_namespace n"
    " ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND {c}",
    "views": "SELECT count(*) FROM pg_class c JOIN pg_namespace n"
    " ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND {c}",
    "functions": "SELECT count(*) FROM pg_proc p JOIN pg_namespace n"
    " ON n.oid = p.pronamespace WHERE {p}",
    "triggers": "SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND {c}",
}
_OIDS = {"c": "c.oid", "k": "k.conrelid", "p": "p.oid", "i": "i.indrelid"}
_TABLES = """
    SELECT n.nspname, c.relname, pg_relation_size(c.oid),
           (SELECT a.attname FROM pg_index i JOIN pg_attribute a
                ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND {c} ORDER BY n.nspname, c.relname"""


class Source:
    """A database seen through one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def rows(self, query: str | sql.Composable, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())

    def has(self, table: str) -> bool:
        """Is there a table of this name?"""
        return bool(self.rows("SELECT to_regclass(%s)", f'"{table}"')[0][0])

    def facts(
        self, check: Callable[[float], None], sampled: Collection[str] | None = None
    ) -> dict[str, Any]:
        """Counts and sums that a copy must have as well.

        :param check: told the share that is done
        :param sampled: the tables to look into, else the largest
        """
        tables = self.rows(_filled(_TABLES))
        counts = {}
        for number, (schema, table, _size, _key) in enumerate(tables):
            name = sql.Identifier(schema, table)
            query = sql.SQL("SELECT count(*) FROM ONLY {}").format(name)
            counts[_label(schema, table)] = self.rows(query)[0][0]
            check(number / len(tables))
        objects = {name: self.rows(_filled(q))[0][0] for name, q in _COUNTS.items()}
        return {
            "rows": counts,
            "objects": objects,
            "samples": self._samples(tables, sampled),
            "modules": self.modules(),
        }

    def modules(self) -> dict[str, str]:
        """Odoo's installed modules and their versions; none where there is no Odoo."""
        if not self.has("ir_module_module"):
            return {}
        return dict(
            self.rows(
                "SELECT name, coalesce(latest_version, '') FROM ir_module_module"
                " WHERE state IN ('installed', 'to upgrade', 'to remove') ORDER BY name"
            )
        )

    def _samples(
        self, tables: list[tuple[Any, ...]], sampled: Collection[str] | None
    ) -> dict[str, str]:
        chosen = sorted((t for t in tables if t[3]), key=lambda t: -t[2])
        if sampled is None:
            chosen = chosen[:SAMPLED_TABLES]
        else:
            chosen = [t for t in chosen if _label(t[0], t[1]) in sampled]
        found = {}
        for schema, table, _size, key in chosen:
            query = sql.SQL(
                "SELECT md5(string_agg(line, '|' ORDER BY line)) FROM ("
                "(SELECT md5(t::text) AS line FROM {t} t ORDER BY {k} LIMIT {n})"
                " UNION ALL"
                " (SELECT md5(t::text) FROM {t} t ORDER BY {k} DESC LIMIT {n})) s"
            ).format(
                t=sql.Identifier(schema, table),
                k=sql.Identifier(key),
                n=sql.Literal(SAMPLED_ROWS),
            )
            found[_label(schema, table)] = self.rows(query)[0][0] or ""
        return found

    def identity(self) -> dict[str, Any]:
        """Which database it is, and how it is set up."""
        [(name, encoding, collate, ctype, provider)] = self.rows(
            "SELECT datname, pg_encoding_to_char(encoding), datcollate, datctype,"  # noqa: S608 - a constant
            f" {PROVIDER} FROM pg_database d WHERE datname = current_database()"
        )
        version = int(self.rows("SHOW server_version_num")[0][0])
        icu = ""
        if provider in ("i", "b"):
            column = "datlocale" if version >= 170000 else "daticulocale"
            icu = self.rows(
                f"SELECT {column} FROM pg_database WHERE datname = current_database()"  # noqa: S608
            )[0][0]
        extensions = self.rows(
            "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
        )
        return {
            "name": name,
            "uuid": self.parameter("database.uuid"),
            "postgresql": version // 10000,
            "server_version": self.rows("SHOW server_version")[0][0],
            "odoo": self.odoo_version(),
            "extensions": [name for (name,) in extensions],
            "locale": {
                "encoding": encoding,
                "collate": collate,
                "ctype": ctype,
                "provider": provider,
                "icu": icu or "",
            },
        }

    def parameter(self, key: str) -> str:
        """A system parameter of Odoo, empty where there is none."""
        if not self.has("ir_config_parameter"):
            return ""
        rows = self.rows("SELECT value FROM ir_config_parameter WHERE key = %s", key)
        return str(rows[0][0] or "") if rows else ""

    def odoo_version(self) -> str:
        """The version of its base module."""
        return self.modules().get("base", "")


def _filled(query: str) -> str:
    """A query of ours with its conditions; nothing of it comes from outside."""
    parts = {key: _USER_SCHEMAS.format(oid=oid) for key, oid in _OIDS.items()}
    return query.format(**parts)


def _label(schema: str, table: str) -> str:
    return table if schema == "public" else f"{schema}.{table}"


def differences(
    expected: dict[str, Any], found: dict[str, Any]
) -> list[tuple[str, Any, Any]]:
    """Where a copy is not like its source: what, expected, found.

    >>> differences({"rows": {"a": 1, "b": 2}}, {"rows": {"a": 1, "b": 3, "c": 0}})
    [('rows b', 2, 3), ('rows c', None, 0)]
    """
    return [
        (f"{kind} {name}", values.get(name), found.get(kind, {}).get(name))
        for kind, values in expected.items()
        for name in sorted({*values, *found.get(kind, {})})
        if values.get(name) != found.get(kind, {}).get(name)
    ]
