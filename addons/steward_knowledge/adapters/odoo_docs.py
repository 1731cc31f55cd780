from pathlib import Path

from ..exceptions import SourceInvalid
from ..kernel.addresses import Scope, matches, patterns
from ..kernel.draft import Draft
from . import Fetched, Found, Step, skipped
from .website import Website

SITE = "https://www.odoo.com/documentation"
ENDINGS = {".rst": "text/x-rst", ".md": "text/markdown"}
LARGEST = 5 * 1024 * 1024  # bytes of a page
LEFT_OUT = ("*/_sources/*", "*/_static/*", "*/search.html*", "*/genindex.html*")
# the same pages in other languages: /documentation/19.0/fr/…
LANGUAGES = (
    "/documentation/{}/??/*",
    "/documentation/{}/??_*/*",
    "/documentation/{}/?????/*",
)


class OdooDocs(Website):
    """Odoo's documentation of one version: from a checkout here, or from the web."""

    @property
    def is_outside(self):
        return not self.source.folder

    def check(self):
        if self.source.folder:
            self._root()

    @property
    def version(self):
        return self.source.version or ""

    # -- the web -------------------------------------------------------------------

    @property
    def start(self):
        own = self.source.url or f"{SITE}/{self.version}/"
        return self.memory.get("start") or own

    @property
    def scope(self):
        others = [pattern.format(self.version) for pattern in LANGUAGES]
        return Scope(
            self.start,
            patterns(self.source.include or ""),
            (*LEFT_OUT, *others, *patterns(self.source.exclude or "")),
        )

    # -- a checkout ----------------------------------------------------------------

    def _root(self):
        return allowed_folder(self.env, self.source.folder)

    def discover(self):
        if not self.source.folder:
            return super().discover()
        root = self._root()
        base = root / "content" if (root / "content").is_dir() else root
        exclude = patterns(self.source.exclude or "")
        include = patterns(self.source.include or "")
        found = []
        for path in sorted(base.rglob("*")):
            name = path.relative_to(base).as_posix()
            if (
                path.suffix not in ENDINGS
                or not _is_inside(path, root)
                or matches(name, exclude)
                or (include and not matches(name, include))
            ):
                continue
            if len(found) >= self.source.page_limit:
                self.memory["capped"] = "limit"
                break
            stat = path.stat()
            revision = f"{stat.st_mtime_ns}-{stat.st_size}"
            page = name.removesuffix(path.suffix)
            url = f"{SITE}/{self.version}/{page}.html" if self.version else ""
            found.append(Found(name, url, revision=revision))
        if not found:
            raise SourceInvalid(
                self.env._("There are no pages (.rst, .md) in %(folder)s.", folder=root)
            )
        return Step(found)

    def estimate(self):
        if not self.source.folder:
            return super().estimate()
        return len(self.discover().found)

    def fetch(self, item):
        if not self.source.folder:
            return super().fetch(item)
        root = self._root()
        base = root / "content" if (root / "content").is_dir() else root
        path = base / item.key
        if not path.is_file() or not _is_inside(path, root):
            return Fetched("gone", reason=self.env._("The file is no longer there."))
        if path.stat().st_size > LARGEST:
            return skipped(self.env._("It is larger than 5 MB."))
        content = path.read_bytes()
        draft = Draft(
            external_id=item.key,
            title=path.stem.replace("_", " ").capitalize(),
            content=content,
            content_type=ENDINGS[path.suffix],
            url=item.url or "",
            language="en",
            version=self.version,
        )
        return Fetched(draft=draft, size=len(content))


def allowed_folder(env, folder):
    """Return a folder of this server that an administrator allowed to be read.

    :raises SourceInvalid: for any other
    """
    # sudo: ir.config_parameter - the limit holds for every user, who reads none
    allowed = env["ir.config_parameter"].sudo().get_param("steward.knowledge.folders")
    roots = [Path(root.strip()) for root in (allowed or "").split(",") if root.strip()]
    path = Path(folder)
    if path.is_absolute():
        path = path.resolve()
        for root in roots:
            if root.is_absolute() and path.is_relative_to(root.resolve()):
                if path.is_dir():
                    return path
                raise SourceInvalid(
                    env._("The folder %(folder)s is not on this server.", folder=folder)
                )
    raise SourceInvalid(
        env._(
            "The folder %(folder)s may not be read. An administrator can allow it in"
            " Steward's settings.",
            folder=folder,
        )
    )


def _is_inside(path, root):
    """Whether a path, links followed, is a file below the folder."""
    return path.is_file() and path.resolve().is_relative_to(root)
