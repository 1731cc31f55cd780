from contextlib import contextmanager

from odoo import models
from odoo.modules import module

from ..exceptions import LOCK_ERRORS, converted

LOCK_TIMEOUT = 500  # milliseconds; then the caller hears that it is busy


class Steward(models.AbstractModel):
    """What every model of the suite may use: ``self.env["steward"]``, or inherit it."""

    _name = "steward"
    _description = "Steward's Engine"

    @contextmanager
    def _own_transaction(self):
        """Write what must survive whatever becomes of the caller's transaction.

        A second cursor with a transaction of its own, READ COMMITTED so that many may
        update one row in turn, and with a bounded wait for locks. In tests it joins
        the test's transaction: a second connection would not see the test's records,
        and would really commit.

        Keep it short, and touch no row that the caller has changed.

        :return: a cursor; its work is committed when the block ends without error
        :raises Locked: when somebody else holds the row too long
        """
        if module.current_test:
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


_TIMEOUT = f"{LOCK_TIMEOUT}ms"
