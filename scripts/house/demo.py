"""``make demo-knowledge``: a small world is harvested, and five questions are asked.

Then those of ``facts.json`` are: what agents are told has to hold the answer as well as
whole documents do, with a third of the tokens saved at least.

Nothing leaves the machine. The world is in ``demo/knowledge``: the pages of a help
site, served on loopback, and the files of a repository; the third source is the fresh
database itself. All of it is done by the addon's own code, and what is printed was
measured just then.
"""

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from house import odoo, saving
from house.console import Problem, step
from house.databases import Databases
from house.inside import test_server
from house.jobs import work_off
from house.settings import ROOT, Settings

FOLDER = ROOT / "demo" / "knowledge"
FIRST = 3  # results shown, and the ones among which the expected page must be
SITE, REPOSITORY, ITSELF = "Harbour Help", "Harbour addons", "This database"
STATES = ("ready", "duplicate", "failed")


class Question(NamedTuple):
    """What is asked, and the document that answers it."""

    query: str
    title: str
    source: str


QUESTIONS = (
    Question(
        "create sales order validation",
        "How to validate a sales order before confirmation",
        SITE,
    ),
    Question(
        "migrate from version 18 to 19",
        "Migrating a module and a database from 18 to 19",
        SITE,
    ),
    Question("send remindrs to customers who did not pay", "Invoice follow-ups", SITE),
    Question("what is owed above the credit limit", "Credit limits", REPOSITORY),
    Question("fields of res.partner.bank", "Bank Accounts (res.partner.bank)", ITSELF),
)


def knowledge(settings: Settings, folder: Path = FOLDER) -> int:
    """Harvest the world of a folder and ask; 1 when an answer is missing."""
    log = settings.data / "log" / "demo-knowledge.log"
    with world(settings, log, folder) as (env, seconds):
        _tell_documents(env, seconds)
        missing = _ask(env)
        known = saving.compare(saving.cases(folder), *saving.ways(env))
        print(f"  context    {known}", flush=True)
    bad = odoo.complaints(log.read_text().splitlines()) if log.exists() else []
    if bad:
        lines = "\n".join(f"    {line}" for line in bad[:8])
        raise Problem(f"Odoo complained, see {log}\n{lines}", "", "demo")
    for question in missing:
        print(f"  MISSING    {question.query!r} did not lead to {question.title!r}")
    for lost in known.lost:
        print(f"  LOST       {lost!r} is answered by whole documents only")
    return 1 if missing or not known.is_enough() else 0


@contextmanager
def world(
    settings: Settings, log: Path, folder: Path = FOLDER
) -> Iterator[tuple[Any, dict[str, float]]]:
    """A database with the world of a folder; and the seconds of each harvest."""
    log.unlink(missing_ok=True)
    with test_server(settings) as server:
        databases = Databases(settings, server, "test")
        template = databases.template(["steward_knowledge"])
        with (
            databases.clone(template, "demo") as database,
            _environment(databases, database, log) as env,
            _served(folder / "site") as address,
            _repository(folder / "repository") as repository,
        ):
            _prepare(env, repository)
            yield env, _harvest(env, address, repository)


@contextmanager
def _environment(databases: Databases, database: str, log: Path) -> Iterator[Any]:
    import odoo.sql_db
    from odoo import SUPERUSER_ID, api
    from odoo.modules.registry import Registry
    from odoo.tools import config

    options = ["-c", str(databases.conf), "-d", database, f"--logfile={log}"]
    config.parse_config([*options, "--log-level=warn"], setup_logging=True)
    with Registry(database).cursor() as cr:
        yield api.Environment(cr, SUPERUSER_ID, {})
        cr.rollback()
    Registry.delete(database)
    odoo.sql_db.close_db(database)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """A site of files on loopback; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    handler = partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _repository(files: Path) -> Iterator[Path]:
    """The files as a git repository of one commit."""
    with TemporaryDirectory(prefix="steward-demo-") as place:
        folder = Path(place, "addons")
        shutil.copytree(files, folder)
        git = ["git", "-C", str(folder)]
        author = ["-c", "user.name=Harbour", "-c", "user.email=demo@example.com"]
        for words in (
            ["init", "--quiet", "--initial-branch=19.0"],
            ["add", "--all"],
            [*author, "commit", "--quiet", "--no-gpg-sign", "-m", "The demo's files"],
        ):
            subprocess.run([*git, *words], check=True, capture_output=True)
        yield folder


def _prepare(env: Any, repository: Path) -> None:
    """What an administrator allows; and the jobs that the installation left."""
    with step("embedder") as line:
        params = env["ir.config_parameter"]
        params.set_param("steward.http.allowed_networks", "127.0.0.1")
        params.set_param("steward.knowledge.folders", str(repository.parent))
        work_off(env)
        space = env["steward.space"]._active()
        line.text = space.name or "none: words alone"


def _harvest(env: Any, address: str, repository: Path) -> dict[str, float]:
    """Make the sources and harvest them; returns the seconds of each by its name."""
    quick = {"requests_per_minute": 60_000}
    sources = env["steward.source"].create(
        [
            {"name": SITE, "kind": "website", "url": address, **quick},
            {"name": REPOSITORY, "kind": "git", "url": str(repository)},
            {
                "name": ITSELF,
                "kind": "structure",
                "page_limit": 20_000,
                "with_views": False,  # half of it all, and no question needs them
            },
        ]
    )
    taken = {}
    for source in sources:
        with step("harvest") as line:
            began = time.monotonic()
            harvest = source._start()
            work_off(env)
            taken[source.name] = time.monotonic() - began
            line.text = f"{source.name}: {harvest.found} found, {harvest.new} new"
            if harvest.state != "done":
                reason = harvest.reason or harvest.state
                raise Problem(f"{source.name} was not harvested: {reason}")
    return taken


def _tell_documents(env: Any, seconds: dict[str, float]) -> None:
    env.cr.execute(
        "SELECT s.name, d.state, count(*) FROM steward_document d"
        " JOIN steward_source s ON s.id = d.source_id WHERE d.active"
        " GROUP BY s.name, d.state"
    )
    counts = {(name, state): count for name, state, count in env.cr.fetchall()}
    states = [*STATES, *sorted({state for _name, state in counts} - set(STATES))]
    labels = dict(env["steward.document"]._fields["state"].selection)
    head = "".join(f"{labels[state]:>14}" for state in states)
    print(f"\n  {'source':<20}{head}{'seconds':>10}")
    for name, taken in seconds.items():
        row = "".join(f"{counts.get((name, state), 0):>14}" for state in states)
        print(f"  {name:<20}{row}{taken:>10.1f}")


def _ask(env: Any) -> list[Question]:
    """Print what is found; returns the questions whose answer is not."""
    documents = env["steward.document"].with_user(env.ref("base.user_admin"))
    missing = []
    for number, question in enumerate(QUESTIONS, 1):
        began = time.monotonic()
        found = documents.find(question.query, limit=FIRST, explain=True)
        milliseconds = (time.monotonic() - began) * 1000
        print(f"\n  {number}. {question.query}  ({milliseconds:.0f} ms)")
        for row in found:
            print(f"     {row['score']:.2f}  {row['title']} — {row['source']}")
            print(f"           {_why(row['why'])}")
        answers = [(row["title"], row["source"]) for row in found]
        if (question.title, question.source) not in answers:
            missing.append(question)
    print(flush=True)
    env.cr.rollback()  # the log of these searches
    return missing


def _why(why: dict[str, Any]) -> str:
    """What made it a result, in a line."""
    parts = [
        f"{part}: {', '.join(words)}" for part, words in why.get("words", {}).items()
    ]
    parts.append(f"words {why['word_score']:.2f}")
    if "similarity" in why:
        parts.append(f"meaning {why['similarity']:.2f}")
    return "; ".join(parts)
