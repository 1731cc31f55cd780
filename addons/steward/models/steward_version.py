import difflib
import hashlib

from markupsafe import Markup

from odoo import api, fields, models

from ..exceptions import Invalid, Refused


class StewardVersioned(models.AbstractModel):
    """Something with a definition, of which every version is kept.

    The model inherits this and has ``version_id`` and ``version_ids``; its versions
    inherit `steward.version.mixin`. A change of the definition makes a version, and
    nothing else does.
    """

    _name = "steward.versioned.mixin"
    _inherit = "steward"
    _description = "With Versions"
    _steward_own_fields = ("version_id",)

    change_note = fields.Char(
        "What changed",
        store=False,
        help="Kept with the version that saving makes.",
    )

    def _definition(self):
        """Return the text of which versions are kept. Hook."""
        raise NotImplementedError

    def _definition_values(self, text):
        """Return the values to write so that the definition becomes this text. Hook."""
        raise NotImplementedError

    def _version_values(self):
        """Return what else a version keeps, as values of it. Hook."""
        return {}

    def _definition_checksum(self, text):
        """Return the fingerprint of all that makes a version another one. Hook."""
        return hashlib.sha256(text.encode()).hexdigest()

    def _current_version(self):
        """The newest version, made now if there is none yet."""
        self.ensure_one()
        if not self.version_id:
            self._keep_version()
        return self.version_id

    @api.model_create_multi
    def create(self, vals_list):
        notes = [vals.pop("change_note", None) for vals in vals_list]
        records = super().create(vals_list)
        for record, note in zip(records, notes, strict=True):
            record._keep_version(note)
        return records

    def write(self, vals):
        vals = dict(vals)
        note = vals.pop("change_note", None)
        done = super().write(vals)
        if self.env.context.get("steward_versioning") is not _VERSIONING:
            for record in self:
                record._keep_version(note)
        return done

    def action_versions(self) -> dict:
        """Show all versions."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Versions of %(name)s", name=self.display_name),
            "res_model": self.version_ids._name,
            "view_mode": "list,form",
            "domain": [(self.version_ids._version_of, "=", self.id)],
        }

    def _keep_version(self, note=None):
        """Make a version if the definition is not that of the newest one."""
        text = self._definition()
        checksum = self._definition_checksum(text)
        newest = self.version_id
        if newest.checksum == checksum:
            return
        # sudo: steward.version.mixin - versions are made by this method alone
        version = self.version_ids.sudo().create(
            {
                newest._version_of: self.id,
                "number": newest.number + 1,
                "text": text,
                "checksum": checksum,
                "note": note,
                "author_id": self.env.uid,
                **self._version_values(),
            }
        )
        record = self.with_context(steward_versioning=_VERSIONING)
        record._write_own({"version_id": version.id})


_VERSIONING = object()  # what comes over RPC cannot hold this very object


class StewardVersion(models.AbstractModel):
    """How a definition was at one time; it never changes."""

    _name = "steward.version.mixin"
    _description = "Version"
    _order = "number desc"
    _rec_name = "number"
    _version_of = None  # the field that leads to what this is a version of
    # what is found out about a version later: our code writes these, nothing else
    _version_facts = ()

    number = fields.Integer("Version", required=True, readonly=True, aggregator=None)
    text = fields.Text("Definition", required=True, readonly=True)
    checksum = fields.Char(required=True, readonly=True, help="SHA-256 of the text.")
    note = fields.Char("What changed", readonly=True)
    author_id = fields.Many2one("res.users", "By", readonly=True)
    compared_to = fields.Integer(
        "Compared with version", compute="_compute_diff", aggregator=None
    )
    diff = fields.Html(
        "Changes", compute="_compute_diff", sanitize=False, help="- before, + after"
    )

    @api.depends("text")
    @api.depends_context("compared_to")
    def _compute_diff(self):
        """What changed since a version; since the one before, if none is named."""
        for version in self:
            number = self.env.context.get("compared_to") or version.number - 1
            siblings = version[self._version_of].version_ids
            other = siblings.filtered(lambda v, n=number: v.number == n)
            version.compared_to = other.number
            version.diff = as_html(version._diff_from(other))

    @api.depends("number")
    def _compute_display_name(self):
        for version in self:
            version.display_name = self.env._(
                "Version %(number)s", number=version.number
            )

    def _diff_from(self, other):
        """The lines of a unified diff from another version (or from nothing)."""
        return list(
            difflib.unified_diff(
                (other.text or "").splitlines(),
                (self.text or "").splitlines(),
                str(other.number or 0),
                str(self.number),
                lineterm="",
            )
        )[2:]

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            raise Refused(self.env._("Versions are made by saving what they are of."))
        return super().create(vals_list)

    def write(self, vals):
        if not vals or set(vals) - set(self._version_facts):
            raise Refused(self.env._("A version never changes; make a new one."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        # those of a deleted record go with it, in the database
        raise Refused(self.env._("Versions stay, so that what ran can be read."))

    def action_compare(self) -> dict:
        """Show what changed between two versions.

        :return: the form of the newer one
        """
        if len(self) != 2:
            raise Invalid(self.env._("Choose the two versions to compare."))
        older, newer = self.sorted("number")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._(
                "Versions %(older)s and %(newer)s",
                older=older.number,
                newer=newer.number,
            ),
            "res_model": self._name,
            "res_id": newer.id,
            "view_mode": "form",
            "context": {"compared_to": older.number},
        }

    def action_restore(self) -> dict:
        """Bring the definition back to what it was in this version.

        :return: the form of what was restored
        """
        self.ensure_one()
        record = self[self._version_of]
        values = record._definition_values(self.text)
        note = self.env._("As in version %(number)s", number=self.number)
        record.write({**values, "change_note": note})
        return record.get_formview_action()


_COLOURS = {"-": "text-danger", "+": "text-success", "@": "text-muted"}


def as_html(lines):
    """The lines of a unified diff in colours."""
    shown = Markup("\n").join(
        Markup('<span class="{}">{}</span>').format(_COLOURS.get(line[:1], ""), line)
        for line in lines
    )
    return Markup('<pre class="mb-0">{}</pre>').format(shown) if lines else False
