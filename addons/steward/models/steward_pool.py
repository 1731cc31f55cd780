import os
import socket
import uuid
from contextlib import contextmanager

from odoo import api, fields, models

from ..exceptions import Occupied
from ..kernel.semaphore import Semaphore


class StewardPool(models.Model):
    """So many at a time, over all workers; a place of a killed worker frees itself."""

    _name = "steward.pool"
    _inherit = "steward.shared"
    _description = "Places"
    _order = "name"
    _steward_own_fields = ("shared", "taken")

    name = fields.Char(readonly=False)
    company_id = fields.Many2one(readonly=False)
    places = fields.Integer(required=True, default=1, help="How many at a time.")
    lease_seconds = fields.Float(
        required=True,
        default=120,
        help="A place is free again when its holder gave no sign for so long.",
    )
    taken = fields.Integer("Taken (last change)", readonly=True)

    _name_uniq = models.UniqueIndex("(name, COALESCE(company_id, 0))")
    _positive = models.Constraint(
        "CHECK (places > 0 AND lease_seconds > 0)",
        "There is at least one place, and a lease lasts some time.",
    )

    @property
    def _rule_columns(self):
        return ("places", "lease_seconds")

    def _rules_of(self, places, lease_seconds):
        return (places, lease_seconds)

    @api.model
    def _defaults_to_insert(self):
        context = self.env.context
        return {
            "places": context.get("steward_places", 1),
            "lease_seconds": context.get("steward_lease_seconds", 120),
        }

    @contextmanager
    def _place(self, name, places=1, lease_seconds=120, company=None):
        """Hold a place while the block runs.

        The pool is made at first use with these numbers; from then on the record's own
        count, so that an administrator can change them.

        :param str name: what is limited
        :return: a function that renews the lease and says whether it still holds
        :raises Occupied: when all places are taken
        """
        defaults = {"steward_places": places, "steward_lease_seconds": lease_seconds}
        pool = self.with_context(**defaults)
        lease = uuid.uuid4().hex
        holder = f"{socket.gethostname()}:{os.getpid()}"

        def acquire(semaphore, now):
            return semaphore.acquire(lease, holder, now)

        if not pool._turn(name, company, acquire):
            raise Occupied(
                self.env._("All places of %(name)s are taken.", name=name),
                retry_after=1,
            )
        try:
            yield lambda: pool._turn(name, company, lambda s, now: s.renew(lease, now))
        finally:
            pool._turn(name, company, lambda s, _now: (s.release(lease), True))

    def _turn(self, name, company, step):
        """Apply a step of the kernel to the locked row."""
        known = self._known(name, company)

        def change(state, now, columns):
            semaphore = Semaphore.from_json(state, *columns)
            changed, answer = step(semaphore, now)
            written = {"shared": changed.to_json(), "taken": len(changed.leases)}
            return answer, {} if changed == semaphore else written

        try:
            return self._change(known, change)
        except LookupError:  # the row was deleted: made again with the next turn
            self._forget_known()
            return self._turn(name, company, step)
