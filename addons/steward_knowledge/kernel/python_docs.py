r"""What a Python file documents: its docstrings, or an Odoo addon's manifest.

Nothing is imported or executed: the text is parsed.

>>> print(docstrings('"Adds up."\ndef add(a, b=0):\n    "Return a + b."', "sum.py"))
# sum.py
<BLANKLINE>
Adds up.
<BLANKLINE>
## add(a, b=0)
<BLANKLINE>
Return a + b.
"""

import ast
import warnings
from collections.abc import Iterator

LARGEST = 1024 * 1024  # characters of a file that is parsed
MANIFESTS = ("__manifest__.py", "__openerp__.py")
LINES = (
    ("summary", "Summary"),
    ("version", "Version"),
    ("category", "Category"),
    ("author", "Author"),
    ("license", "License"),
    ("website", "Website"),
)

Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def docstrings(source: str, path: str) -> str:
    """Return a file's docstrings as Markdown; empty: there are none."""
    tree = _parsed(source)
    if tree is None:
        return ""
    parts = [*_of(tree, "")]
    return "\n\n".join([f"# {path}", *parts]) if parts else ""


def _of(node: ast.Module | Documented, name: str) -> Iterator[str]:
    text = ast.get_docstring(node)
    if text:
        if name:
            yield f"## {name}"
        yield text
    for inner in node.body:
        if isinstance(inner, Documented) and not inner.name.startswith("__"):
            prefix = f"{name.partition('(')[0]}." if name else ""
            yield from _of(inner, prefix + _signature(inner))


def _signature(node: Documented) -> str:
    if isinstance(node, ast.ClassDef):
        return node.name
    return f"{node.name}({ast.unparse(node.args)[:200]})"


def manifest(source: str, path: str) -> tuple[str, str]:
    """Return the name of an addon and what its manifest says, as Markdown.

    >>> manifest("{'name': 'Sales', 'depends': ['base'], 'data': [open('x')]}", "s")
    ('', '')
    >>> title, text = manifest("{'name': 'Sales', 'depends': ['base']}", "sale")
    >>> title, text.splitlines()[-1]
    ('Sales', 'Depends on: base')
    """
    tree = _parsed(source)
    if tree is None or not tree.body or not isinstance(tree.body[-1], ast.Expr):
        return "", ""
    try:
        told = ast.literal_eval(tree.body[-1].value)
    except (ValueError, TypeError, RecursionError):  # computes something: not data
        return "", ""
    if not isinstance(told, dict):
        return "", ""
    title = str(told.get("name") or path)
    lines = [f"# {title}", "", f"Addon: {path}"]
    lines += [f"{label}: {told[key]}" for key, label in LINES if told.get(key)]
    depends = told.get("depends")
    if isinstance(depends, list | tuple) and depends:
        lines.append(f"Depends on: {', '.join(map(str, depends))}")
    if description := str(told.get("description") or "").strip():
        lines += ["", description]
    return title, "\n".join(lines)


def _parsed(source: str) -> ast.Module | None:
    if len(source) > LARGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in other people's code
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
