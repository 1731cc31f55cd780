"""The drill: a backup restored for real, compared, made harmless, booted, used."""

from __future__ import annotations

import base64
import hashlib
import http.cookiejar
import json
import re
import secrets
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2

from ..runner.job import Job
from ..runner.postgres import HIDDEN
from ..runner.problems import Corrupt, Problem
from ..runner.processes import Program
from . import neutral
from .engine import Engine
from .filestore import database_folder
from .restoring import Copy, restored

BOOT_TIMEOUT = 600  # seconds until the page to log in must be there
ASK_TIMEOUT = 60
ROUNDS = 600_000  # as many as Odoo itself, which would compute it anew otherwise
LOG_KEPT = 64 * 1024  # bytes of a log in the evidence
_BAD = re.compile(r"^\d{4}-\d\d-\d\d \S+ \d+ (ERROR|CRITICAL) ")


def drill(job: Job, engine: Engine) -> dict[str, Any]:
    """Restore a backup where nobody sees it, and prove that Odoo works with it.

    What is not as it should be is a check that is not ok; the drill itself fails only
    when it could not be held.
    """
    wish = job.arguments
    began, evidence = time.time(), dict[str, str]()
    job.plan(
        fetch=8, restore=45, filestore=10, compare=7, neutralize=4, boot=20, login=3
    )
    manifest: dict[str, Any] = {}
    copy = Copy("", job.config.scratch, manifest)
    rto = None
    kept = ""
    with ExitStack() as stack:
        data = stack.enter_context(job.folder("data"))
        place = data / "filestore" / f"{HIDDEN}{job.short}"
        try:
            manifest = engine.manifest(wish["path"], foreign=bool(wish.get("foreign")))
            queries = stack.enter_context(neutral.asking(job, manifest))
            held = restored(job, engine, manifest, place, copy)
            stack.enter_context(held)
            job.step("neutralize")
            neutral.neutralize(job, copy.database, queries())
            neutral.rotate(job.server, copy.database)
            copy.check("neutral", True, "The copy can reach nobody.")
            _boot(job, copy, data, evidence)
            rto = time.time() - began
        except (Problem, psycopg2.Error, OSError) as error:
            stage = _stage(job, "neutralize" if manifest else "manifest")
            copy.check(stage, False, getattr(error, "sentence", str(error)))
        ok = all(check.ok for check in copy.checks)
        if wish.get("keep") and ok:
            kept = _keep(job, copy, place)
        job.step("cleanup")
    rpo = _age(manifest, began)
    evidence["checks.json"] = _text([check.as_json() for check in copy.checks])
    evidence["manifest.json"] = _text(_abridged(manifest))
    evidence["timeline.json"] = _text(job.told["steps"])
    result = {
        "ok": ok,
        "checks": [check.as_json() for check in copy.checks],
        "evidence_files": evidence,
        "seconds": round(time.time() - began, 2),
    }
    if rto is not None:
        result["rto_seconds"] = round(rto, 2)
    if rpo is not None:
        result["rpo_seconds"] = round(rpo, 2)
    if kept:
        result["kept"] = kept
    return result


def _stage(job: Job, before: str) -> str:
    """The step that goes on, or what comes before the first."""
    steps = job.told["steps"]
    return str(steps[-1]["name"]) if steps else before


def _age(manifest: dict[str, Any], now: float) -> float | None:
    """Seconds of work that would be lost: since the backup's snapshot."""
    if "snapshot_at" not in manifest:
        return None
    return now - datetime.fromisoformat(manifest["snapshot_at"]).timestamp()


def _abridged(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest without its long lists."""
    contents = manifest.get("contents") or {}
    short = {k: v for k, v in manifest.items() if k not in ("contents", "parts")}
    short["contents"] = {name: len(values) for name, values in contents.items()}
    short["parts"] = len(manifest.get("parts", []))
    return short


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


# -- Odoo on the copy ----------------------------------------------------------------


def _boot(job: Job, copy: Copy, data: Path, evidence: dict[str, str]) -> None:
    job.step("boot")
    login, password = _let_in(job, copy.database)
    log = data / "odoo.log"
    try:
        with _odoo(job, copy.database, data, log) as (program, url):
            seconds = _wait(job, program, url, log)
            copy.check(
                "boot", True, f"Odoo showed its page to log in after {seconds:.1f} s."
            )
            job.step("login")
            _log_in(copy, url, login, password)
    finally:
        if log.exists():
            data_ = log.read_bytes()[-LOG_KEPT:]
            evidence["odoo.log"] = data_.decode("utf-8", "replace").replace(
                password, "***"
            )
    bad = [line for line in evidence["odoo.log"].splitlines() if _BAD.match(line)]
    copy.check(
        "log",
        not bad,
        f"Odoo's log has {len(bad)} errors: {bad[0][:300]}"
        if bad
        else "Odoo's log has no error.",
        0,
        len(bad),
    )


def _let_in(job: Job, database: str) -> tuple[str, str]:
    """Give the administrator a password that is gone with the copy."""
    password = secrets.token_urlsafe(24)
    connection = job.server.connect(database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT u.id, u.login FROM res_users u LEFT JOIN ir_model_data d"
                " ON d.model = 'res.users' AND d.res_id = u.id AND d.module = 'base'"
                " AND d.name = 'user_admin' WHERE u.active AND u.id > 1"
                " ORDER BY d.id IS NULL, u.id LIMIT 1"
            )
            found = cursor.fetchone()
            if not found:
                raise Corrupt("The copy has no user who could log in.")
            cursor.execute(
                "UPDATE res_users SET password = %s WHERE id = %s",
                [password_hash(password), found[0]],
            )
            cursor.execute(
                "SELECT 1 FROM information_schema.columns WHERE table_name ="
                " 'res_users' AND column_name = 'totp_secret'"
            )
            if cursor.fetchone():
                cursor.execute(
                    "UPDATE res_users SET totp_secret = NULL WHERE id = %s", [found[0]]
                )
            return str(found[1]), password
    finally:
        connection.close()


def password_hash(password: str) -> str:
    """As passlib's pbkdf2_sha512, which Odoo uses, writes it.

    >>> password_hash("x").startswith("$pbkdf2-sha512$600000$")
    True
    """
    salt = secrets.token_bytes(16)
    total = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    words = (base64.b64encode(part).decode().rstrip("=") for part in (salt, total))
    return "$".join(["", "pbkdf2-sha512", str(ROUNDS), *words]).replace("+", ".")


@contextmanager
def _odoo(
    job: Job, database: str, data: Path, log: Path
) -> Iterator[tuple[Program, str]]:
    with socket.socket() as place, socket.socket() as second:
        for held in (place, second):
            # held until Odoo, which shares it, has ended: nobody else is given it
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", 0))
        with _served(job, database, data, log, place, second) as found:
            yield found


@contextmanager
def _served(
    job: Job, database: str, data: Path, log: Path, *places: socket.socket
) -> Iterator[tuple[Program, str]]:
    port, other = (place.getsockname()[1] for place in places)
    command = neutral.odoo_command(
        job.config,
        "server",
        *("-d", database, "--db-filter=", f"--data-dir={data}", "--logfile="),
        *(f"--http-port={port}", f"--gevent-port={other}", "--workers=0"),
        *("--http-interface=127.0.0.1", "--max-cron-threads=0", "--log-level=info"),
        "--smtp=invalid",
    )
    with (
        log.open("wb") as said,
        # nothing of it is kept, so it need not end in good order
        job.program(
            command, neutral.odoo_env(job.server), errors=said, grace=0
        ) as program,
    ):
        yield program, f"http://127.0.0.1:{port}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def _wait(job: Job, program: Program, url: str, log: Path) -> float:
    """Until the page to log in is there: a page that needs the whole registry."""
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    began = time.monotonic()
    while (spent := time.monotonic() - began) < BOOT_TIMEOUT:
        job.advance(min(0.9, spent / 20))
        if program.process.poll() is not None:
            last = " ".join(log.read_text("utf-8", "replace").splitlines()[-2:])
            raise Corrupt(f"Odoo ended with code {program.process.returncode}: {last}")
        try:
            with opener.open(f"{url}/web/login", timeout=ASK_TIMEOUT) as answer:
                if answer.status == 200:
                    return spent
        except urllib.error.HTTPError as error:
            raise Corrupt(f"/web/login answers {error.code}.") from None
        except OSError:
            job.sleep(0.1)
    raise Corrupt(f"Odoo was not there after {BOOT_TIMEOUT} seconds.")


def _log_in(copy: Copy, url: str, login: str, password: str) -> None:
    """Log in as people do, then read something as the web client does."""
    opener = urllib.request.build_opener(
        _NoRedirect,
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
    )

    def ask(path: str, params: dict[str, Any]) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own server
            url + path,
            data=json.dumps({"jsonrpc": "2.0", "params": params}).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with opener.open(request, timeout=ASK_TIMEOUT) as answer:
                body = json.load(answer)
        except (OSError, ValueError) as error:
            raise Corrupt(f"{path} does not answer: {error}") from None
        if "error" in body:
            facts = body["error"].get("data") or {}
            raise Corrupt(f"{path} answers: {facts.get('message') or body['error']}")
        return body.get("result")

    session = ask(
        "/web/session/authenticate",
        {"db": copy.database, "login": login, "password": password},
    )
    user = (session or {}).get("uid")
    copy.check(
        "login",
        bool(user),
        f"{login} logged in." if user else f"{login} could not log in.",
    )
    modules = copy.manifest["contents"]["modules"]
    found = ask(
        "/web/dataset/call_kw/ir.module.module/search_count",
        {
            "model": "ir.module.module",
            "method": "search_count",
            "args": [[["state", "=", "installed"]]],
            "kwargs": {},
        },
    )
    copy.check(
        "read",
        found == len(modules),
        f"Odoo sees {found} installed modules.",
        len(modules),
        found,
    )


def _keep(job: Job, copy: Copy, place: Path) -> str:
    """Leave the neutral copy, hidden, for whoever needs a fresh one of production."""
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime())
    tail = f"_drill_{stamp}"
    name: bytes = copy.manifest["database"]["name"].encode()[: 63 - len(tail)]
    target: str = name.decode("utf-8", "ignore") + tail
    with job.undisturbed():
        if place.is_dir():
            shutil.move(place, database_folder(job.config.filestore, target))
        job.server.rename_hidden(copy.database, target)
    return target
