from contextlib import contextmanager

from odoo import api, models
from odoo.modules import module

from ..exceptions import LOCK_ERRORS, Refused, converted

LOCK_TIMEOUT = 500  # milliseconds; then the caller hears that it is busy


class Steward(models.AbstractModel):
    """What every model of the suite may use: ``self.env["steward"]``, or inherit it."""

    _name = "steward"
    _description = "Steward's Engine"

    # fields that our code alone writes, with `_write_own`; nobody else, over no door
    _steward_own_fields = ()

    @contextmanager
    def _own_transaction(self):
        """Write what must survive whatever becomes of the caller's transaction.

        A second cursor with a transaction of its own, READ COMMITTED so that many may
        update one row in turn, and with a bounded wait for locks. In tests it joins
        the test's transaction: a second connection would not see the test's records,
        and would really commit. So it does while addons are installed, whose tables no
        other connection sees yet.

        Keep it short, and touch no row that the caller has changed. A query that may
        have to wait is executed with ``log_exceptions=False``: being told to come back
        is no error.

        :return: a cursor; its work is committed when the block ends without error
        :raises Locked: when somebody else holds the row too long
        """
        if module.current_test or not self.env.registry.ready:
            self.env.flush_all()
            with self.env.cr.savepoint(flush=False):
                yield self.env.cr
            self.env.invalidate_all()
            return
        try:
            with self.env.registry.cursor() as cr:
                cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                cr.execute("SELECT set_config('lock_timeout', %s, true)", [_TIMEOUT])
                yield cr
        except LOCK_ERRORS as error:
            raise converted(error) from error

    # -- nothing forged ------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._refuse_forgery(vals)
        # a context's defaults would get there by the back door
        self._refuse_forgery(
            {
                name.removeprefix("default_"): value
                for name, value in self.env.context.items()
                if name.startswith("default_")
            }
        )
        return super().create(vals_list)

    def write(self, vals):
        self._refuse_forgery(vals)
        return super().write(vals)

    def _write_own(self, vals):
        """Write fields of ``_steward_own_fields``: for our code, never for callers."""
        # what comes over RPC cannot hold this very object
        return self.with_context(steward_own=_OURS).write(vals)

    @api.model
    def _create_own(self, vals_list):
        """Create with such fields: for our code, never for callers."""
        created = self.with_context(steward_own=_OURS).create(vals_list)
        return created.with_env(self.env)

    def _refuse_forgery(self, vals):
        forged = [name for name in self._steward_own_fields if name in vals]
        if forged and self.env.context.get("steward_own") is not _OURS:
            raise Refused(
                self.env._(
                    "%(fields)s of %(model)s cannot be written: Steward itself does.",
                    fields=", ".join(forged),
                    model=self._description,
                )
            )


_OURS = object()
_TIMEOUT = f"{LOCK_TIMEOUT}ms"
