"""The gates themselves: each is held against what it must refuse."""

import doctest
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from house import audit, coverage_gate, lint, reach, testing
from house.odoo import complaints

ROOT = Path(__file__).resolve().parents[1]


def tree(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.py", "_sql_constraints = []"),
        ("a.py", "self.env['x'].read_group([], [], [])"),
        ("a.py", "groups_id = 1"),
        ("a.py", "@http.route('/x', type='json')"),
        ("a.py", "x = fields.Float(group_operator='sum')"),
        ("a.py", "def name_get(self):"),
        ("a.py", "self._cr.execute('')"),
        ("a.py", "from odoo.osv import expression"),
        ("a.py", "self._notify_progress(1)"),
        ("a.py", "self.toggle_active()"),
        ("a.py", "from odoo import registry"),
        ("a.py", "self.env.cr.commit()"),
        ("a.py", "raise UserError(_('no'))"),
        ("a.xml", "<tree>"),
        ("a.xml", "<field attrs=\"{'x': 1}\"/>"),
        ("a.xml", "<t t-name='kanban-box'/>"),
        ("a.xml", "<div class='oe_chatter'/>"),
        ("a.xml", "<group expand='0'/>"),
        ("a.js", "/** @odoo-module **/"),
    ],
)
def test_idiom_is_refused(tmp_path, name, line):
    root = tree(tmp_path, {f"addons/x/{name}": line + "\n"})
    assert len(lint.idioms(root)) == 1


def test_idiom_with_a_reason_stays(tmp_path):
    excuse = "self.env.cr.commit()  # ok: the run executor\n"
    assert lint.idioms(tree(tmp_path, {"addons/x/a.py": excuse})) == []


def test_sudo_needs_a_reason(tmp_path):
    files = {
        "addons/x/a.py": "self.sudo().write({})\n",
        "addons/x/b.py": "# sudo: res.users - the agent's own key\nself.sudo()\n",
    }
    found = lint.sudos(tree(tmp_path, files))
    assert [line.split(":")[0] for line in found] == ["addons/x/a.py"]


def test_floor_is_held(tmp_path):
    files = {
        "addons/steward/__manifest__.py": "{'depends': ['steward_llm']}",
        "addons/steward_llm/__manifest__.py": "{'depends': ['steward']}",
        "addons/steward_new/__manifest__.py": "{'depends': []}",
    }
    found = lint.floors(tree(tmp_path, files))
    assert len(found) == 2
    assert "steward (floor 1) depends on steward_llm (floor 2)" in found
    assert any(line.startswith("steward_new: which floor?") for line in found)


@pytest.mark.parametrize(
    "line", ["import odoo", "from odoo import fields", "from ..models import x"]
)
def test_kernel_without_odoo(tmp_path, line):
    manifest = {"addons/steward/__manifest__.py": "{}"}
    root = tree(tmp_path, {**manifest, "addons/steward/kernel/a.py": line + "\n"})
    assert len(lint.floors(root)) == 1


def test_kernels_may_know_kernels(tmp_path):
    line = "from odoo.addons.steward.kernel.schema import load\n"
    manifest = {"addons/steward/__manifest__.py": "{}"}
    assert not lint.floors(
        tree(tmp_path, {**manifest, "addons/steward/kernel/a.py": line})
    )


def test_action_without_help(tmp_path):
    xml = '<record id="a" model="ir.actions.act_window"><field name="name"/></record>'
    assert lint.views(tree(tmp_path, {"addons/x/views/a.xml": xml}))


def test_style_and_types(tmp_path):
    files = {
        "pyproject.toml": (ROOT / "pyproject.toml").read_text(),
        "addons/steward/kernel/__init__.py": '"""Kernel."""\n',
        "addons/steward/kernel/bad.py": "def f(x):\n  return x\nimport os\n",
    }
    root = tree(tmp_path, files)
    assert lint.style(root)
    assert any("no-untyped-def" in line for line in lint.types(root))


def test_odoo_style(tmp_path):
    files = {
        ".pylintrc": (ROOT / ".pylintrc").read_text(),
        "addons/x/__init__.py": "",
        "addons/x/__manifest__.py": '{"name": "x", "license": "Other"}\n',
    }
    assert any("license" in line for line in lint.odoo_style(tree(tmp_path, files)))


LINE = "2026-01-01 10:00:00,000 12 {} db odoo.modules: {}"


@pytest.mark.parametrize("level", ["WARNING", "ERROR", "CRITICAL"])
def test_log_line_is_refused(level):
    assert complaints([LINE.format(level, "something")])
    assert not complaints([LINE.format("INFO", "something")])


def test_known_log_lines_are_two():
    known = [
        LINE.format("ERROR", 'bad query: b"CREATE EXTENSION IF NOT EXISTS pg_trgm"'),
        LINE.format("WARNING", "The /xmlrpc/2 endpoint is deprecated"),
    ]
    assert not complaints(known)


@pytest.mark.parametrize("module", [coverage_gate, reach, testing])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


def test_coverage_threshold():
    report = {
        "files": {
            "addons/steward/kernel/a.py": {
                "summary": {"percent_covered": 99.0},
                "missing_lines": [7],
            },
            "addons/steward/models/a.py": {
                "summary": {"percent_covered": 10.0},
                "missing_lines": [1],
            },
        },
        "totals": {"percent_covered": 95.0},
    }
    assert coverage_gate.complaints(report) == [
        "addons/steward/kernel/a.py: lines never reached: 7"
    ]
    report["totals"]["percent_covered"] = 89.9
    assert len(coverage_gate.complaints(report)) == 2


REACHING = """
import sys
from house.reach import Reach
reach = Reach([sys.argv[1]])
reach.watch()
import seen, seen.tests.common
assert seen.half(2) == 1
reach.save(sys.argv[2])
"""


def test_reached_lines(tmp_path):
    """As coverage.py's own report tells them: statements of ours, also unimported."""
    text = (
        "def half(n):\n    if n:\n        return (\n            n / 2)\n    return 0\n"
    )
    root = tree(
        tmp_path / "ours",
        {
            "seen/__init__.py": text,
            "seen/tests/__init__.py": "",
            "seen/tests/common.py": "x = 1\n",
            "never.py": "x = 1\n",
        },
    )
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'scripts'}:{root}"}
    data, report = tmp_path / "reached", tmp_path / "reached.json"
    command = [sys.executable, "-c", REACHING, root, data]
    subprocess.run(command, env=env, check=True)
    command = [sys.executable, "-m", "coverage", "json", "-q", f"--data-file={data}"]
    subprocess.run([*command, "-o", report], cwd=ROOT, check=True)
    files = json.loads(report.read_text())["files"]
    missing = {Path(n).name: facts["missing_lines"] for n, facts in files.items()}
    assert missing == {"__init__.py": [5], "never.py": [1]}


def test_pin_and_secret(tmp_path):
    root = tree(
        tmp_path, {"requirements.txt": "requests>=2\n# a\nodoo-addon-x==19.0.1\n"}
    )
    assert audit.pins([root / "requirements.txt"]) == [
        "requirements.txt: requests>=2 is not pinned"
    ]
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    home = "/ro" + "ot/x"
    tree(tmp_path, {"a.py": f"key = '{key}'\n", "b.py": f"p = '{home}'\n"})
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert len(audit.secrets(tmp_path)) == 2


# -- the pytest plugin, run on small test files of its own ----------------------

PASSING = "def test_ok():\n    assert True\n"
FAILING = "def test_bad():\n    assert False\n"
LOGGING = "import logging\ndef test_log():\n    logging.getLogger('x').error('oh')\n"
CAUGHT = (
    "import logging, unittest\n"
    "class T(unittest.TestCase):\n"
    "    def test_log(self):\n"
    "        with self.assertLogs('x'):\n"
    "            logging.getLogger('x').error('expected')\n"
)
NO_BROWSER = (
    "import pytest\ndef test_b():\n    pytest.skip('Chrome executable not found')\n"
)
LOUD_NO_BROWSER = (
    "import logging, pytest\n"
    "def test_b():\n"
    "    logging.getLogger('x').warning('Chrome executable not found')\n"
    "    pytest.skip('Chrome executable not found')\n"
)
NEVER = "import pytest\ndef test_never():\n    pytest.skip('later')\n"


def run_plugin(tmp_path: Path, text: str, *arguments: str, ci: str = ""):
    folder = tmp_path / "addons" / "steward" / "tests"
    folder.mkdir(parents=True)
    (folder / "test_it.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:odoo", "-p", "house.gate_plugin"]
        + [
            "-p",
            "no:cacheprovider",
            f"--rootdir={tmp_path}",
            *arguments,
            str(tmp_path),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "CI": ci},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "ci", "arguments", "code"),
    [
        (PASSING, "", ["--each-addon=steward"], 0),
        (FAILING, "", [], 1),
        (LOGGING, "", [], 1),
        (CAUGHT, "", [], 0),
        (NO_BROWSER, "", [], 0),
        (NO_BROWSER, "true", [], 1),
        (LOUD_NO_BROWSER, "", [], 0),
        (NEVER, "", ["--each-addon=steward"], 1),
        (PASSING, "", ["--each-addon=steward,steward_llm"], 1),
        ("x = 1\n", "", [], 1),
    ],
    ids=[
        "passing",
        "failing",
        "log",
        "caught",
        "browser",
        "browser-ci",
        "browser-log",
        "never",
        "other",
        "none",
    ],
)
def test_plugin(tmp_path, text, ci, arguments, code):
    done = run_plugin(tmp_path, text, *arguments, ci=ci)
    assert done.returncode == code, done.stdout + done.stderr


def test_missing_browser_is_loud(tmp_path):
    assert "BROWSER TESTS DID NOT RUN" in run_plugin(tmp_path, NO_BROWSER).stdout
