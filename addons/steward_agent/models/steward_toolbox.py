import re
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from odoo import Command, api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.fields import Domain

from ..kernel.expression import near
from ..kernel.query import QueryProblem, read_domain

DEFAULT_LIMIT = 80
MAX_LIMIT = 1000
MAX_IDS = 1000  # records written at once
MAX_TEXT = 100_000  # characters of a message
NEVER = ("binary", "image", "json", "properties", "properties_definition", "serialized")
SECRET = re.compile(r"(^|_)(password|passwd|token|secret|api_?key)(_|$)")
NUMBERS = ("integer", "float", "monetary", "many2one_reference")
DOMAIN_FORM = '[["state", "=", "draft"], ["date", "<", "2026-01-31"]]'

# what JSON carries, told exactly; a condition's value may be a list of them
Leaf = str | int | float | bool | None
Value = Leaf | list[Leaf]
Condition = list[Value]


class StewardToolbox(models.AbstractModel):
    """What agents may do with any model, within the rights of who calls.

    Everything comes as plain JSON: times in UTC as ``2026-01-31 08:30:00``, a link as
    ``{"id", "name"}``, what is empty as ``false``. What cannot be understood is refused
    with a sentence; no mistake ever makes a search wider.
    """

    _name = "steward.toolbox"
    _description = "Ready-made Tools"

    # -- reading ---------------------------------------------------------------

    @api.model
    @api.readonly
    def find_records(
        self,
        model: str,
        domain: list[str | Condition] | None = None,
        fields: list[str] | None = None,
        limit: int = DEFAULT_LIMIT,
        offset: int = 0,
        order: str = "",
    ) -> dict:
        """Find the records of a model that fit a domain.

        :param model: technical name, as ``res.partner``
        :param domain: conditions, as ``[["country_id.code", "=", "BE"]]``; all records
            that the caller may see without
        :param fields: technical names of the fields to return; the name alone without
        :param limit: how many at most, up to 1000
        :param offset: how many to leave out, to read on
        :param order: fields to sort by, as ``"create_date desc, id"``
        :return: ``{"records": [...], "more"?: {"offset", "limit"}}``
        """
        records = self._model(model)
        wanted = self._readable_fields(records, fields or ["display_name"])
        self._check_page(limit, offset)
        found = records.search_fetch(
            self._domain(records, domain or []),
            [name for name in wanted if records._fields[name].store],
            offset=offset,
            limit=limit + 1,
            order=self._order_of(records, order),
        )
        answer = {"records": self._rows(found[:limit], wanted)}
        if len(found) > limit:
            answer["more"] = {"offset": offset + limit, "limit": limit}
        return answer

    @api.model
    @api.readonly
    def read_records(
        self, model: str, record_ids: list[int], fields: list[str] | None = None
    ) -> dict:
        """Read records whose ids are known.

        :param model: technical name
        :param record_ids: their ids, up to 1000
        :param fields: technical names of the fields to return; the name alone without
        :return: ``{"records": [...]}`` in that order
        """
        records = self._records(model, record_ids)
        wanted = self._readable_fields(records, fields or ["display_name"])
        return {"records": self._rows(records, wanted)}

    @api.model
    @api.readonly
    def count_records(
        self, model: str, domain: list[str | Condition] | None = None
    ) -> dict:
        """Count the records of a model that fit a domain.

        :param model: technical name
        :param domain: conditions; all records that the caller may see without
        :return: ``{"count": int}``
        """
        records = self._model(model)
        return {"count": records.search_count(self._domain(records, domain or []))}

    @api.model
    @api.readonly
    def aggregate_records(
        self,
        model: str,
        by: list[str] | None = None,
        measures: list[str] | None = None,
        domain: list[str | Condition] | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> dict:
        """Count and sum records in groups.

        :param model: technical name
        :param by: fields that make the groups; of dates with a unit, as
            ``"create_date:month"``; one group of all without
        :param measures: what is computed, as ``"amount_total:sum"``; also ``avg``,
            ``min``, ``max`` and ``count_distinct``. The count always is.
        :param domain: conditions; all records that the caller may see without
        :param limit: how many groups at most, up to 1000
        :return: ``{"groups": [{..., "count": int}]}``, the largest first
        """
        records = self._model(model)
        by, measures = by or [], measures or []
        self._check_page(limit, 0)
        for text in by:
            self._check_group(records, text)
        for text in measures:
            self._check_measure(records, text)
        rows = records._read_group(
            self._domain(records, domain or []),
            by,
            ["__count", *measures],
            limit=limit,
            order="__count desc" if by else None,
        )
        names = [*by, "count", *measures]
        return {
            "groups": [
                {n: self._plain(value) for n, value in zip(names, row, strict=True)}
                for row in rows
            ]
        }

    # -- writing ---------------------------------------------------------------

    @api.model
    def create_record(
        self, model: str, values: dict[str, Value], preview: bool = False
    ) -> dict:
        """Create a record.

        :param model: technical name
        :param values: field -> value; a link as an id, several as a list of ids
        :param preview: only tell what would be written
        :return: ``{"id", "name"}``, or ``{"changes": [...]}`` of a preview
        """
        records = self._model(model)
        records.check_access("create")
        ready = self._writable(records, values)
        if preview:
            return {"changes": self._changes(records, ready)}
        record = records.create(ready)
        return {"id": record.id, "name": record.display_name}

    @api.model
    def write_records(
        self,
        model: str,
        record_ids: list[int],
        values: dict[str, Value],
        preview: bool = False,
    ) -> dict:
        """Change records.

        :param model: technical name
        :param record_ids: their ids, up to 1000
        :param values: field -> value; a link as an id, several as a list of ids
        :param preview: only tell what would change, field by field
        :return: ``{"written": int}``, or ``{"records": [{"id", "name", "changes"}]}``
        """
        records = self._records(model, record_ids)
        records.check_access("write")
        ready = self._writable(records, values)
        if preview:
            return {
                "records": [
                    {
                        "id": record.id,
                        "name": record.display_name,
                        "changes": self._changes(record, ready),
                    }
                    for record in records
                ]
            }
        records.write(ready)
        return {"written": len(records)}

    @api.model
    def post_message(
        self,
        model: str,
        record_id: int,
        body: str,
        kind: Literal["note", "comment"] = "note",
    ) -> dict:
        """Write into the discussion of a record.

        :param model: technical name
        :param record_id: its id
        :param body: plain text
        :param kind: a note is for colleagues; a comment is sent to all followers
        :return: ``{"id"}`` of the message
        """
        record = self._records(model, [record_id])
        if not hasattr(record, "message_post"):
            raise Invalid(
                self.env._("%(model)s has no discussion.", model=record._description)
            )
        if len(body) > MAX_TEXT or not body.strip():
            raise Invalid(
                self.env._(
                    "A message has at least one and at most %(most)s characters.",
                    most=MAX_TEXT,
                )
            )
        message = record.message_post(body=body, subtype_xmlid=f"mail.mt_{kind}")
        return {"id": message.id}

    @api.model
    def schedule_activity(
        self,
        model: str,
        record_id: int,
        summary: str,
        note: str = "",
        days: int = 0,
        user: str = "",
        again: bool = False,
    ) -> dict:
        """Ask somebody to do something about a record.

        :param model: technical name
        :param record_id: its id
        :param summary: what to do, in a few words
        :param note: more about it, plain text
        :param days: in how many days it is due
        :param user: login of who should do it; the record's own responsible without
        :param again: also if one with the same summary is open already
        :return: ``{"id", "created": bool}``
        """
        record = self._records(model, [record_id])
        if not hasattr(record, "activity_schedule"):
            raise Invalid(
                self.env._("%(model)s has no activities.", model=record._description)
            )
        if not summary.strip() or len(summary) + len(note) > MAX_TEXT:
            raise Invalid(self.env._("An activity has a short summary."))
        if not -3650 <= days <= 3650:
            raise Invalid(self.env._("An activity is due within ten years."))
        person = self._assignee(record, user)
        if not again:
            open_ones = record.activity_ids.filtered(lambda a: a.summary == summary)
            if open_ones:
                return {"id": open_ones[0].id, "created": False}
        activity = record.activity_schedule(
            "mail.mail_activity_data_todo",
            date_deadline=fields.Date.context_today(self) + timedelta(days=days),
            summary=summary,
            note=note,
            user_id=person.id,
        )
        return {"id": activity.id, "created": True}

    @api.model
    def tell_contact(self, summary: str, note: str = "") -> dict:
        """Ask Steward's contact to look at something, once as long as it is open.

        :param summary: what it is about, in a few words
        :param note: more about it, plain text
        :return: ``{"id", "created": bool}``
        """
        person = self.env["res.config.settings"]._steward_contact()
        if not person:
            # sudo: res.groups - somebody has to hear of it
            group = self.env.ref("steward.group_administrator").sudo()
            root = self.env.ref("base.user_root")
            person = (group.all_user_ids.filtered("active") - root)[:1]
        return self.schedule_activity(
            "res.partner", person.partner_id.id, summary, note, user=person.login
        )

    # -- leaving the database ----------------------------------------------------

    @api.model
    def call_webhook(
        self,
        webhook: str,
        payload: dict[str, Value | dict[str, Value] | list[dict[str, Value]]],
        idempotency_key: str = "",
    ) -> dict:
        """Send JSON to a service that an administrator has registered.

        :param webhook: its name in Steward
        :param payload: what is sent
        :param idempotency_key: tells the service that it is the same call again
        :return: ``{"status": int, "answer"?: ...}``
        """
        found = self.env["steward.webhook"].search([("name", "=", webhook)], limit=1)
        if not found:
            raise Invalid(
                self.env._(
                    "There is no webhook %(name)s. An administrator registers it under"
                    " Steward, Configuration, Webhooks.",
                    name=webhook,
                )
            )
        return found._send(payload, idempotency_key)

    # -- what is asked for --------------------------------------------------------

    def _model(self, name):
        """The model, if the caller may look at it at all."""
        if name not in self.env or self.env[name]._abstract:
            known = [n for n, model in self.env.items() if not model._abstract]
            raise Invalid(
                self.env._(
                    "There is no model %(name)s%(hint)s.",
                    name=repr(name),
                    hint=near(name, known),
                )
            )
        model = self.env[name]
        if model._transient:
            raise Refused(
                self.env._("%(name)s is a form, not something that is kept.", name=name)
            )
        model.check_access("read")
        return model

    def _records(self, model, ids):
        """The records of these ids: all of them, or a refusal."""
        records = self._model(model).browse(dict.fromkeys(ids))
        if not ids or len(ids) > MAX_IDS:
            raise Invalid(
                self.env._("At least one and at most %(most)s ids.", most=MAX_IDS)
            )
        if any(not 0 < record_id < 2**31 for record_id in ids):
            raise Invalid(self.env._("An id is a number above 0."))
        missing = records - records.exists()
        if missing:
            raise Invalid(
                self.env._(
                    "%(model)s: there is none with the id %(ids)s.",
                    model=model,
                    ids=", ".join(map(str, missing.ids[:10])),
                )
            )
        records.check_access("read")
        return records

    def _field(self, model, name, operation="read"):
        field = model._fields.get(name)
        if field is None or not model._has_field_access(field, operation):
            # one sentence for both: what one may not see, one is not told of
            known = [
                n
                for n, f in model._fields.items()
                if model._has_field_access(f, "read")
            ]
            raise Invalid(
                self.env._(
                    "%(model)s has no field %(name)s%(hint)s.",
                    model=model._name,
                    name=repr(name),
                    hint=near(name, known),
                )
            )
        if field.type in NEVER or SECRET.search(name):
            raise Refused(
                self.env._(
                    "%(model)s.%(name)s holds a file, a secret or technical data, which"
                    " tools do not hand out.",
                    model=model._name,
                    name=name,
                )
            )
        return field

    def _readable_fields(self, model, names):
        for name in names:
            self._field(model, name)
        return list(dict.fromkeys(name for name in names if name != "id"))

    def _check_page(self, limit, offset):
        if not 1 <= limit <= MAX_LIMIT or not 0 <= offset < 2**31:
            raise Invalid(
                self.env._("The limit is from 1 to %(most)s.", most=MAX_LIMIT)
            )

    def _order_of(self, model, text):
        if not text:
            return None
        for part in text.split(","):
            if not (found := re.fullmatch(r"\s*(\w+)(\s+(asc|desc))?\s*", part, re.I)):
                raise Invalid(
                    self.env._(
                        "An order is fields with asc or desc, as: date desc, id."
                    )
                )
            if not self._field(model, found[1])._description_sortable(self.env):
                raise Invalid(
                    self.env._("Nothing can be sorted by %(name)s.", name=found[1])
                )
        return text

    def _check_group(self, model, text):
        name, _colon, unit = text.partition(":")
        field = self._field(model, name)
        is_date = field.type in ("date", "datetime")
        units = ("hour", "day", "week", "month", "quarter", "year")
        if not field._description_groupable(self.env) or (
            is_date != bool(unit) or (unit and unit not in units)
        ):
            raise Invalid(
                self.env._(
                    "Nothing can be grouped by %(text)s; a date has a unit, as in"
                    " create_date:month, and nothing else has.",
                    text=text,
                )
            )

    def _check_measure(self, model, text):
        name, _colon, function = text.partition(":")
        field = self._field(model, name)
        functions = ["count_distinct", "min", "max"]
        if field.type in NUMBERS:
            functions = ["sum", "avg", *functions]
        if function not in functions or not field.store:
            raise Invalid(
                self.env._(
                    "%(text)s cannot be computed; of %(name)s there is %(functions)s.",
                    text=text,
                    name=name,
                    functions=", ".join(functions if field.store else ["nothing"]),
                )
            )

    def _assignee(self, record, login):
        if login:
            user = self.env["res.users"].search([("login", "=", login)], limit=1)
            if not user:
                raise Invalid(self.env._("There is no user %(login)s.", login=login))
            return user
        responsible = record._fields.get("user_id")
        if responsible and responsible.comodel_name == "res.users":
            return record.user_id or self.env.user
        return self.env.user

    # -- domains -----------------------------------------------------------------

    def _domain(self, model, written):
        """A domain that says what was written, or a refusal: never something wider."""
        try:
            conditions = read_domain(written)
        except QueryProblem as problem:
            raise Invalid(
                self.env._(
                    "This domain is malformed: %(problem)s. It looks like %(form)s.",
                    problem=problem,
                    form=DOMAIN_FORM,
                )
            ) from problem
        return Domain(
            [
                item if isinstance(item, str) else self._condition(model, *item)
                for item in conditions
            ]
        )

    def _condition(self, model, path, operator, value):
        field = self._followed(model, path)
        values = value if isinstance(value, list) else [value]
        if operator in ("like", "not like", "ilike", "not ilike", "=like", "=ilike"):
            return (path, operator, value)
        ready = [self._comparable(field, path, one) for one in values]
        return (path, operator, ready if isinstance(value, list) else ready[0])

    def _followed(self, model, path):
        """The field at the end of a path, of which each step may be read."""
        *links, name = path.split(".")
        for link in links:
            field = self._field(model, link)
            if not field.relational:
                raise Invalid(
                    self.env._(
                        "%(path)s leads nowhere: %(link)s is no link.",
                        path=path,
                        link=link,
                    )
                )
            # a search through a link must not answer what reading would not
            model = self._model(field.comodel_name)
        field = self._field(model, name)
        if not field._description_searchable:
            raise Invalid(self.env._("Nothing can be found by %(path)s.", path=path))
        return field

    def _comparable(self, field, path, value):
        """A value that the field may have, or a refusal that tells what it may have."""
        if value is None or value is False:
            return False
        fits = True
        if field.type in ("date", "datetime"):
            return self._time(field, path, value)
        if field.type == "boolean":
            fits = value is True
        elif field.type in NUMBERS or field.name == "id":
            fits = isinstance(value, int | float) and value is not True
        elif field.type == "selection":
            known = [str(key) for key in field.get_values(self.env)]
            if value not in known:
                raise Invalid(
                    self.env._(
                        "%(path)s is never %(value)s%(hint)s; it is one of: %(known)s.",
                        path=path,
                        value=repr(value),
                        hint=near(str(value), known),
                        known=", ".join(known[:20]),
                    )
                )
        elif field.relational:
            fits = value is not True and isinstance(value, int | str)
        else:
            fits = isinstance(value, str)
        if not fits:
            raise Invalid(
                self.env._(
                    "%(path)s cannot be compared with %(value)s; it is of the type"
                    " %(type)s.",
                    path=path,
                    value=repr(value)[:60],
                    type=field.type,
                )
            )
        return value

    def _time(self, field, path, value):
        try:
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise Invalid(
                self.env._(
                    "%(path)s is a date: write it as 2026-01-31 or"
                    " 2026-01-31 08:30:00, not %(value)s.",
                    path=path,
                    value=repr(value)[:60],
                )
            ) from None
        if moment.tzinfo:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        if field.type == "date":
            return fields.Date.to_string(moment)
        if len(value) == len("2026-01-31"):
            return value  # Odoo knows what a whole day is
        return fields.Datetime.to_string(moment)

    # -- values --------------------------------------------------------------------

    def _writable(self, model, values):
        """Values as the ORM takes them; a list of ids replaces what is linked."""
        if not values:
            raise Invalid(self.env._("There is nothing to write."))
        ready = {}
        for name, value in values.items():
            field = self._field(model, name, "write")
            if name in models.MAGIC_COLUMNS or (
                field.readonly and not (field.inverse or field.store)
            ):
                raise Refused(
                    self.env._(
                        "%(model)s.%(name)s cannot be written.",
                        model=model._name,
                        name=name,
                    )
                )
            if isinstance(value, list) != (field.type in ("one2many", "many2many")):
                raise Invalid(
                    self.env._(
                        "%(model)s.%(name)s is %(wanted)s.",
                        model=model._name,
                        name=name,
                        wanted=self.env._("one value")
                        if isinstance(value, list)
                        else self.env._("a list of ids"),
                    )
                )
            if isinstance(value, list):
                linked = self._records(field.comodel_name, value) if value else ()
                ready[name] = [Command.set([record.id for record in linked])]
            elif field.type == "many2one" and value not in (None, False):
                if isinstance(value, bool) or not isinstance(value, int):
                    raise Invalid(
                        self.env._(
                            "%(model)s.%(name)s is a link: give the id of the record.",
                            model=model._name,
                            name=name,
                        )
                    )
                ready[name] = self._records(field.comodel_name, [value]).id
            elif field.type in ("char", "text", "html"):
                if value not in (None, False) and not isinstance(value, str):
                    value = str(value)
                ready[name] = value or False
            elif field.type == "boolean":
                ready[name] = bool(value)
            else:
                ready[name] = self._comparable(field, name, value)
                if field.type in NUMBERS and value is False:
                    ready[name] = 0
        return ready

    def _changes(self, record, values):
        """Field by field: what is there, and what would be there."""
        wished = record.new(values, origin=record) if record else record.new(values)
        [before] = self._rows(record, values) or [{}]
        [after] = self._rows(wished, values)
        return [
            {
                "field": name,
                "label": record._fields[name]._description_string(self.env),
                "before": before.get(name, False),
                "after": after[name],
            }
            for name in values
            if before.get(name, False) != after[name]
        ]

    def _rows(self, records, names):
        """Records as plain JSON: so many queries for one as for a thousand."""
        linked = {
            name: self._names(records.mapped(name))
            for name in names
            if records._fields[name].relational
        }
        return [
            {
                "id": record._origin.id,
                **{
                    name: self._links(record, name, linked[name])
                    if name in linked
                    else self._plain(record[name])
                    for name in names
                },
            }
            for record in records
        ]

    def _names(self, records):
        """Id -> name, of those that the caller may see; a link may lead further."""
        seen = records._origin._filtered_access("read")
        return {record.id: record.display_name for record in seen}

    def _links(self, record, name, names):
        found = [
            {"id": linked_id, "name": names.get(linked_id, "")}
            for linked_id in record[name]._origin.ids
        ]
        if record._fields[name].type == "many2one":
            return found[0] if found else False
        return found

    def _plain(self, value):
        if isinstance(value, models.BaseModel):
            names = self._names(value)
            return {"id": value.id, "name": names.get(value.id, "")} if value else False
        if isinstance(value, datetime):
            return fields.Datetime.to_string(value)
        if isinstance(value, date):
            return fields.Date.to_string(value)
        if value is None:
            return False
        return value if isinstance(value, int | float) else str(value)
