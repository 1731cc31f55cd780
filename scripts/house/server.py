"""Serve: `make run`, `make stop`, and servers for the tests from outside."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from house import files, manifests, odoo, runner
from house.cluster import Cluster, hold_up
from house.console import Problem, say, step, tail
from house.databases import Databases
from house.settings import Settings, product_addons

BOOT_TIMEOUT = 600  # seconds; a first page compiles the assets
STOP_TIMEOUT = 15  # seconds until a server that does not stop is killed


def require_port(port: int) -> None:
    """Refuse early where somebody else listens."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Problem(
                f"port {port} cannot be used: {error.strerror}",
                "end what listens there, or choose another: STEWARD_PORT=8070",
                "port",
            ) from None


class Running:
    """A server process of ours that may be alive: what ``make run`` wrote down."""

    def __init__(self, settings: Settings) -> None:
        self.path = settings.data / "server.json"
        try:
            self.facts = json.loads(files.read(self.path) or "{}")
        except ValueError:
            self.facts = {}

    def perhaps(self) -> bool:
        """May it be alive? Asked before psutil is there; a note may be stale."""
        return Path("/proc", str(self.facts.get("pid", "none"))).exists()

    def process(self, facts=None):
        """The living process, surely the one that was started; else None."""
        import psutil

        facts = self.facts if facts is None else facts
        try:
            process = psutil.Process(int(facts["pid"]))
            same = abs(process.create_time() - facts["started"]) < 2
            return process if same and process.is_running() else None
        except (KeyError, ValueError, psutil.Error):
            return None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.facts.get('port')}"


def _die_with_parent() -> None:
    """In the child: ask the kernel for SIGTERM when the parent is gone."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def start(
    settings: Settings,
    conf: Path,
    database: str,
    port: int,
    log: Path,
    *,
    users: Path | None = None,
    detach: bool = False,
    extra: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start Odoo on a database; it ends with this process unless detached.

    :param users: lock file of our own cluster, which this server then keeps up
    :param env: what its environment has besides ours
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    # a lock of its own: one inherited from us would be given up together with ours
    hold = hold_up(users) if users else None
    process = subprocess.Popen(
        [settings.odoo, "server", "-c", conf, "-d", database]
        + [f"--db-filter=^{database}$", f"--http-port={port}", *extra],
        env={**odoo.environment(settings), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=log.open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=[hold] if hold is not None else [],
        preexec_fn=None if detach else _die_with_parent,
    )
    if hold is not None:
        os.close(hold)
    return process


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object) -> None:
        return None


def wait_until_served(
    process: subprocess.Popen[bytes], port: int, log: Path, path: str = "/web/login"
) -> None:
    """Wait for a page that needs the registry; ``/web/health`` does not."""
    deadline = time.monotonic() + BOOT_TIMEOUT
    opener = urllib.request.build_opener(_NoRedirect)
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Problem(
                f"Odoo ended with code {process.returncode}, see {log}\n{tail(log)}",
                "read the lines above",
                "server",
            )
        try:
            url = f"http://127.0.0.1:{port}{path}"
            with opener.open(url, timeout=BOOT_TIMEOUT):
                return
        except urllib.error.HTTPError as error:
            # a redirect means that Odoo does not see its database
            raise Problem(
                f"{path} answers {error.code}, see {log}\n{tail(log)}",
                "read the lines above",
                "server",
            ) from None
        except OSError:
            time.sleep(0.1)
    raise Problem(f"no answer after {BOOT_TIMEOUT} s, see {log}", "", "server")


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a server and all of its group."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


# -- the verbs -----------------------------------------------------------------


def ensure_database(settings: Settings, databases: Databases) -> None:
    """The user's database is there and holds the suite as the checkout has it."""
    names, database = product_addons(), settings.database
    key = manifests.content_key(names)
    found = databases.comment(database)
    if found is None:
        with step("database") as line:
            install = [*manifests.foreign(names), *names]
            databases.build(database, key, install, demo=True, base=None)
            line.text = f"'{database}' made: {', '.join(names)}, with demo data"
    elif found == "":
        say("database", f"'{database}' was not made here: left as it is (make update)")
    elif found != key:
        update(settings, databases)


def update(settings: Settings, databases: Databases) -> None:
    """Bring the user's database to what the checkout holds."""
    names, database = product_addons(), settings.database
    with step("database") as line:
        if databases.comment(database) is None:
            raise Problem(f"there is no database '{database}'", "make run makes it")
        installed = databases.sql(
            "SELECT name FROM ir_module_module WHERE state = 'installed'", database
        )
        known = {name for (name,) in installed}
        words = []
        for flag, part in (
            ("-u", [n for n in names if n in known]),
            ("-i", [n for n in names if n not in known]),
        ):
            words += [flag, ",".join(part)] if part else []
        databases.odoo(
            database, *words, log="update", what=f"updating {', '.join(names)} failed"
        )
        databases.mark(database, manifests.content_key(names))
        line.text = f"'{database}' updated: {', '.join(names)}"


def run(settings: Settings, use_server) -> int:
    """Serve until Ctrl-C, or leave it running with DETACH=1.

    :param use_server: context manager that yields the PostgreSQL server
    """
    before = Running(settings)
    if before.process():
        say("running", f"already at {before.url} (make stop ends it)")
        return 0
    require_port(settings.port)
    began = time.monotonic()
    helper = None
    with use_server() as server:
        databases = Databases(settings, server, "run")
        ensure_database(settings, databases)
        log = settings.data / "log" / "server.log"
        with step("server") as line:
            process = start(
                settings,
                databases.conf,
                settings.database,
                settings.port,
                log,
                users=server.users,
                detach=settings.detach,
            )
            try:
                _write_down(before.path, process.pid, settings.port)
                wait_until_served(process, settings.port, log)
            except BaseException:
                end(process)
                before.path.unlink(missing_ok=True)
                raise
            line.text = "Odoo answers"
        if "steward_backup" in product_addons():
            try:
                parent = None if settings.detach else _die_with_parent
                helper = runner.start(settings, databases, parent)
            except BaseException:
                end(process)
                before.path.unlink(missing_ok=True)
                raise
            _write_down(before.path, process.pid, settings.port, helper.pid)
        _welcome(settings, log, time.monotonic() - began)
        if settings.detach:
            return 0
        try:
            code = process.wait()
            raise Problem(
                f"Odoo ended with code {code}, see {log}\n{tail(log)}", "", "server"
            )
        except KeyboardInterrupt:
            print()
            with step("stop") as line:
                _end_both(helper, process)
                line.text = "everything that was started has ended"
            return 0
        finally:
            _end_both(helper, process)
            before.path.unlink(missing_ok=True)


def _end_both(helper, process) -> None:
    if helper:
        end(helper)  # first: it hands back what it has begun
    end(process)


def _write_down(path: Path, pid: int, port: int, helper: int | None = None) -> None:
    import psutil

    facts = {"pid": pid, "port": port, "started": psutil.Process(pid).create_time()}
    if helper:
        started = psutil.Process(helper).create_time()
        facts["runner"] = {"pid": helper, "started": started}
    files.write(path, json.dumps(facts))


def _welcome(settings: Settings, log: Path, seconds: float) -> None:
    end_with = "make stop ends it" if settings.detach else "Ctrl-C ends it"
    print(
        f"\n  Steward is at http://localhost:{settings.port}"
        f"   user admin, password admin   ({seconds:.0f} s)\n"
        f"  start with the app 'Steward'; log: {log}; {end_with}\n",
        flush=True,
    )


def stop(settings: Settings) -> int:
    """End what ``make run`` started, wherever it was started."""
    with step("stop") as line:
        running = Running(settings)
        process = running.process()
        if helper := running.process(running.facts.get("runner", {})):
            _end_tree(helper)
        if process:
            _end_tree(process)
        running.path.unlink(missing_ok=True)
        if settings.server is None and settings.python.exists():
            for name in ("main", "test"):
                Cluster(settings, name, durable=name == "main").stop_if_unused()
        line.text = (
            f"server at {running.url} ended" if process else "nothing was running"
        )
    return 0


def _end_tree(process) -> None:
    import psutil

    family = [process, *process.children(recursive=True)]
    process.terminate()
    _, alive = psutil.wait_procs(family, timeout=STOP_TIMEOUT)
    for survivor in alive:
        survivor.kill()
    psutil.wait_procs(alive, timeout=STOP_TIMEOUT)
