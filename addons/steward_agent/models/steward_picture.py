import base64
import binascii
from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.steward.exceptions import Invalid, Refused
from odoo.fields import Domain

from ..kernel.control import ENDED
from ..kernel.pictures import pictures_of
from ..pictures import (
    MB,
    MOST_AT_ONCE,
    MOST_BYTES,
    NoPicture,
    TooLarge,
    made_small,
)
from .steward_run_chat import KEEP_DAYS
from .steward_run_screen import READABLE


class StewardAgent(models.Model):
    """Agents that are shown pictures."""

    _inherit = "steward.agent"

    def _needs(self):
        """What a model must be able to do for this agent, as chat names it."""
        needs = {"tools": self.tool_ids, "json": self.output_schema}
        return {name for name, is_needed in needs.items() if is_needed}

    def _why_blind(self, model=None):
        """A sentence why the agent cannot be shown pictures, or nothing.

        :param model: that answers instead of the agent's own
        """
        # sudo: steward.agent - its model, for who may run it and need not see models
        agent = self.sudo()
        if agent.kind != "chat":
            return self.env._(
                "%(agent)s does not chat: it looks at no pictures.", agent=agent.name
            )
        if agent.capture not in READABLE:
            return self.env._(
                "%(agent)s keeps nothing of what it is told, so it takes no pictures.",
                agent=agent.name,
            )
        needs = agent._needs() | {"vision"}
        model = model or agent.model_id
        if model and not model._is_able(needs):
            return self.env._(
                "%(model)s does not see pictures, nor does a model that stands in for"
                " it.",
                model=model.display_name,
            )
        models_ = self.env["steward.model"]
        if not model and not models_._routable(needs, company=agent.company_id):
            return self.env._("No model that sees pictures is connected.")
        return None

    def _check_sees(self, model=None):
        if why := self._why_blind(model):
            raise Refused(why)

    def _looked_at(self, pictures, model=None):
        """Read what the caller shows, before anything begins.

        :param pictures: ids of attachments, or ``{"media_type", "data"}`` with base64
        :param model: that answers instead of the agent's own
        :return: list of media type and bytes
        """
        self._check_sees(model)
        if not isinstance(pictures, list) or len(pictures) > MOST_AT_ONCE:
            raise Invalid(
                self.env._(
                    "Show a list of at most %(most)s pictures at a time.",
                    most=MOST_AT_ONCE,
                )
            )
        return [self._looked_at_one(n, told) for n, told in enumerate(pictures, 1)]

    def _looked_at_one(self, number, told):
        if type(told) is int:
            media_type, data = self._attached(number, told)
        else:
            media_type, data = self._decoded(number, told)
        try:
            data, media_type = made_small(data, media_type)
        except TooLarge as error:
            raise self._too_large(number) from error
        except NoPicture as error:
            raise Invalid(
                self.env._(
                    "Picture %(number)s cannot be looked at. PNG, JPEG, WebP and GIF"
                    " can.",
                    number=number,
                )
            ) from error
        return media_type, data

    def _attached(self, number, attachment_id):
        """An attachment's type and bytes, with the caller's rights."""
        attachment = self.env["ir.attachment"].browse(attachment_id).exists()
        if not attachment or not attachment.has_access("read"):
            raise Refused(
                self.env._(
                    "Picture %(number)s is not there, or you may not see it.",
                    number=number,
                )
            )
        if attachment.file_size > MOST_BYTES:
            raise self._too_large(number)
        return attachment.mimetype, attachment.raw or b""

    def _decoded(self, number, told):
        told = told if isinstance(told, dict) else {}
        media_type, text = told.get("media_type"), told.get("data")
        if not isinstance(media_type, str) or not isinstance(text, str):
            raise Invalid(
                self.env._(
                    "Picture %(number)s is told as the id of an attachment, or as its"
                    " media type and its data.",
                    number=number,
                )
            )
        if len(text) > MOST_BYTES * 4 / 3 + 4:
            raise self._too_large(number)
        try:
            return media_type, base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Invalid(
                self.env._("Picture %(number)s is no base64.", number=number)
            ) from error

    def _too_large(self, number):
        return Invalid(
            self.env._(
                "Picture %(number)s is too large: at most %(size)s MB and 50 million"
                " pixels.",
                number=number,
                size=MOST_BYTES // MB,
            )
        )


class StewardRun(models.Model):
    """Pictures that a run was shown: its attachments, read by who may read it."""

    _inherit = "steward.run"

    picture_ids = fields.One2many(
        "ir.attachment",
        "res_id",
        "Pictures",
        domain=[("res_model", "=", "steward.run")],
        readonly=True,
    )

    @api.model
    def _keep_pictures(self, pictures, run_id=False):
        """Keep pictures, and tell how messages refer to them.

        :param pictures: pairs of media type and bytes
        :param run_id: of a run that is there already
        """
        # sudo: ir.attachment - nobody writes on runs but our code
        attachments = self.env["ir.attachment"].sudo()
        kept = attachments.create(
            [
                {
                    "name": f"picture.{media_type.removeprefix('image/')}",
                    "raw": data,
                    "mimetype": media_type,
                    "res_model": self._name,
                    "res_id": run_id,
                }
                for media_type, data in pictures
            ]
        )
        return [
            {"attachment": picture.id, "media_type": picture.mimetype}
            for picture in kept
        ]

    def _kept_pictures(self, ids):
        """Those of these attachments that are still kept, and are pictures of runs."""
        # sudo: ir.attachment - which of them are asked for, a run's memory says
        found = self.env["ir.attachment"].sudo().browse(ids).exists()
        return found.filtered(lambda picture: picture.res_model == self._name)

    def _picture_data(self, attachment_id):
        """A picture's base64, or None."""
        data = self._kept_pictures([attachment_id]).raw
        return base64.b64encode(data).decode() if data else None

    def _pictures_to_tell(self, ids):
        return [
            {"id": picture.id, "name": picture.name, "mimetype": picture.mimetype}
            for picture in self._kept_pictures(ids)
        ]

    def _pictures_said(self, said):
        """What was shown with these words, to be shown again."""
        ids = [one["attachment"] for row in said for one in row.get("pictures", ())]
        return [(one.mimetype, one.raw) for one in self._kept_pictures(ids)]

    # -- who sees them -----------------------------------------------------------------

    def _model_now(self):
        """The model of a run at work, if it is not its agent's choice each time."""
        # sudo: steward.run - where it stands, for who may run its agent
        run = self.sudo()
        models_ = run.env["steward.model"]
        if run.state in ENDED or not run.agent_id.model_id:
            return models_
        return models_.browse((run.position or {}).get("model")).exists()

    def _why_blind(self):
        return self.agent_id._why_blind(self._model_now())

    def _check_can_switch(self, model):
        super()._check_can_switch(model)
        if self.source != "here" or self.agent_id.kind != "chat":
            return
        # sudo: steward.run - what it was shown, and a model the caller may not see
        run = self.sudo()
        memory = run._memory()
        if run._was_shown(memory):
            run.agent_id._check_sees(run._switchable(model))

    def _was_shown(self, memory):
        """Whether there are pictures in what a run remembers."""
        said = [row for name, row in memory.items() if name.startswith("said:")]
        messages = [row for name, row in memory.items() if name.startswith("message:")]
        return any(row.get("pictures") for row in said) or any(pictures_of(messages))

    # -- the end -----------------------------------------------------------------------

    @api.autovacuum
    def _gc_pictures(self):
        """Forget pictures with the conversations that they belong to."""
        before = fields.Datetime.now() - timedelta(days=KEEP_DAYS)
        ended = Domain("state", "in", list(ENDED)) & Domain("ended_at", "<", before)
        self.search(ended & Domain("picture_ids", "!=", False)).picture_ids.unlink()
