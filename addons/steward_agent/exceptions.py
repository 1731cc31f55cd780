from odoo.addons.steward.exceptions import Invalid


class Outdated(Invalid):
    """What people approved is about something that is different now."""

    code = "STEWARD-OUTDATED"
    status = 409
