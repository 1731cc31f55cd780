import hashlib

from odoo.models import LOG_ACCESS_COLUMNS
from odoo.tools import html2plaintext

from ..kernel.draft import Draft
from . import Adapter, Fetched, Found, Step

PLAIN = {"id", "display_name", *LOG_ACCESS_COLUMNS}  # every model has them
TYPES = {
    "many2one": "one {comodel}",
    "one2many": "many {comodel}",
    "many2many": "many {comodel}",
    "char": "text",
    "html": "formatted text",
    "monetary": "amount",
}


class Structure(Adapter):
    """This database itself: its models, views, menus and automations, as documents.

    Each document names the record that it describes; who may not read that does not
    find it.
    """

    is_outside = False
    is_limited = False
    is_certain = True

    def check(self):
        """Nothing to set."""

    @property
    def _parts(self):
        """What a source includes: its field, the model, and which records of it."""
        return (
            ("with_models", "ir.model", [("transient", "=", False)]),
            (
                "with_views",
                "ir.ui.view",
                [("mode", "=", "primary"), ("model", "!=", False)],
            ),
            ("with_menus", "ir.ui.menu", [("action", "!=", False)]),
            (
                "with_actions",
                "ir.actions.server",
                [("usage", "=", "ir_actions_server")],
            ),
            ("with_actions", "base.automation", []),
        )

    def _chosen(self):
        for switch, model, domain in self._parts:
            if self.source[switch]:
                # sudo: base - the documents obey the rules of these records
                records = self.env[model].sudo()
                full = {"ir.ui.menu.full_list": True}
                yield records.with_context(**full).search(domain)

    def discover(self):
        found = []
        for records in self._chosen():
            for record in records:
                title, text = self._described(record)
                if text:
                    revision = hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()
                    found.append(
                        Found(f"{record._name},{record.id}", revision=revision[:32])
                    )
        return Step(found)

    def estimate(self):
        return sum(map(len, self._chosen()))

    def fetch(self, item):
        name, _comma, number = item.key.rpartition(",")
        # sudo: base - the document obeys the rules of this record
        record = self.env[name].sudo().browse(int(number)).exists()
        title, text = self._described(record) if record else ("", "")
        if not text:
            return Fetched("gone", reason=self.env._("It is no longer in Odoo."))
        draft = Draft(
            external_id=item.key,
            title=title,
            content=text,
            content_type="text/markdown",
            url=f"/odoo/{name}/{record.id}",
            language="en",
            res_model=name,
            res_id=record.id,
            tags=(name,),
        )
        return Fetched(draft=draft, size=len(text))

    def _described(self, record):
        """Title and Markdown of a record; empty where there is nothing to say."""
        return {
            "ir.model": self._model,
            "ir.ui.view": self._view,
            "ir.ui.menu": self._menu,
            "ir.actions.server": self._action,
            "base.automation": self._automation,
        }[record._name](record)

    def _model(self, record):
        model = self.env.get(record.model)
        if model is None:
            return "", ""
        title = f"{record.name} ({record.model})"
        doc = (type(model).__doc__ or "").strip()
        lines = [f"# {title}", "", f"Model: {record.model}"]
        if record.modules:
            lines.append(f"Defined in: {record.modules}")
        if doc and doc != record.name:
            lines += ["", doc]
        lines += ["", "## Fields", ""]
        for name, field in sorted(model._fields.items()):
            # what only some groups may know of is not told to whoever sees the model
            if name in PLAIN or field.groups:
                continue
            kind = TYPES.get(field.type, field.type).format(comodel=field.comodel_name)
            line = f"- `{name}` {field.string} ({kind})"
            if field.required:
                line += ", required"
            if field.help:
                line += f": {' '.join(str(field.help).split())}"
            lines.append(line)
        return title, "\n".join(lines)

    def _view(self, record):
        model = self.env.get(record.model)
        if model is None:
            return "", ""
        label = dict(record._fields["type"]._description_selection(self.env))
        title = f"{record.name} ({label.get(record.type, record.type)})"
        arch = self._shown(record)
        names = {node.get("name") for node in arch.iter("field")} - {None}
        lines = [f"# {title}", "", f"View of: {model._description} ({record.model})"]
        if record.xml_id:
            lines.append(f"Identifier: {record.xml_id}")
        shown = [
            f"- `{name}` {model._fields[name].string}"
            for name in sorted(names)
            if name in model._fields and not model._fields[name].groups
        ]
        buttons = {node.get("string") for node in arch.iter("button")} - {None}
        if shown:
            lines += ["", "## Fields shown", "", *shown]
        if buttons:
            lines += ["", "## Buttons", "", *(f"- {name}" for name in sorted(buttons))]
        return (title, "\n".join(lines)) if shown else ("", "")

    def _shown(self, record):
        from lxml import etree

        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        return etree.fromstring((record.arch_db or "<empty/>").encode(), parser)

    def _menu(self, record):
        title = record.complete_name
        action = record.action
        lines = [f"# {title}", "", f"Menu: {title.replace('/', ' / ')}"]
        if action:
            lines.append(f"Opens: {action.name}")
            if "res_model" in action._fields and action.res_model:
                lines.append(f"Shows: {action.res_model}")
            if action.help:
                lines += ["", html2plaintext(action.help)]
        return title, "\n".join(lines)

    def _action(self, record):
        label = dict(record._fields["state"]._description_selection(self.env))
        title = record.name
        lines = [f"# {title}", "", f"Server action on: {record.model_id.name}"]
        lines.append(f"What it does: {label.get(record.state, record.state)}")
        if record.state == "code" and record.code:
            lines += ["", "```python", record.code.strip(), "```"]
        return title, "\n".join(lines)

    def _automation(self, record):
        label = dict(record._fields["trigger"]._description_selection(self.env))
        title = record.name
        lines = [f"# {title}", "", f"Automation on: {record.model_id.name}"]
        lines.append(f"When: {label.get(record.trigger, record.trigger)}")
        if record.filter_domain:
            lines.append(f"For records with: {record.filter_domain}")
        lines += [f"Then: {action.name}" for action in record.action_server_ids]
        if record.description:
            lines += ["", html2plaintext(record.description)]
        return title, "\n".join(lines)
