"""What comes from others: pins, licences, known holes, and secrets in the tree."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

from house import environment
from house.console import Problem, say, step, warn
from house.settings import REQUIREMENTS, ROOT, Settings

# licences that may stand beside LGPL-3
FREE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software|LGPL|Lesser General|MPL|Mozilla|Zlib|"
    r"Unlicense|Public Domain|ZPL|Zope|HPND|CC0|0BSD|Artistic|WTFPL",
    re.IGNORECASE,
)
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\n[A-Za-z0-9+/=]{40}|\bAKIA[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bsk-[A-Za-z0-9]{40,}\b|\bxox[bp]-[0-9A-Za-z-]{20,}"
    r"|\bAIza[0-9A-Za-z_-]{35}\b|\bhvs\.[A-Za-z0-9_-]{24,}"
)
# paths of one machine, and hosts of package mirrors, mean nothing elsewhere
LOCAL = re.compile(r"(?<![\w.])/(?:root|home/\w+|work)/|bash_jobs|\bdeb\.debian\.org\b")


def requirement_files() -> list[Path]:
    return [ROOT / "requirements.txt", *sorted(REQUIREMENTS.glob("*.txt"))]


def pins(paths: list[Path]) -> list[str]:
    """Every requirement is pinned to one version."""
    return [
        f"{path.name}: {line} is not pinned"
        for path in paths
        for line in path.read_text("utf-8").splitlines()
        if line.strip()
        and not line.startswith("#")
        and not re.fullmatch(r"[A-Za-z0-9._\[\]-]+==[\w.]+( ;.*)?", line.strip())
    ]


def licences() -> list[str]:
    """Every installed package says a licence that may stand beside LGPL-3."""
    found = []
    for package in importlib.metadata.distributions():
        facts = package.metadata
        words = [
            facts.get("License-Expression") or "",
            (facts.get("License") or "")[:200],
            *(c for c in facts.get_all("Classifier") or [] if "License ::" in c),
        ]
        name = facts["Name"]
        text = " ".join(words)
        if not FREE.search(text) and name.lower() not in KNOWN_LICENCES:
            found.append(f"{name}: no known licence ({text.strip()[:60] or 'none'})")
    return found


# packages whose licence is told elsewhere, and tools that only developers run
KNOWN_LICENCES = {
    "openupgradelib": "AGPL-3; queue_job's migrations import it, nothing of ours does",
    "pylint": "GPL-2, a tool",
    "pylint-odoo": "AGPL-3, a tool",
    "pylint-plugin-utils": "GPL-2, a tool",
    "pytest-odoo": "AGPL-3, a tool",
    "odoo": "LGPL-3, our own note of it for pip",
    "ofxparse": "MIT",
    "num2words": "LGPL",
}


def tracked(root: Path) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return [root / name for name in listed.split("\0") if name]


def secrets(root: Path) -> list[str]:
    """No file of the repository holds a secret or a name of one machine."""
    found = []
    for path in tracked(root):
        try:
            text = path.read_text("utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        name = path.relative_to(root)
        if SECRET.search(text):
            found.append(f"{name}: looks like a secret")
        match = LOCAL.search(text)
        if match and name != Path("scripts/house/audit.py"):
            found.append(f"{name}: {match[0]} means something on one machine only")
    return found


def vulnerabilities() -> list[str]:
    """Known holes of the pinned versions, from PyPI; unknown without a network."""
    import urllib.request

    found = []
    for path in requirement_files():
        for line in path.read_text("utf-8").splitlines():
            name, _, version = line.partition("==")
            if not version:
                continue
            url = f"https://pypi.org/pypi/{name}/{version}/json"
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    facts = json.load(answer)
            except (OSError, ValueError) as error:
                warn(f"PyPI does not tell of known holes here ({error}): not checked")
                return found
            found += [
                f"{name} {version}: {hole.get('id')} {hole.get('summary') or ''}"[:120]
                for hole in facts.get("vulnerabilities", [])
                if not hole.get("withdrawn")
            ]
    return found


def main(settings: Settings) -> int:
    bad = 0
    checks = {
        "pins": lambda: pins(requirement_files()),
        "licences": licences,
        "secrets": lambda: secrets(ROOT),
        "packages agree": lambda: _agree(settings),
        "known holes": vulnerabilities,
    }
    for name, check in checks.items():
        with step("audit") as line:
            complaints = check()
            line.text = f"{name}: {len(complaints) or 'no'} complaints"
        for complaint in complaints:
            print(f"    {complaint}", file=sys.stderr)
        bad += len(complaints)
    say("audit", "clean" if not bad else f"{bad} complaints")
    return 1 if bad else 0


def _agree(settings: Settings) -> list[str]:
    try:
        environment.check(settings)
    except Problem as problem:
        return problem.cause.splitlines()
    return []
