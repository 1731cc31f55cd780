from base64 import b64decode

from ..kernel import filetypes, page
from ..kernel.draft import Draft
from . import Adapter, Fetched, Found, Step, skipped


class Files(Adapter):
    """Files that people uploaded: each is kept with its item."""

    is_outside = False
    is_limited = False
    is_certain = True

    def check(self):
        """Nothing to set: files are uploaded."""

    def discover(self):
        items = self._items()
        return Step([Found(item.key, revision=item.file_hash) for item in items])

    def estimate(self):
        return len(self._items())

    def _items(self):
        return self.env["steward.source.item"].search(
            [("source_id", "=", self.source.id), ("file_hash", "!=", False)]
        )

    def fetch(self, item):
        content = b64decode(item.with_context(bin_size=False).file or b"")
        if not content:
            return Fetched("gone", reason=self.env._("The file was removed."))
        try:
            kind = filetypes.kind(item.key, content)
        except filetypes.Refused as error:
            return skipped(str(error), size=len(content))
        if kind not in (filetypes.PDF, filetypes.DOCX):
            content = page.decoded(content).encode()
        draft = Draft(
            external_id=item.key,
            content=content,
            content_type=kind,
            date=item.file_date,
        )
        return Fetched(draft=draft, size=len(content))
