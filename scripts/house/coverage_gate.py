"""What share of the lines the tests must reach."""

import json
import subprocess
from pathlib import Path
from typing import Any

from house.settings import ROOT, Settings

WHOLE = 90.0  # percent of the lines of addons/ and client/
KERNEL = 100.0  # percent of each kernel's lines


def check(settings: Settings, data: Path) -> list[str]:
    """Complaints about the coverage that a test run left in a file."""
    if not data.exists():
        return ["no coverage was measured"]
    report = data.with_suffix(".json")
    command = [settings.python, "-m", "coverage", "json", "-q", f"--data-file={data}"]
    subprocess.run([*command, "-o", report], cwd=ROOT, check=False)
    if not report.exists():
        return ["the coverage data cannot be read"]
    return complaints(json.loads(report.read_text()))


def complaints(report: dict[str, Any]) -> list[str]:
    """Compare a report of ``coverage json`` with the thresholds.

    >>> complaints({"files": {}, "totals": {"percent_covered": 89.0}})
    ['89.0 % of all lines are reached, 90 % are asked for']
    """
    found = []
    total = report["totals"]["percent_covered"]
    if total < WHOLE:
        found.append(
            f"{total:.1f} % of all lines are reached, {WHOLE:.0f} % are asked for"
        )
    for name, facts in sorted(report["files"].items()):
        if "/kernel/" in name and facts["summary"]["percent_covered"] < KERNEL:
            lines = ", ".join(map(str, facts["missing_lines"][:12]))
            found.append(f"{name}: lines never reached: {lines}")
    return found
