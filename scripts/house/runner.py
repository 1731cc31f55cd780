"""The runner beside the server of `make run`: its backups, restores and drills."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from house import files, restic
from house.cluster import Cluster
from house.console import Problem, step
from house.databases import Databases
from house.settings import ROOT, Settings


def start(
    settings: Settings, databases: Databases, preexec: Callable[[], None] | None
) -> subprocess.Popen[bytes]:
    """Enrol it for the database, and start it.

    Its keys stay in the data folder: the same runner comes back to the same database.
    """
    home = settings.data / "runner"
    (home / "secrets").mkdir(parents=True, exist_ok=True, mode=0o700)
    config = home / "runner.toml"
    files.write(config, _settings(settings, databases, home), 0o600)
    command = [settings.python, "-m", "steward_client", "runner"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "client"),
        "STEWARD_RUNNER_CONFIG": str(config),
        # what Odoo is started with for a drill is this checkout's own
        "PATH": f"{settings.python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    with step("runner") as line:
        done = subprocess.run(
            [*command, "enrol", "--auto"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Problem(f"the runner is not enrolled: {done.stderr}", "", "runner")
        log = settings.data / "log" / "runner.log"
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=preexec,
        )
        line.text = "waits for backups and restores"
    return process


def _settings(settings: Settings, databases: Databases, home: Path) -> str:
    server = databases.server
    dsn = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "dbname": settings.database,
    }
    values = {
        "dsn": " ".join(f"{k}='{v}'" for k, v in dsn.items() if v),
        "work": str(home / "work"),
        "filestore": str(databases.filestore),
        "storages": [str(settings.data / "backups")],
        "odoo": [str(settings.odoo)],
        "odoo_conf": str(databases.conf),
        "template": server.template,
        "secrets": [str(home / "secrets")],
    }
    if found := restic.program(settings):
        values["restic"] = str(found)
    if settings.server is None:
        values["pg_bin"] = str(Cluster(settings, "main", durable=True).binaries)
    # text and lists of texts are written alike in TOML and JSON
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
