"""Run the tests: all of them on both cores, or one addon's in seconds."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from house import browser, coverage_gate, files
from house.cluster import Server
from house.console import Problem, say, step
from house.databases import Databases
from house.inside import test_server
from house.odoo import write_conf
from house.settings import ADDONS, ROOT, Settings, addons, product_addons

T = TypeVar("T")

BENCHES = ROOT / "bench"
INSIDE = 2  # lanes of the addons' tests
OUTSIDE = 3  # lanes of the tests from outside, which mostly wait
# seconds of the slow files from outside, about: the lanes are to end together
SLOW = {
    "approvals": 50,
    "backups": 95,
    "budget": 35,
    "chat": 50,
    "demo": 55,
    "drill": 95,
    "engine": 65,
    "faults": 45,
    "gates": 35,
    "jobs": 30,
    "knowledge": 260,
    "ledger": 30,
    "lifecycle": 210,
    "neutralize": 60,
    "runner": 60,
    "runs": 80,
    "storages": 350,
    "takeover": 160,
}
USUAL = 15  # seconds of the others
# what a screen loads: made once, where each tour would make them anew and roll back
BUNDLES = """
for name in ("web.assets_web", "web.assets_web_print", "web.assets_unit_tests_setup"):
    bundle = env["ir.qweb"]._get_asset_bundle(name)
    bundle.css()
    bundle.js()
env["ir.qweb"]._get_asset_bundle("web.assets_unit_tests").js()
env.cr.commit()
"""
EXPORT = """
from odoo.tools.translate import trans_export
for name in {names!r}:
    with open({out!r} + "/" + name, "wb") as file:
        trans_export(None, [name], file, "po", env)
"""


def _pytest(settings: Settings, *arguments: str | Path) -> list[str]:
    plugin = ["-p", "house.gate_plugin"]
    return [str(a) for a in (settings.python, "-m", "pytest", *plugin, *arguments)]


def _env(server: Server) -> dict[str, str]:
    """The environment of a test process."""
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("PG")},
        "PYTHONPATH": str(ROOT / "scripts"),
        "ODOO_QUEUE_JOB_CHANNELS": "root:0",  # no live runner inside the tests
        "STEWARD_TEST_SERVER": json.dumps(server.conf),
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
    }


def _addons_command(settings: Settings, conf: Path, *arguments: str) -> list[str]:
    return _pytest(
        settings,
        f"--odoo-config={conf}",
        *("--odoo-http", "--odoo-log-level=warn"),
        *arguments,
    )


def _conf(settings: Settings, server: Server, database: str) -> Path:
    """The configuration of one test process on its own database."""
    values = {
        "db_name": database,
        "dbfilter": f"^{database}$",
        "log_level": "warn",
        "limit_memory_hard": "0",  # of one worker; a lane's tests share a process
    }
    return write_conf(
        settings,
        "test",
        server,
        values,
        file=f"test-{database}",
    )


def fast(settings: Settings, targets: Sequence[str]) -> int:
    """The tests of one addon, folder or file."""
    target = next((t for t in targets if t), "")
    if not target:
        raise Problem(
            "which tests?", f"make fast t=<{'|'.join(addons())}|a file>", "fast"
        )
    path = ADDONS / target if (ADDONS / target).is_dir() else ROOT / target
    if not path.exists():
        raise Problem(f"there is no addon and no file {target}", "", "fast")
    browser.ensure(settings)
    with test_server(settings) as server:
        env = _env(server)
        if not path.is_relative_to(ADDONS):
            command = _pytest(settings, "-p", "no:odoo", path)
            return subprocess.run(command, env=env, cwd=ROOT, check=False).returncode
        addon = path.relative_to(ADDONS).parts[0]
        databases = Databases(settings, server, "test")
        with databases.clone(databases.template([addon])) as database:
            conf = _conf(settings, server, database)
            try:
                command = _addons_command(settings, conf, *_parts(path))
                return subprocess.run(
                    command, env=env, cwd=ROOT, check=False
                ).returncode
            finally:
                conf.unlink()


def _parts(path: Path) -> list[str]:
    """What to hand to pytest; a kernel's examples are tests too."""
    whole = path.parent == ADDONS
    parts = [path / "tests", *path.glob("kernel")] if whole else [path]
    return ["--doctest-modules", *map(str, parts)]


def whole(settings: Settings, thorough: bool = False) -> int:
    """Every test, in lanes inside Odoo and lanes from outside."""
    browser.ensure(settings)
    began = time.monotonic()
    results = settings.data / "results"
    results.mkdir(exist_ok=True)
    for old in results.glob("*"):
        old.unlink()
    with test_server(settings) as server:
        databases = Databases(settings, server, "test")
        env = _env(server)
        with contextlib.ExitStack() as stack:
            lanes = _inside(settings, databases, results, stack)
            chosen = () if thorough else ("-m", "not thorough")
            for number, paths in enumerate(_dealt(_outside(), OUTSIDE), 1):
                name = f"outside{number}"
                lanes[name] = _pytest(
                    settings,
                    *("-p", "no:odoo", f"--counts={results / name}.json", *chosen),
                    *(f"--reached={results / f'coverage.{name}'}", "--durations=12"),
                    *paths,
                )
            failed = _run_lanes(lanes, env, results)
        complaints = coverage_gate.check(settings, _coverage(settings, results))
    for complaint in complaints:
        print(f"  coverage   {complaint}", file=sys.stderr)
    total: Counter[str] = Counter(passed=0, failed=0, skipped=0)
    for name in lanes:
        counted = files.read(results / f"{name}.json")
        total.update(json.loads(counted) if counted else {"failed": 1})
    total["failed"] += len(complaints)
    if failed and not total["failed"]:
        total["failed"] += 1  # a lane died after its last test
    say("tests", f"in {len(lanes)} lanes", time.monotonic() - began)
    print(
        f"{total['passed']} passed, {total['failed']} failed,"
        f" {total['skipped']} skipped",
        flush=True,
    )
    return 1 if total["failed"] else 0


def _inside(
    settings: Settings,
    databases: Databases,
    results: Path,
    stack: contextlib.ExitStack,
) -> dict[str, list[str]]:
    """The lanes inside Odoo, each with some of the addons and a database of its own."""
    source = stack.enter_context(databases.clone(databases.template(addons())))
    conf = _conf(settings, databases.server, source)
    stack.callback(conf.unlink)
    _shell(databases, conf, source, BUNDLES, "making the screens' bundles")
    lanes = {}
    sizes = {
        name: sum(path.stat().st_size for path in (ADDONS / name / "tests").glob("*"))
        for name in addons()
    }
    for number, names in enumerate(_dealt(sizes, INSIDE), 1):
        lane = f"addons{number}"
        database = stack.enter_context(databases.clone(source))
        conf = _conf(settings, databases.server, database)
        stack.callback(conf.unlink)
        lanes[lane] = _addons_command(
            settings,
            conf,
            "--doctest-modules",
            f"--each-addon={','.join(names)}",
            f"--counts={results / lane}.json",
            *(f"--reached={results / f'coverage.{lane}'}", "--durations=12"),
            *(str(path) for name in names for path in ADDONS.glob(f"{name}/kernel")),
            *(str(ADDONS / name / "tests") for name in names),
        )
    return lanes


def _outside() -> dict[Path, float]:
    """The files with tests from outside, and about how long each takes."""
    paths = sorted((ROOT / "tests").glob("test_*.py"))
    return {path: SLOW.get(path.stem.removeprefix("test_"), USUAL) for path in paths}


def _dealt(weights: dict[T, float], count: int) -> list[list[T]]:
    """So many shares of about the same weight, what is heavy first.

    >>> _dealt({"a": 1, "b": 5, "c": 3, "d": 1}, 2)
    [['b'], ['c', 'a', 'd']]
    """
    shares: list[list[T]] = [[] for _ in range(count)]
    for one in sorted(weights, key=weights.__getitem__, reverse=True):
        min(shares, key=lambda share: sum(weights[o] for o in share)).append(one)
    return shares


def _coverage(settings: Settings, results: Path) -> Path:
    """What the lanes reached together."""
    whole = results / "coverage"
    parts = sorted(results.glob("coverage.*"))
    command = [settings.python, "-m", "coverage", "combine", "-q"]
    subprocess.run([*command, f"--data-file={whole}", *parts], cwd=ROOT, check=False)
    return whole


def _run_lanes(
    lanes: dict[str, list[str]], env: dict[str, str], results: Path
) -> list[str]:
    """Run the lanes side by side; show each whole when it is done."""
    running = {}
    for name, command in lanes.items():
        output = (results / f"{name}.log").open("wb")
        running[name] = subprocess.Popen(
            command,
            env=env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    failed = []
    try:
        while running:
            for name, process in list(running.items()):
                if process.poll() is None:
                    continue
                del running[name]
                print(f"\n== {name} ==\n{files.read(results / f'{name}.log')}")
                sys.stdout.flush()
                if process.returncode:
                    failed.append(name)
            time.sleep(0.2)
    finally:
        for process in running.values():  # interrupted
            process.terminate()
            process.wait()
    return failed


def bench(settings: Settings, only: str) -> int:
    """Measure; each bench prints its rows and keeps them in bench/results/."""
    names = [only] if only else sorted(p.stem[6:] for p in BENCHES.glob("bench_*.py"))
    missed = 0
    with test_server(settings) as server:
        env = {**_env(server), "PYTHONPATH": f"{ROOT / 'scripts'}:{BENCHES}"}
        for name in names:
            script = BENCHES / f"bench_{name}.py"
            if not script.exists():
                raise Problem(f"there is no bench {name}", "", "bench")
            with step("bench") as line:
                done = subprocess.run(
                    [settings.python, script], env=env, cwd=ROOT, check=False
                )
                missed += done.returncode != 0
                line.text = name
    return 1 if missed else 0


def pot(settings: Settings) -> int:
    """Write each addon's translation template anew."""
    with test_server(settings) as server:
        databases = Databases(settings, server, "test")
        with databases.clone(databases.template(product_addons())) as database:
            for name, text in export_pots(databases, database).items():
                target = ADDONS / name / "i18n" / f"{name}.pot"
                target.parent.mkdir(exist_ok=True)
                files.write(target, text, 0o644)
                say("pot", str(target.relative_to(ROOT)))
    return 0


def export_pots(databases: Databases, database: str) -> dict[str, str]:
    """Each product addon's terms, without the lines that differ at each export."""
    settings = databases.settings
    conf = _conf(settings, databases.server, database)
    out = settings.data / f"{database}.terms"
    try:
        out.mkdir()
        code = EXPORT.format(out=str(out), names=product_addons())
        _shell(databases, conf, database, code, "exporting the terms")
        return {
            name: _without_dates(files.read(out / name)) for name in product_addons()
        }
    finally:
        conf.unlink()
        shutil.rmtree(out)


def _shell(
    databases: Databases, conf: Path, database: str, code: str, what: str
) -> None:
    """Run a few lines in Odoo's own shell."""
    done = subprocess.run(
        [databases.settings.odoo, "shell", "-c", conf, "-d", database, "--no-http"],
        input=code,
        env=_env(databases.server),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Problem(f"{what}: {done.stderr[-800:]}")


def _without_dates(pot: str) -> str:
    dates = ('"POT-Creation-Date', '"PO-Revision-Date')
    lines = pot.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(dates))
