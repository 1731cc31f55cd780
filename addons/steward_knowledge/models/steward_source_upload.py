import hashlib
from base64 import b64decode, b64encode
from pathlib import Path

from odoo import fields, models
from odoo.tools import file_path

from ..const import FILE_MB
from ..exceptions import SourceInvalid
from ..kernel import filetypes

MOST_FILES = 200  # in one call
LONGEST_NAME = 200


class StewardSource(models.Model):
    _inherit = "steward.source"

    def upload(self, files: list[dict]) -> list[dict]:
        """Add files to this source; they are read in the background. Operators only.

        A file that cannot be read stops no other. The same file again changes nothing;
        another of the same name takes its place.

        :param files: each ``{"name", "content"}``, the content in base64
        :return: for each ``{"name", "state"}``, the state being accepted, unchanged or
            refused; ``reason`` tells why one is refused
        """
        self.ensure_one()
        self._check_operator()
        if self.kind != "files":
            raise SourceInvalid(
                self.env._("%(name)s is no source of files.", name=self.name)
            )
        if len(files) > MOST_FILES:
            raise SourceInvalid(
                self.env._("At most %(count)s files at once.", count=MOST_FILES)
            )
        told, accepted = self._looked_at(files)
        if accepted:
            self._keep(accepted)
            self._start()
        return told

    def _looked_at(self, files):
        """What to say of each file, and the contents of those to be kept by name."""
        names = [
            _clean(file.get("name") if isinstance(file, dict) else "") for file in files
        ]
        # sudo: steward.source.item - an Operator adds to what is there
        items = self.env["steward.source.item"].sudo()
        known = {
            item.key: item.file_hash
            for item in items.search(
                [("source_id", "=", self.id), ("key", "in", names)]
            )
        }
        told, accepted = [], {}
        for name, file in zip(names, files, strict=True):
            try:
                content = self._checked_content(name, file)
            except filetypes.Refused as refusal:
                told.append({"name": name, "state": "refused", "reason": str(refusal)})
                continue
            digest = hashlib.sha256(content).hexdigest()
            if known.get(name) == digest:
                told.append({"name": name, "state": "unchanged"})
                continue
            known[name] = digest
            accepted[name] = content, digest
            told.append({"name": name, "state": "accepted"})
        return told, accepted

    def _checked_content(self, name, file):
        if not name:
            raise filetypes.Refused(self.env._("It has no name."))
        try:
            content = b64decode(file.get("content") or "", validate=True)
        except (ValueError, TypeError):
            raise filetypes.Refused(
                self.env._("Its content did not arrive as it should.")
            ) from None
        if len(content) > FILE_MB * 1024 * 1024:
            raise filetypes.Refused(
                self.env._("It is larger than %(size)s MB.", size=FILE_MB)
            )
        filetypes.kind(name, content)
        return content

    def _keep(self, accepted):
        # sudo: steward.source.item - written by our code alone
        items = self.env["steward.source.item"].sudo()
        there = {
            item.key: item
            for item in items.search(
                [("source_id", "=", self.id), ("key", "in", list(accepted))]
            )
        }
        now, new = fields.Datetime.now(), []
        for name, (content, digest) in accepted.items():
            values = {
                "file": b64encode(content),
                "file_hash": digest,
                "file_date": now,
            }
            if name in there:
                there[name].write(values)
            else:
                new.append({"source_id": self.id, "key": name, **values})
        items.create(new)

    def _add_demo_files(self, folder):
        """Upload the files of one of our folders. For demonstration databases."""
        files = [
            {"name": path.name, "content": b64encode(path.read_bytes()).decode()}
            for path in sorted(Path(file_path(folder)).iterdir())
        ]
        self.upload(files)

    def action_upload(self) -> dict:
        """Open the dialog that takes files.

        :return: an action
        """
        self.ensure_one()
        self._check_operator()
        return {
            "type": "ir.actions.client",
            "tag": "steward_knowledge.upload",
            "target": "new",
            "name": self.env._("Add files to %(name)s", name=self.name),
            "params": {"source_id": self.id, "largest": FILE_MB * 1024 * 1024},
        }


def _clean(name):
    """A file's name without what is no part of it; folders of an upload stay."""
    parts = str(name or "").replace("\\", "/").replace("\x00", "").split("/")
    kept = [part.strip() for part in parts if part.strip() not in ("", ".", "..")]
    return "/".join(kept)[-LONGEST_NAME:]
