"""Every log line of this process passes the redactor.

Where it stands, and why there: around `logging.Logger.callHandlers`.

- A filter on handlers misses those that are added later (tests, ``--log-db``, Sentry);
  a filter on the root logger sees nothing of its children.
- A record factory comes too early: filters of loggers have not run, and those of
  Odoo's payment providers mask ``record.args``, which must therefore still be there.
  Odoo also sets its own factory anew whenever it configures its log.
- Between the two, every record passes here on its way from its logger, with all of
  that logger's filters behind it and all handlers, present or future, before it.

What costs nothing stays so: a record below its logger's level never gets here.
"""

import functools
import logging

from .kernel.redactor import LogFilter

FAILED = "[a log line that could not be redacted: %s]"


def install():
    """Redact from now on. Called again, it does nothing."""
    original = logging.Logger.callHandlers
    if hasattr(original, "steward_original"):
        return
    # handlers take the text of the traceback that is made here, but Odoo's manual run
    # of a scheduled action reads the exception itself from the record
    redacting = LogFilter(keep_exception=True)

    @functools.wraps(original)
    def call_handlers(logger, record):
        try:
            redacting.filter(record)
        except Exception as error:  # noqa: BLE001 - a line is masked rather than lost
            record.msg, record.args = FAILED % type(error).__name__, None
            record.exc_info = record.exc_text = record.stack_info = None
        original(logger, record)

    call_handlers.steward_original = original
    logging.Logger.callHandlers = call_handlers


def uninstall():
    """For tests: as it was before."""
    patched = logging.Logger.callHandlers
    logging.Logger.callHandlers = getattr(patched, "steward_original", patched)
