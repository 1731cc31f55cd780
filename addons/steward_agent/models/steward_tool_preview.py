from odoo import models

PREVIEW = "preview"  # a parameter of our own tools: only tell what would change


class StewardTool(models.Model):
    """What a call would do, told before it is made."""

    _inherit = "steward.tool"

    def _only_previews(self, arguments):
        """Whether a call with these arguments changes nothing."""
        self.ensure_one()
        return (
            self.kind == "method"
            # the word means what it says in our own tools; who knows in others
            and self.model == "steward.toolbox"
            and isinstance(arguments, dict)
            and arguments.get(PREVIEW) is True
        )

    def _preview(self, arguments):
        """What a call would change, as the user of the environment would make it.

        :return: ``[{"model", "id"?, "changes": [{"field", "before", "after"}]}]``, or
            None when the tool cannot tell
        :raises StewardError: what the call itself would raise for these arguments
        """
        tool = self._callable(arguments)
        ours = tool.kind == "method" and tool.model == "steward.toolbox"
        if not ours or PREVIEW not in tool._schema()["properties"]:
            return None
        told = self._performed(tool, {**arguments, PREVIEW: True}, None, tool.timeout)
        model = arguments["model"]
        return [
            {"model": model, "id": row.get("id"), "changes": row["changes"]}
            for row in told.get("records", [told])
        ]

    def _target(self, arguments):
        """Which records a call is about, as far as the arguments say so.

        :return: a model's name, or None; and ids
        """
        self.ensure_one()
        if self.kind == "action":
            return self.action_id.model_id.model, arguments.get("ids", [])
        if self.model == "steward.toolbox":
            record_id = arguments.get("record_id")
            ids = arguments.get("record_ids", [record_id] if record_id else [])
            return arguments.get("model"), ids
        if "ids" in arguments and "ids" in self._schema()["properties"]:
            return self.model, arguments["ids"]
        return None, []

    def _meaning(self):
        """All that says what the tool does, as plain data."""
        self.ensure_one()
        return [self.id, self.kind, self.model, self.method, self.action_id.id]
