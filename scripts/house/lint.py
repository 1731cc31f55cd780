"""What the code must look like: style, types, idioms and floors.

Every check is a function from a root folder to a list of complaints, so that
``tests/test_gates.py`` can hold each one against a tree that breaks it.
"""

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from house import audit
from house.console import say, step
from house.settings import ROOT, Settings

# architecture.md: an addon may depend only on addons of a lower floor
FLOORS = {
    "steward": 1,
    "steward_llm": 2,
    "steward_knowledge": 3,
    "steward_agent": 3,
    "steward_backup": 3,
    "steward_monitor": 4,
    "steward_gateway": 4,
    "steward_staging": 4,
    "steward_skill": 5,
    "steward_flow": 5,
    "steward_ci": 5,
    "steward_lab": 6,
    "steward_ops": 6,
    "test_steward": 7,
}

# what Odoo 19 refuses, ignores or will drop; a reasoned exception ends in "# ok: why"
PYTHON_IDIOMS = {
    r"\b_sql_constraints\b": "creates no constraint: use models.Constraint",
    r"\.read_group\(": "deprecated: use _read_group",
    r"\bgroups_id\b": "renamed: group_ids",
    r"type=[\"']json[\"']": "renamed: type='jsonrpc'",
    r"(?<!steward\.)\bgroup_operator\b": "renamed: aggregator",
    r"def name_get\b": "gone: _compute_display_name",
    r"\bself\._(cr|uid|context)\b": "deprecated: self.env.cr/.uid/.context",
    r"\bodoo\.osv\b": "deprecated: odoo.fields.Domain",
    r"\b_notify_progress\(": "gone: _commit_progress",
    r"\btoggle_active\b": "gone: action_archive/action_unarchive",
    r"\bfrom odoo import registry\b": "gone: odoo.modules.registry.Registry",
    r"\.commit\(\)": "commits are the run executor's alone",
    r"(?<![\w.])_\((?!\?)": "use self.env._",  # but self.env._(, and _(?: of a regex
}
XML_IDIOMS = {
    r"</?tree\b": "renamed: <list>",
    r"\battrs\s*=": "gone: invisible=, readonly=, required=",
    r"\bstates\s*=\s*[\"'](?!\{)": "gone: invisible=",
    r"kanban-box": "renamed: t-name='card'",
    r"\boe_chatter\b": "renamed: <chatter/>",
    r"<group\s+expand=": "not allowed in searches",
    r"name=[\"']groups_id[\"']": "renamed: group_ids",
}
JS_IDIOMS = {r"@odoo-module": "no longer needed"}
EXCUSE = re.compile(r"(#|<!--|//)\s*ok: \w")
KERNEL = re.compile(r"odoo\.addons\.steward(_\w+)?\.kernel(\.|$)")
SUDO = re.compile(r"\.sudo\(")
SUDO_REASON = re.compile(r"# sudo: [\w.]+ - \w")


def _lines(root: Path, pattern: str) -> list[tuple[Path, int, str, str]]:
    found = []
    for path in sorted((root / "addons").rglob(pattern)):
        before = ""
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            found.append((path.relative_to(root), number, line, before))
            before = line
    return found


def idioms(root: Path) -> list[str]:
    """Idioms that Odoo 19 refuses, ignores or is about to drop."""
    found = []
    for pattern, banned in (
        ("*.py", PYTHON_IDIOMS),
        ("*.xml", XML_IDIOMS),
        ("*.js", JS_IDIOMS),
    ):
        for path, number, line, _before in _lines(root, pattern):
            if EXCUSE.search(line):
                continue
            found += [
                f"{path}:{number}: {line.strip()[:60]}  ({why})"
                for idiom, why in banned.items()
                if re.search(idiom, line)
            ]
    return found


def sudos(root: Path) -> list[str]:
    """Each ``sudo()`` says for which model and why, on its line or the one above."""
    return [
        f"{path}:{number}: sudo() without '# sudo: <model> - <reason>'"
        for path, number, line, before in _lines(root, "*.py")
        if SUDO.search(line)
        and "tests" not in path.parts
        and not SUDO_REASON.search(line)
        and not SUDO_REASON.search(before)
    ]


def floors(root: Path) -> list[str]:
    """No addon stands on a higher floor; no kernel knows Odoo, but other kernels."""
    found = []
    for path in sorted((root / "addons").glob("*/__manifest__.py")):
        name = path.parent.name
        if name not in FLOORS:
            found.append(f"{name}: which floor? (scripts/house/lint.py, FLOORS)")
            continue
        depends = ast.literal_eval(path.read_text("utf-8")).get("depends", [])
        found += [
            f"{name} (floor {FLOORS[name]}) depends on {other} (floor {FLOORS[other]})"
            for other in depends
            if other in FLOORS and FLOORS[other] >= FLOORS[name]
        ]
    for path in sorted((root / "addons").glob("*/kernel/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
                if node.level > 1:
                    names.append("odoo (relative import out of the kernel)")
            names = [name for name in names if not KERNEL.match(name)]
            if any(name.split(".")[0].split(" ")[0] == "odoo" for name in names):
                found.append(f"{path.relative_to(root)}:{node.lineno}: imports odoo")
    return found


def views(root: Path) -> list[str]:
    """Every act_window and menu a user can open tells what to do when it is empty."""
    found = []
    for path in sorted((root / "addons").glob("*/views/*.xml")):
        text = path.read_text("utf-8")
        for match in re.finditer(
            r'<record id="(\w+)" model="ir.actions.act_window">(.*?)</record>',
            text,
            re.DOTALL,
        ):
            body = match[2]
            if "res.config.settings" not in body and 'name="help"' not in body:
                found.append(f"{path.relative_to(root)}: {match[1]} has no help")
    return found


def _tool(root: Path, *arguments: str | Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.returncode:
        return []
    return (done.stdout + done.stderr).strip().splitlines() or ["failed silently"]


def style(root: Path) -> list[str]:
    """Ruff: the rules of pyproject.toml, and its formatting."""
    return _tool(root, "ruff", "check", "-q", ".") + _tool(
        root, "ruff", "format", "-q", "--check", "."
    )


def odoo_style(root: Path) -> list[str]:
    """Odoo's community rules: pylint-odoo with the rules of .pylintrc."""
    addons = sorted(path.parent for path in (root / "addons").glob("*/__manifest__.py"))
    return _tool(root, "pylint", f"--rcfile={root / '.pylintrc'}", "-j2", *addons)


def types(root: Path) -> list[str]:
    """Mypy, strict, on kernels and the client: what others build on."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        # only kernels, under the name by which one imports another
        tree = Path(folder, "odoo", "addons")
        for kernel in sorted((root / "addons").glob("*/kernel")):
            (tree / kernel.parent.name).mkdir(parents=True)
            (tree / kernel.parent.name / "kernel").symlink_to(kernel)
        if tree.exists():
            cache = f"--cache-dir={root / '.mypy_cache'}"
            conf = f"--config-file={_conf(root)}"
            found += _tool(Path(folder), "mypy", *_MYPY, conf, cache, "odoo")
    if (root / "client" / "steward_client").exists():
        found += _tool(
            root / "client",
            "mypy",
            *_MYPY,
            f"--config-file={_conf(root)}",
            "steward_client",
        )
    return found


_MYPY = ("--strict", "--no-error-summary")


def _conf(root: Path) -> Path:
    return root / "pyproject.toml"


CHECKS: tuple[Callable[[Path], list[str]], ...] = (
    style,
    idioms,
    sudos,
    floors,
    views,
    types,
    odoo_style,
    audit.secrets,
)


def main(_settings: Settings) -> int:
    bad = 0
    for check in CHECKS:
        with step("lint") as line:
            complaints = check(ROOT)
            title = (check.__doc__ or "").splitlines()[0]
            line.text = f"{check.__name__}: {len(complaints) or 'no'} complaints"
        for complaint in complaints:
            print(f"    {complaint}")
        if complaints:
            print(f"    ^ {title}")
        bad += len(complaints)
    say("lint", "clean" if not bad else f"{bad} complaints")
    return 1 if bad else 0
