"""What the suite's addons depend on, read from their manifests."""

import ast
from functools import cache
from typing import Any

from house import files
from house.settings import ADDONS, ROOT, addons

# files that change nothing in a database
NOT_IN_DATABASE = {"tests", "static", "docs", "__pycache__"}


@cache
def manifest(addon: str) -> dict[str, Any]:
    text = (ADDONS / addon / "__manifest__.py").read_text(encoding="utf-8")
    return ast.literal_eval(text)


def ours(names: list[str]) -> list[str]:
    """The suite's addons among the names and all they stand on."""
    known, found, todo = set(addons()), set(), list(names)
    while todo:
        name = todo.pop()
        if name in known and name not in found:
            found.add(name)
            todo += manifest(name).get("depends", [])
    return sorted(found)


def foreign(names: list[str]) -> list[str]:
    """The modules of Odoo and OCA that these addons name."""
    inner = set(ours(names))
    outer = {d for name in inner for d in manifest(name).get("depends", [])}
    return sorted(outer - inner)


def content_key(names: list[str]) -> str:
    """Changes when a file of these addons changes that a database depends on."""
    parts: list[str | bytes] = []
    for name in ours(names):
        folder = ADDONS / name
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if (
                NOT_IN_DATABASE.isdisjoint(relative.parts)
                and path.is_file()
                and path.suffix not in (".md", ".pot", ".pyc")
            ):
                parts += [f"{name}/{relative}", path.read_bytes()]
    return files.digest(parts)


def foundation_key(odoo: str) -> str:
    """Changes when Odoo or the pinned packages change."""
    return files.digest([odoo, files.read(ROOT / "requirements.txt")])
