import base64

from odoo import Command, api, fields, models
from odoo.addons.steward.exceptions import Invalid
from odoo.addons.steward.kernel.schema import Problems

from ..kernel import skill_format as kernel
from .steward_skill_version import FILES


class StewardSkill(models.Model):
    """Skills come and go as folders of the Agent Skills format."""

    _inherit = "steward.skill"

    export_file = fields.Binary(compute="_compute_export")

    # -- out ---------------------------------------------------------------------------

    @api.model
    def export(self, names: list[str]) -> dict:
        """Hand out skills as an archive of folders with a ``SKILL.md`` each.

        :param names: of the skills; with the newest version of each
        :return: ``{"file", "content"}``: a name for it, and the zip in base64
        """
        skills = self.union(*(self._named(name) for name in names))
        if not skills:
            raise Invalid(self.env._("Say which skills."))
        return {
            "file": skills._archive_name(),
            "content": base64.b64encode(skills._archive()).decode(),
        }

    def _archive(self):
        self.check_access("read")
        return kernel.as_zip(skill._folder() for skill in self)

    def _archive_name(self):
        return f"{self.name}.zip" if len(self) == 1 else "skills.zip"

    def _folder(self):
        """This skill as a folder; what it is filed under here goes with it."""
        self.ensure_one()
        folder = self._current_version()._folder()
        markdown = kernel.changed(
            folder.markdown,
            category=self.category or "",
            tags=self.tag_ids.mapped("name"),
        )
        return folder._replace(markdown=markdown)

    def _compute_export(self):
        for skill in self:
            skill.export_file = skill.id and base64.b64encode(skill._archive())

    def action_export(self) -> dict:
        """Download these skills as an archive."""
        self.check_access("read")
        if len(self) == 1:
            url = (
                f"/web/content/steward.skill/{self.id}/export_file"
                f"/{self.name}.zip?download=true"
            )
            return {"type": "ir.actions.act_url", "url": url, "target": "download"}
        wizard = self.env["steward.skill.export"].create(
            {"skill_ids": [Command.set(self.ids)]}
        )
        return wizard._download()

    # -- in ----------------------------------------------------------------------------

    @api.model
    def import_folder(self, content: str, file: str = "") -> dict:
        """Take in skills: a zip of folders with a ``SKILL.md``, or one such document.

        Whatever comes in is a draft, were a skill of that name approved already: until
        a Reviewer has approved it, agents use what they used before.

        :param content: in base64
        :param file: its name
        :return: ``{"skills": [{"name", "version", "state"}], "ignored": [paths]}``
        """
        self.check_access("create")
        try:
            raw = base64.b64decode(content, validate=True)
        except ValueError as error:
            raise Invalid(self.env._("The content is not in base64.")) from error
        folders, ignored = self._read_folders(raw, file)
        skills = self._take_in(folders, self.env.company)
        return {
            "skills": [
                {
                    "name": skill.name,
                    "version": skill.version_number,
                    "state": skill.state,
                }
                for skill in skills
            ],
            "ignored": ignored,
        }

    @api.model
    def _read_folders(self, raw, file=""):
        """The folders of an upload, checked as far as they can be without a database.

        :raises Invalid: in a sentence, which folder cannot be used and why
        """
        try:
            if raw[:2] == b"PK":
                folders, ignored = kernel.read_zip(raw)
            else:
                name = file or kernel.DOCUMENT
                if len(raw) > kernel.MAX_FILE:
                    raise kernel.Unreadable(f"{name} is too large to be a document.")
                folders, ignored = [kernel.Folder("", kernel.as_text(raw, name))], []
            for folder in folders:
                for path in FILES.values():
                    folder.text_of(path)
        except kernel.Unreadable as error:
            raise Invalid(str(error)) from error
        problems = []
        for folder in folders:
            try:
                kernel.parse(folder.markdown)
            except Problems as error:
                place = f"{folder.directory or '.'}/{kernel.DOCUMENT}"
                problems.append(f"{place}\n{error}")
        if problems:
            raise Invalid("\n\n".join(problems))
        return folders, ignored

    @api.model
    def _take_in(self, folders, company):
        """Make skills of folders, or new versions of those there are."""
        taken = self.browse()
        for folder in folders:
            said = kernel.parse(folder.markdown)
            there = self.with_context(active_test=False)
            existing = there._by_names([said.name], company)
            values = {
                "text": folder.markdown,
                **{name: folder.text_of(path) for name, path in FILES.items()},
                "change_note": self.env._("Imported"),
            }
            rest = [f for f in folder.files if f.path not in FILES.values()]
            if existing:
                files = self.env["steward.skill.file"]._kept(existing, rest)
                existing.write({**values, "file_ids": [Command.set(files.ids)]})
                taken |= existing
                continue
            filed = {
                "company_id": company.id,
                "category": said.category or False,
                "tag_ids": [
                    Command.set(self.env["steward.skill.tag"]._named(said.tags).ids)
                ],
            }
            brings = self.with_context(steward_files=tuple(rest))
            skill = brings._create_own([{**values, **filed, "origin": "imported"}])
            taken |= skill.with_env(self.env)
        return taken

    def _keep_version(self, note=None):
        """The first version of what is imported has the files it came with."""
        files = self.env.context.get("steward_files")
        # what comes over RPC is no such tuple
        if isinstance(files, tuple) and files and not self.version_id:
            kept = self.env["steward.skill.file"]._kept(self, files)
            self.with_context(steward_files=None).write(
                {"file_ids": [Command.set(kept.ids)], "change_note": note}
            )
            return
        super()._keep_version(note)
