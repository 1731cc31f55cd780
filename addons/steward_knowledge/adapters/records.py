import ast
import hashlib

from odoo.addons.steward.exceptions import Refused
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import html2plaintext

from ..exceptions import SourceInvalid
from ..kernel.draft import Draft
from ..kernel.template import TemplateError, fill, names
from . import Adapter, Fetched, Found, Step, skipped

KINDS = {
    *("char", "text", "html", "selection", "integer", "float", "monetary"),
    *("boolean", "date", "datetime", "many2one", "reference", "many2one_reference"),
}
PAGE = 5000  # records listed in one step


class Records(Adapter):
    """Records of one model, as the person who chose them may read them.

    Each document names its record: who may not read that does not find it. What a
    template shows beyond the record's own rule (fields of some groups only, other
    records' contents) is refused, because no rule would ask the reader about it.

    `memory`: ``after`` the last record listed.
    """

    is_outside = False
    is_certain = True

    def check(self):
        source = self.source
        model = self.env.get(source.record_model or "")
        if model is None or model._abstract or model._transient:
            raise SourceInvalid(self.env._("Choose which records are to be harvested."))
        for template in (source.record_title, source.record_body):
            try:
                wanted = names(template or "")
            except TemplateError as error:
                raise SourceInvalid(str(error)) from error
            for name in wanted:
                self._check_field(model, name)
        self._domain()

    def _check_field(self, model, name):
        """Refuse a field whose content not everybody may see who sees the record."""
        if name == "display_name":
            return
        field = model._fields.get(name)
        if field is None:
            raise SourceInvalid(
                self.env._(
                    "%(model)s has no field %(name)s.",
                    model=model._description,
                    name=name,
                )
            )
        if field.type not in KINDS or not field.store or field.company_dependent:
            raise SourceInvalid(
                self.env._(
                    "The field %(name)s cannot be used: only stored fields of the"
                    " record itself are read.",
                    name=name,
                )
            )
        if field.groups and not self._readers_have(field.groups):
            raise SourceInvalid(
                self.env._(
                    "The field %(name)s is not for everybody: let only readers find"
                    " this source who are of one of its groups (%(groups)s).",
                    name=name,
                    groups=field.groups,
                )
            )

    def _readers_have(self, groups):
        """Whether each group of readers implies one that may see the field."""
        wanted = [
            self.env.ref(name.strip(), raise_if_not_found=False)
            for name in groups.split(",")
        ]
        wanted = {group.id for group in wanted if group}
        # sudo: res.groups - what implies what, for whoever configures a source
        readers = self.source.sudo().group_ids
        return bool(readers) and all(
            wanted & set((group | group.all_implied_ids).ids) for group in readers
        )

    # -- records -------------------------------------------------------------------

    def _model(self):
        """The model, with the rights of who chose the records.

        :raises SourceInvalid: when that person may no longer read them
        """
        source = self.source
        # sudo: res.users - whoever harvests need not see the user
        user = source.sudo().record_user_id
        companies = source.company_id or user.company_ids
        name = source.record_model
        if name not in self.env:
            raise SourceInvalid(self.env._("There is no %(name)s any more.", name=name))
        if not user.active and not user._is_superuser():
            raise SourceInvalid(
                self.env._(
                    "%(user)s, with whose rights records are read, is archived. Save"
                    " the records' settings anew.",
                    user=user.name,
                )
            )
        model = self.env[name].with_user(user)
        return model.with_context(
            allowed_company_ids=companies.ids,
            lang=source.record_lang or user.lang or "en_US",
            active_test=True,
        )

    def _domain(self):
        text = self.source.record_domain or "[]"
        try:
            domain = Domain(ast.literal_eval(text))
            domain.validate(self.env[self.source.record_model])
        except (ValueError, TypeError, SyntaxError, KeyError) as error:
            raise SourceInvalid(
                self.env._("The condition %(domain)s makes no sense.", domain=text),
                detail=repr(error),
            ) from error
        return domain

    def _records(self, after=0, ids=None):
        domain = self._domain() & Domain("id", ">", after)
        if ids is not None:
            domain &= Domain("id", "in", ids)
        try:
            return self._model().search(domain, order="id", limit=PAGE)
        except AccessError as error:
            raise Refused(
                self.env._(
                    "%(user)s may not read these records.",
                    user=self.source.record_user_id.name,
                )
            ) from error

    def discover(self):
        self.check()
        records = self._records(self.memory.get("after", 0))
        self.memory["after"] = records[-1:].id or 0
        self.memory["listed"] = self.memory.get("listed", 0) + len(records)
        over = len(records) < PAGE
        if self.memory["listed"] >= self.source.page_limit:
            self.memory["capped"] = "limit"
            over = True
        return Step(self._listed(records), over)

    def listed(self, ids):
        """Of some records, those that belong to the source."""
        return self._listed(self._records(ids=ids))

    def _listed(self, records):
        dated = records._log_access
        return [
            Found(
                f"{records._name},{record.id}",
                revision=f"{record.write_date}|{self.settings}" if dated else "",
            )
            for record in records
        ]

    @property
    def settings(self):
        """What else decides about a document: a new template makes it anew."""
        source = self.source
        told = f"{source.record_title}|{source.record_body}|{source.record_lang}"
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def is_complete(self):
        return not self.memory.get("capped")

    def estimate(self):
        return self._model().search_count(self._domain())

    def fetch(self, item):
        _model, _comma, number = item.key.rpartition(",")
        record = self._records(ids=[int(number)])
        if not record:
            return Fetched("gone", reason=self.env._("It is no longer among them."))
        source = self.source

        def told(name):
            return self._told(record, name)

        text = fill(source.record_body or "", told).strip()
        title = fill(source.record_title or "{display_name}", told).strip()
        if not text:
            return skipped(self.env._("There is no text in it."))
        draft = Draft(
            external_id=item.key,
            title=title or record.display_name,
            content=text,
            content_type="text/markdown",
            url=f"/odoo/{record._name}/{record.id}",
            language=record.env.context["lang"][:2],
            date=record.write_date if record._log_access else None,
            res_model=record._name,
            res_id=record.id,
        )
        return Fetched(draft=draft, size=len(text))

    def _told(self, record, name):
        if name == "display_name":
            return record.display_name or ""
        field = record._fields[name]
        self._check_field(record, name)  # it may have changed since it was chosen
        value = record[name]
        if field.type in ("many2one", "reference"):
            # sudo: base - names of what a record names, as every form shows them
            return value.sudo().display_name if value else ""
        if field.type == "html":
            return html2plaintext(value) if value else ""
        if field.type == "selection":
            return dict(field._description_selection(record.env)).get(value, "")
        if field.type == "boolean":
            return self.env._("yes") if value else self.env._("no")
        return "" if value is False or value is None else str(value)
