"""Which lines the tests reach: noted by probes, told in coverage.py's own file.

A tracer is called at each call, also at each of Odoo's: tests without a browser took
up to two and a half times the processor with it. A probe stands only where a line of
ours begins, and costs next to nothing. What is a statement, and what is left out, stay
coverage.py's matter.
"""

from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from coverage import CoverageData
from slipcover.slipcover import Slipcover

LEFT_OUT = ("__manifest__.py", "/tests/", "/migrations/")
# after how many hits a probe is taken out, which means to walk through all frames
NEVER = -1


def is_ours(path: str, folders: Sequence[str]) -> bool:
    """Whether the tests have to reach the lines of this file.

    >>> is_ours("/x/addons/steward/hooks.py", ["/x/addons", "/x/client"])
    True
    >>> is_ours("/x/addons/steward/tests/common.py", ["/x/addons"])
    False
    >>> is_ours("/y/odoo/addons/base/hooks.py", ["/x/addons"])
    False
    """
    return path.startswith(tuple(f"{folder}/" for folder in folders)) and not any(
        part in path for part in LEFT_OUT
    )


class Reach:
    """Of the files below these folders that are imported from now on."""

    def __init__(self, folders: Sequence[str]) -> None:
        self.folders = folders
        self.probes = Slipcover(d_miss_threshold=NEVER)

    def watch(self) -> None:
        original = SourceFileLoader.get_code

        def get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
            code = original(loader, name)
            if code and is_ours(code.co_filename, self.folders):
                return self.probes.instrument(code)
            return code

        SourceFileLoader.get_code = get_code  # type: ignore[method-assign]

    def save(self, file: Path) -> None:
        """Write the lines that were reached, and no line of what was never imported."""
        told = self.probes.get_coverage()["files"]
        data = CoverageData(str(file))
        data.add_lines(
            {
                str(Path(n).absolute()): facts["executed_lines"]
                for n, facts in told.items()
            }
        )
        everything = (p for f in self.folders for p in Path(f).rglob("*.py"))
        data.touch_files(str(p) for p in everything if is_ours(str(p), self.folders))
        data.write()
