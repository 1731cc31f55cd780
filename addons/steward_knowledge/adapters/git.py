import re
from pathlib import Path

from odoo.tools import config

from ..exceptions import SourceInvalid
from ..git import Repository
from ..kernel import page, python_docs
from ..kernel.addresses import matches, patterns
from ..kernel.draft import Draft
from . import Adapter, Fetched, Found, Step, skipped
from .odoo_docs import allowed_folder

TEXTS = {"md": "text/markdown", "rst": "text/x-rst", "txt": "text/plain"}
LEFT_OUT = (
    *("*node_modules/*", "*/vendor/*", "vendor/*", "*/lib/*", "*.min.*"),
    *("*requirements*.txt", "*LICENSE*", "*robots.txt", "*/i18n/*", "*/tests/*"),
)
LARGEST = 1024 * 1024  # bytes of a file


class Git(Adapter):
    """A git repository: its documentation, docstrings and manifests.

    `memory`: ``commit`` which state is harvested.
    """

    is_certain = True

    def check(self):
        if not (self.source.url or "").strip():
            raise SourceInvalid(self.env._("Say where the repository is."))

    def _repository(self):
        address = self.source.url.strip()
        local = address.startswith("/")
        if local:
            address = str(allowed_folder(self.env, address))
        name = f"{self.env.cr.dbname}-{self.source.id}"
        return Repository(
            Path(config["data_dir"], "steward_git", name),
            address,
            rules=self.env["steward.http"]._get_rules(),
            token="" if local else self.source._key() or "",
            local=local,
        )

    def discover(self):
        repository = self._repository()
        commit = repository.fetch(self.source.branch or "")
        self.memory["commit"] = commit
        include = patterns(self.source.include or "")
        exclude = (*LEFT_OUT, *patterns(self.source.exclude or ""))
        found = []
        for entry in repository.entries(commit):
            wanted = matches(entry.path, include) if include else True
            if not wanted or not self._is_wanted(entry.path):
                continue
            if matches(entry.path, exclude) or entry.size > LARGEST or not entry.size:
                continue
            if len(found) >= self.source.page_limit:
                self.memory["capped"] = "limit"
                break
            found.append(Found(entry.path, self._url(entry.path), revision=entry.sha))
        return Step(found)

    def _is_wanted(self, path):
        name = path.rpartition("/")[2]
        if name in python_docs.MANIFESTS:
            return self.source.with_manifests
        if name.endswith(".py"):
            return self.source.with_docstrings
        if path.endswith("static/description/index.html"):
            return self.source.with_docs
        return self.source.with_docs and name.rpartition(".")[2].lower() in TEXTS

    def _url(self, path):
        base = re.sub(r"\.git$", "", self.source.url.strip())
        if base.startswith("https://"):
            return f"{base}/blob/{self.source.branch or 'HEAD'}/{path}"
        return ""

    def is_complete(self):
        return not self.memory.get("capped")

    def fetch(self, item):
        repository = self._repository()
        if not repository.has(self.memory["commit"]):
            # the folder is another machine's, or was emptied
            self.memory["commit"] = repository.fetch(self.source.branch or "")
        content = repository.content(item.revision_found)
        name = item.key.rpartition("/")[2]
        told = {"external_id": item.key, "url": item.url or "", "title": item.key}
        if name.endswith(".py"):
            text = page.decoded(content)
            if name in python_docs.MANIFESTS:
                folder = item.key.rpartition("/")[0] or "."
                title, text = python_docs.manifest(text, folder)
                told["title"] = title or item.key
            else:
                text = python_docs.docstrings(text, item.key)
            if not text:
                return skipped(self.env._("It documents nothing."), size=len(content))
            draft = Draft(**told, content=text, content_type="text/markdown")
        else:
            kind = TEXTS.get(name.rpartition(".")[2].lower(), "text/html")
            text = page.decoded(content)
            if not text.strip():
                return skipped(self.env._("It is empty."))
            draft = Draft(**told, content=text.encode(), content_type=kind)
        return Fetched(draft=draft, size=len(content))
