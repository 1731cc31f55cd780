"""``make demo-learning``: agents fail, learn and do better; all of it measured."""

import os
import re
import subprocess

import pytest
from conftest import ROOT

pytestmark = pytest.mark.thorough


def demo(**environment):
    kept = {k: v for k, v in os.environ.items() if k != "STEWARD_INSIDE"}
    done = subprocess.run(
        ["make", "-s", "demo-learning"],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


def test_failures_become_guardrails():
    code, output, errors = demo()
    assert code == 0, output + errors
    assert "10 runs completed, 5 failed in 2 ways" in output
    assert len(re.findall(r"^  guardrail  ", output, re.M)) == 2
    assert len(re.findall(r"^  skill      ", output, re.M)) in (2, 3)
    found = re.findall(r"^  (\D+?) +(\d+) +(\d+)$", output, re.M)
    rows = {name: (int(before), int(after)) for name, before, after in found}
    assert rows["completed"] == (0, 5)
    assert rows["failures prevented"] == (0, 5)


def test_a_month():
    code, output, errors = demo(DAYS="28")
    assert code == 0, output + errors
    weeks = re.findall(r"^  (\d+) +(\d+) +(\d+) +(\d+)% +(\d+)%$", output, re.M)
    skills = {int(day): int(count) for day, count, *_rest in weeks}
    assert skills[14] >= 5
    assert skills[21] >= 10
    assert skills[28] >= 20
    gain = float(re.search(r"in the whole: \+([\d.]+) points", output)[1])
    assert gain >= 15
