import re

from odoo import api, models
from odoo.addons.steward.exceptions import Invalid

from .steward_toolbox import NEVER, SECRET

MOST_FIELDS = 60  # of which one answer tells
MOST_CHANGES = 30
MOST_MODELS = 50
MOST_PASSAGES = 20
_WORD = re.compile(r"\w{3,}")
OPERATIONS = ("read", "write", "create", "unlink")


class StewardToolbox(models.AbstractModel):
    """Tools that tell how this Odoo is made, and why a record looks as it does.

    Names and connections only: what rules and automations say inside is for who may
    read them.
    """

    _inherit = "steward.toolbox"

    @api.model
    @api.readonly
    def explain_record(
        self, model: str, record_id: int, fields: list[str] | None = None
    ) -> dict:
        """Tell why a record looks as it does, and who and what had a hand in it.

        :param model: technical name, as ``res.partner``
        :param record_id: its id
        :param fields: technical names of the fields in question; without: those that
            are filled
        :return: ``{"name", "created", "changed", "fields": [...], "changes": [...],
            "rights": {...}, "rules": [...], "automations": [...], "views": [...]}``
        """
        record = self._records(model, [record_id])
        wanted = self._readable_fields(record, fields or self._filled(record))
        more = len(wanted) - MOST_FIELDS
        told = {
            "name": record.display_name,
            **self._log_of(record),
            "fields": self._explained(record, wanted[:MOST_FIELDS]),
            "changes": self._changes_of(record),
            "rights": {name: record.has_access(name) for name in OPERATIONS},
            "rules": self._rules_of(record),
            "automations": self._automations_of(record),
            "views": self._views_of(record),
        }
        return {**told, "left_out": more} if more > 0 else told

    @api.model
    @api.readonly
    def find_models(self, words: str, limit: int = 20) -> dict:
        """Find the models of this Odoo whose name or purpose has these words.

        :param words: as ``sales order``; any of them may fit
        :param limit: how many at most, up to 50
        :return: ``{"models": [{"model", "name", "apps"}]}``
        """
        looked_for = [_forms(word) for word in _WORD.findall(words.lower())]
        # sudo: ir.model - names of models that the caller may look at; see below
        models_ = self.env["ir.model"].sudo().search([("transient", "=", False)])
        found = []
        for model in models_:
            text = f"{model.model} {model.name}".lower().replace("_", " ")
            known = set(_WORD.findall(text))
            hits = sum(bool(forms & known) for forms in looked_for)
            if hits and self._may_see(model.model):
                found.append((hits, -len(text), model))
        found.sort(key=lambda row: row[:2], reverse=True)
        return {
            "models": [
                {"model": model.model, "name": model.name, "apps": model.modules or ""}
                for _hits, _length, model in found[: max(1, min(limit, MOST_MODELS))]
            ]
        }

    @api.model
    @api.readonly
    def describe_model(self, model: str) -> dict:
        """Tell what a model keeps: its fields, and what they mean.

        :param model: technical name, as ``res.partner``
        :return: ``{"name", "fields": [{"name", "label", "type", "help"?, "leads_to"?,
            "required"?, "values"?}]}``
        """
        records = self._model(model)
        names = [
            name
            for name in records._fields
            if self._is_open(records, name) and name not in models.MAGIC_COLUMNS
        ]
        described = records.fields_get(
            names, ["string", "type", "help", "relation", "required", "selection"]
        )
        return {
            "name": records._description,
            "fields": [
                {
                    "name": name,
                    "label": about["string"],
                    "type": about["type"],
                    **({"help": about["help"]} if about.get("help") else {}),
                    **({"leads_to": about["relation"]} if "relation" in about else {}),
                    **({"required": True} if about.get("required") else {}),
                    **(
                        {"values": [label for _key, label in about["selection"]][:50]}
                        if about.get("selection")
                        else {}
                    ),
                }
                for name, about in described.items()
            ],
        }

    @api.model
    def find_documents(self, query: str, limit: int = 5) -> dict:
        """Find what documents say, to be cited by number, title and address.

        :param query: words, a question, an error message
        :param limit: how many passages at most, up to 20
        :return: ``{"passages": [{"number", "title", "url", "text"}]}``
        """
        # another addon of the same floor: asked by name, if it is there
        documents = self.env.get("steward.document")
        if documents is None:
            raise Invalid(
                self.env._(
                    "No documents are kept here: Steward's knowledge is not installed."
                    " Find out with find_models and describe_model."
                )
            )
        found = documents.find(query, limit=max(1, min(limit, MOST_PASSAGES)))
        return {
            "passages": [
                {
                    "number": number,
                    "title": row["title"],
                    "url": row["url"] or "",
                    "text": row["text"],
                }
                for number, row in enumerate(found, 1)
            ]
        }

    # -- how ---------------------------------------------------------------------------

    def _may_see(self, name):
        model = self.env.get(name)
        return model is not None and not model._abstract and model.has_access("read")

    def _is_open(self, records, name):
        """Whether tools may tell of a field."""
        field = records._fields[name]
        return (
            field.type not in NEVER
            and not SECRET.search(name)
            and records._has_field_access(field, "read")
        )

    def _filled(self, record):
        """Fields of the record that hold something, those that people see first."""
        shown = [
            name
            for name, field in record._fields.items()
            if name not in models.MAGIC_COLUMNS
            and self._is_open(record, name)
            and (field.store or field.related or field.compute)
            and not field.type.endswith("2many")
            and not name.startswith(("message_", "activity_", "my_activity_"))
        ]
        return [name for name in shown if record._fields[name].store and record[name]]

    def _explained(self, record, names):
        rows = self._rows(record, names)
        return [
            {
                "name": name,
                "label": record._fields[name]._description_string(self.env),
                "value": rows[0][name],
                "origin": self._origin_of(record, record._fields[name]),
                **({"required": True} if record._fields[name].required else {}),
                "apps": sorted(record._fields[name]._modules),
            }
            for name in names
        ]

    def _origin_of(self, record, field):
        """Where a field's value comes from, in a sentence."""
        if field.related:
            return self.env._("taken from %(path)s", path=field.related)
        if not field.compute:
            return self.env._("entered")
        names = [
            path
            for path in field.get_depends(record)[0]
            if self._path_is_open(record, path)
        ]
        if not names:
            return self.env._("computed")
        told = ", ".join(sorted(names)[:10])
        if field.readonly:
            return self.env._("computed from %(names)s", names=told)
        return self.env._(
            "computed from %(names)s, and may be entered instead", names=told
        )

    def _path_is_open(self, record, path):
        name = path.split(".")[0]
        return name in record._fields and self._is_open(record, name)

    def _log_of(self, record):
        told = {}
        for key, who, when in (
            ("created", "create_uid", "create_date"),
            ("changed", "write_uid", "write_date"),
        ):
            if record._log_access and record[when]:
                # sudo: res.users - the name of who did it, as Odoo's screens show it
                by = record[who].sudo().name or ""
                told[key] = {"by": by, "at": self._plain(record[when])}
        return told

    def _changes_of(self, record):
        """What was changed and is kept in the discussion, the newest first."""
        if "message_ids" not in record._fields:
            return []
        # the messages are those that the caller may read, the values of the fields too
        # sudo: mail.tracking.value - nobody else may read them but by this filter
        values = self.env["mail.tracking.value"].sudo()
        values = values.search(
            [("mail_message_id", "in", record.message_ids.ids)],
            order="id desc",
            limit=MOST_CHANGES,
        )
        values = values._filter_has_field_access(self.env)
        told = []
        for value in values:
            name = value.field_id.name
            if (
                not name
                or name not in record._fields
                or not self._is_open(record, name)
            ):
                continue
            message = value.mail_message_id
            [change] = value._tracking_value_format()
            told.append(
                {
                    "field": name,
                    "before": self._plain(change["oldValue"]),
                    "after": self._plain(change["newValue"]),
                    "by": message.author_id.name or message.email_from or "",
                    "at": self._plain(message.date),
                }
            )
        return told

    def _rules_of(self, record):
        """The record rules that decide what the caller may do with the model."""
        found = {}
        for operation in OPERATIONS:
            # sudo: ir.rule - names of the rules that hold for the caller, no contents
            for rule in self.env["ir.rule"]._get_rules(record._name, operation).sudo():
                row = found.setdefault(
                    rule.id,
                    {
                        "name": rule.name,
                        "whom": ", ".join(rule.groups.mapped("full_name"))
                        or self.env._("everybody"),
                        "decides": [],
                    },
                )
                row["decides"].append(operation)
        return list(found.values())

    def _automations_of(self, record):
        """What acts by itself on records like this one."""
        told = []
        if "base.automation" in self.env:
            # sudo: base.automation - names and triggers, no contents
            rules = self.env["base.automation"].sudo()
            triggers = dict(rules._fields["trigger"]._description_selection(self.env))
            told += [
                {
                    "kind": self.env._("automation rule"),
                    "name": rule.name,
                    "when": triggers.get(rule.trigger, ""),
                    "does": rule.action_server_ids.mapped("name"),
                }
                for rule in rules.search([("model_name", "=", record._name)])
            ]
        # sudo: ir.cron - names and intervals, no contents
        crons = self.env["ir.cron"].sudo()
        return told + [
            {
                "kind": self.env._("scheduled action"),
                "name": cron.name,
                "when": self.env._(
                    "every %(n)s %(unit)s",
                    n=cron.interval_number,
                    unit=cron.interval_type,
                ),
            }
            for cron in crons.search([("model_id.model", "=", record._name)])
        ]

    def _views_of(self, record):
        """The form that people see, and what was added to it."""
        # sudo: ir.ui.view - names of views, and from which app they come
        views = self.env["ir.ui.view"].sudo()
        found = views.search(
            [("model", "=", record._name), ("type", "=", "form")],
            order="mode desc, priority, id",
            limit=40,
        )
        return [
            {
                "name": view.name,
                "id": view.xml_id or "",
                **({"adds_to": view.inherit_id.name} if view.inherit_id else {}),
            }
            for view in found
            if not view.group_ids or view.group_ids & self.env.user.all_group_ids
        ]


def _forms(word):
    """A word, and what it may be the plural of."""
    return {word, word.removesuffix("s"), re.sub("ies$", "y", word)}
