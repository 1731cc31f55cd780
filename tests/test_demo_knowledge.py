"""``make demo-knowledge``: it answers, it says what it measured, and it can fail."""

import os
import re
import shutil
import subprocess
import time

import pytest
from conftest import ROOT

pytestmark = pytest.mark.thorough
FOLDER = ROOT / "demo" / "knowledge"
ROW = re.compile(
    r"^  (Harbour Help|Harbour addons|This database) +(\d+) +(\d+) +(\d+) "
)
HARVEST = re.compile(r"^  harvest +([^:]+): (\d+) found, (\d+) new +([\d.]+) s$", re.M)
CONTEXT = re.compile(
    r"^  context +(\d+) of (\d+) facts told, (\d+) by whole documents;"
    r" (\d+)% of the tokens saved, (\d+)% in the median$",
    re.M,
)
RESULT = re.compile(r"^     \d+\.\d\d  (.+) — (.+)$", re.M)


def demo(*command):
    """Its exit code, what it printed, and how long it took."""
    began = time.monotonic()
    kept = {k: v for k, v in os.environ.items() if k != "STEWARD_INSIDE"}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr, time.monotonic() - began


@pytest.fixture(scope="module")
def told():
    return demo("make", "-s", "demo-knowledge")


def rows(output):
    """Searchable, duplicate and failed documents by source."""
    found = [ROW.match(line) for line in output.splitlines()]
    return {m[1]: tuple(map(int, m.groups()[1:])) for m in found if m}


def titles(folder):
    pages = (path.read_text() for path in folder.rglob("*.html"))
    return {re.search("<h1>(.*)</h1>", page)[1] for page in pages}


def test_it_answers(told):
    code, output, errors, _seconds = told
    assert code == 0, output + errors
    asked = re.findall(r"^  \d\. (.+)  \(\d+ ms\)$", output, re.M)
    assert len(asked) == 5
    assert asked[:2] == [
        "create sales order validation",
        "migrate from version 18 to 19",
    ]
    results = RESULT.findall(output)
    assert len(results) == 15
    assert {source for _title, source in results} == {
        "Harbour Help",
        "Harbour addons",
        "This database",
    }


def test_it_says_what_was_measured(told):
    _code, output, _errors, seconds = told
    pages = [*(FOLDER / "site").rglob("*.html")]
    counts = rows(output)
    # one of them repeats another
    assert counts["Harbour Help"] == (len(pages) - 1, 1, 0)
    files = [path for path in (FOLDER / "repository").rglob("*") if path.is_file()]
    searchable, duplicate, failed = counts["Harbour addons"]
    assert 0 < searchable <= len(files)
    assert (duplicate, failed) == (0, 0)
    assert counts["This database"][0] > 100
    harvests = HARVEST.findall(output)
    assert len(harvests) == 3
    for name, found, new, _seconds in harvests:
        assert int(new) == sum(counts[name]), name
        assert int(found) >= int(new)
    assert 0 < sum(float(taken) for *_rest, taken in harvests) < seconds
    known = titles(FOLDER / "site")
    for title, source in RESULT.findall(output):
        if source == "Harbour Help":
            assert title in known


def test_what_agents_are_told(told):
    """As many facts as whole documents hold, and a third of the tokens saved."""
    _code, output, _errors, _seconds = told
    found = CONTEXT.search(output)
    assert found, output
    ours, asked, whole, share, median = map(int, found.groups())
    assert asked >= 20
    assert asked >= ours >= whole >= 0.8 * asked
    assert min(share, median) >= 33
    assert "LOST" not in output


def test_it_fails_without_the_answer(tmp_path):
    world = tmp_path / "world"
    shutil.copytree(FOLDER, world)
    for page in world.rglob("migrate-18-to-19.html"):
        page.unlink()
    code, output, _errors, _seconds = demo(
        "python3", "-m", "house", "demo-knowledge", str(world)
    )
    assert code == 1
    missing = [line for line in output.splitlines() if "MISSING" in line]
    [line] = missing
    assert "'migrate from version 18 to 19'" in line
