from datetime import UTC, datetime

from odoo import api, models
from odoo.addons.steward.exceptions import Invalid
from odoo.exceptions import AccessError

from ..const import PUSH_DOCUMENTS, PUSH_MB
from ..kernel.draft import Draft

KNOWN = {
    *("external_id", "title", "text", "html"),
    *("url", "language", "tags", "date", "version"),
}
LONGEST = {"external_id": 500, "title": 500, "url": 2000, "language": 8, "version": 32}
MOST_TAGS = 20


class Rejected(Exception):
    """A document that is not taken; the sentence says what is wrong with it."""


class StewardDocument(models.Model):
    _inherit = "steward.document"

    @api.model
    def push(
        self,
        documents: list[dict],
        source: int | str | None = None,
        wait: bool = False,
    ) -> dict:
        """Bring documents from outside. For Agents and Operators.

        Bringing the same again changes nothing. A document that is refused stops no
        other.

        :param documents: each ``{"external_id", "title", "text" or "html"}`` (text is
            Markdown or plain), and perhaps ``url``, ``language``, ``tags`` (a list),
            ``date`` (ISO 8601) and ``version``
        :param source: id or name of a source of pushed documents; Operators make one by
            naming it, Agents where the settings allow it. None: the common one
        :param wait: whether to return only when they are searchable
        :return: how many are ``new``, ``changed``, ``unchanged``; and ``rejected``,
            each ``{"index", "reason"}``
        """
        self._check_may_push()
        if not isinstance(documents, list) or len(documents) > PUSH_DOCUMENTS:
            raise Invalid(
                self.env._(
                    "Bring a list of at most %(count)s documents.", count=PUSH_DOCUMENTS
                )
            )
        target = self._push_target(source)
        rejected, drafts, indexes, seen = [], [], [], set()
        for index, told in enumerate(documents):
            try:
                draft = self._draft_of(told)
                if draft.external_id in seen:
                    raise Rejected(self.env._("It is in this list already."))
            except Rejected as error:
                rejected.append({"index": index, "reason": str(error)})
                continue
            seen.add(draft.external_id)
            drafts.append(draft)
            indexes.append(index)
        taken = self._take_pushed(target, drafts, wait)
        rejected += [
            {"index": indexes[told["index"]], "reason": told["reason"]}
            for told in taken["rejected"]
        ]
        rejected.sort(key=lambda told: told["index"])
        counts = {name: taken[name] for name in ("new", "changed", "unchanged")}
        return {**counts, "rejected": rejected}

    def _take_pushed(self, target, drafts, wait):
        # sudo: steward.document - who may push writes documents by this way alone
        taken = self.sudo()._take(target.sudo(), drafts)  # sudo: steward.source - same
        if wait:
            taken["documents"]._process()
        else:
            taken["documents"]._enqueue()
        return taken

    def _check_may_push(self):
        user = self.env.user
        if not (
            self.env.su
            or user.has_group("steward.group_operator")
            or user.has_group("steward.group_agent")
        ):
            raise AccessError(self.env._("Only Agents and Operators bring documents."))

    def _push_target(self, source):
        """The source that pushed documents belong to."""
        if source is None or source is False:
            # sudo: steward.source - Agents do not see the list of sources
            return self.env.ref("steward_knowledge.source_pushed").sudo()
        # sudo: steward.source - as above; those of other companies are left out
        sources = self.env["steward.source"].sudo()
        domain = [
            ("kind", "=", "push"),
            ("company_id", "in", [*self.env.companies.ids, False]),
        ]
        if isinstance(source, int) and not isinstance(source, bool):
            found = sources.search([*domain, ("id", "=", source)])
        else:
            found = sources.search([*domain, ("name", "=", str(source))], limit=2)
        if len(found) == 1:
            return found
        if not found and isinstance(source, str) and self._may_make_source():
            if not 0 < len(source.strip()) <= 100:
                raise Invalid(self.env._("A source's name has 1 to 100 characters."))
            return sources.create(
                {"name": source, "kind": "push", "company_id": self.env.company.id}
            )
        raise Invalid(
            self.env._(
                "There is no source of pushed documents called %(name)s.", name=source
            )
        )

    def _may_make_source(self):
        # sudo: ir.config_parameter - a setting of the administrator
        parameters = self.env["ir.config_parameter"].sudo()
        allowed = parameters.get_param("steward.knowledge.agents_make_sources")
        return (
            self.env.su
            or self.env.user.has_group("steward.group_operator")
            or allowed == "True"
        )

    @api.model
    def _draft_of(self, told):
        """A pushed document as a draft.

        :raises Rejected: when something is wrong with it
        """
        if not isinstance(told, dict):
            raise Rejected(self.env._("It is no object with fields."))
        if unknown := sorted(map(str, told.keys() - KNOWN)):
            raise Rejected(
                self.env._("It has unknown fields: %(names)s", names=", ".join(unknown))
            )
        values = {name: told.get(name) or "" for name in ("text", "html", *LONGEST)}
        for name, value in values.items():
            if not isinstance(value, str):
                raise Rejected(self.env._("%(name)s must be text.", name=name))
        for name, longest in LONGEST.items():
            if len(values[name]) > longest:
                raise Rejected(
                    self.env._(
                        "%(name)s is longer than %(longest)s characters.",
                        name=name,
                        longest=longest,
                    )
                )
        if not values["external_id"].strip() or not values["title"].strip():
            raise Rejected(self.env._("external_id and title are needed."))
        if bool(values["text"].strip()) == bool(values["html"].strip()):
            raise Rejected(self.env._("Either text or html is needed."))
        content = values["text"] or values["html"].encode()
        if len(content) > PUSH_MB * 1024 * 1024:
            raise Rejected(self.env._("It is larger than %(size)s MB.", size=PUSH_MB))
        if isinstance(content, str):
            content = content.replace("\x00", "")
        if values["url"] and not values["url"].startswith(("http://", "https://", "/")):
            raise Rejected(self.env._("url must begin with https:// or http://."))
        return Draft(
            external_id=values["external_id"].strip(),
            title=values["title"].strip(),
            content=content,
            content_type="text/markdown" if values["text"] else "text/html",
            url=values["url"],
            language=values["language"].lower(),
            version=values["version"],
            date=self._pushed_date(told.get("date")),
            tags=self._pushed_tags(told.get("tags")),
        )

    def _pushed_date(self, text):
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except (TypeError, ValueError):
            raise Rejected(self.env._("date must be as in ISO 8601.")) from None
        if moment.tzinfo:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return moment

    def _pushed_tags(self, tags):
        if not tags:
            return ()
        if (
            not isinstance(tags, list | tuple)
            or len(tags) > MOST_TAGS
            or not all(isinstance(tag, str) and len(tag) <= 64 for tag in tags)
        ):
            raise Rejected(
                self.env._(
                    "tags must be a list of at most %(count)s short words.",
                    count=MOST_TAGS,
                )
            )
        return tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
