"""What can go wrong, by what it means for the caller; and the one place that tells it.

Each error has a stable code that programs may rely on and a sentence for people. All
are ``UserError``, so that screens and RPC show them as they are
(``STEWARD-CIRCUIT-OPEN: …``); `as_problem` says the same over HTTP, and `converted`
brings what others raise into this tree.
"""

import logging
import uuid

import psycopg2
import requests

from odoo.exceptions import AccessError, UserError, ValidationError

_logger = logging.getLogger(__name__)


class StewardError(UserError):
    """The root; never raised itself.

    :param sentence: what happened, why, what to do
    :param detail: the technical side, for logs and for who asks
    :param retry_after: seconds after which it makes sense to try again
    """

    # by which the web client knows a warning; else it says that something went wrong
    context = {"exception_class": "odoo.exceptions.UserError"}
    code = "STEWARD-ERROR"
    status = 500  # of HTTP
    retryable = False
    blames_remote = False  # whether a circuit breaker counts it as a failure

    def __init__(self, sentence, detail=None, retry_after=None):
        super().__init__(f"{self.code}: {sentence}")
        self.sentence = str(sentence)
        self.detail = detail
        self.retry_after = retry_after


class Retryable(StewardError):
    """Nothing is wrong with the request; later it may well work."""

    code = "STEWARD-RETRY"
    status = 503
    retryable = True


class Refused(StewardError):
    """A rule or a person says no; trying again changes nothing."""

    code = "STEWARD-REFUSED"
    status = 403


class Exhausted(StewardError):
    """A limit is reached: of calls, places, money."""

    code = "STEWARD-EXHAUSTED"
    status = 429


class Invalid(StewardError):
    """The request makes no sense as it is."""

    code = "STEWARD-INVALID"
    status = 422


class External(StewardError):
    """Somebody else's service failed."""

    code = "STEWARD-EXTERNAL"
    status = 502
    blames_remote = True


class Bug(StewardError):
    """Our own mistake; the log has it under the incident's number."""

    code = "STEWARD-BUG"


# -- the particular ones ---------------------------------------------------------


class Locked(Retryable):
    """Another transaction holds what we need."""

    code = "STEWARD-LOCKED"
    status = 409


class CircuitOpen(Retryable):
    """A service failed too often lately and is left alone for a while."""

    code = "STEWARD-CIRCUIT-OPEN"


class RateLimited(Exhausted):
    """Too many calls in this time."""

    code = "STEWARD-RATE-LIMITED"
    retryable = True


class Occupied(Exhausted):
    """All places are taken."""

    code = "STEWARD-OCCUPIED"
    retryable = True


class AddressRefused(Refused):
    """An address that outbound calls may not reach."""

    code = "STEWARD-ADDRESS-REFUSED"


class SecretUnavailable(StewardError):
    """A reference leads to no value."""

    code = "STEWARD-SECRET-UNAVAILABLE"
    status = 424


class Unreachable(External):
    """No connection, or it broke."""

    code = "STEWARD-UNREACHABLE"
    retryable = True


class TimedOut(External):
    """No answer in time."""

    code = "STEWARD-TIMED-OUT"
    status = 504
    retryable = True


class BadAnswer(External):
    """An answer that cannot be used: too large, cut off, not what was agreed."""

    code = "STEWARD-BAD-ANSWER"


class RemoteError(External):
    """The service answered that it failed.

    :param status_code: what it answered
    """

    code = "STEWARD-REMOTE-ERROR"

    def __init__(self, sentence, status_code=None, **details):
        super().__init__(sentence, **details)
        self.status_code = status_code
        self.retryable = status_code in (408, 425, 429, 500, 502, 503, 504)
        # that it refuses what we ask says nothing about its health
        self.blames_remote = status_code is None or (
            status_code >= 500 or status_code in (408, 429)
        )


# -- conversion -------------------------------------------------------------------

LOCK_ERRORS = (
    psycopg2.errors.LockNotAvailable,
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
)


def converted(error):
    """Bring any exception into the tree.

    :param error: an exception
    :rtype: StewardError
    """
    if isinstance(error, StewardError):
        return error
    if isinstance(error, LOCK_ERRORS):
        return Locked(
            "Somebody else is changing the same thing. Try again in a moment.",
            detail=repr(error),
            retry_after=1,
        )
    if isinstance(error, psycopg2.OperationalError):
        return Retryable(
            "The database does not answer. Try again in a moment.",
            detail=repr(error),
            retry_after=5,
        )
    if isinstance(error, requests.Timeout):
        return TimedOut("The service did not answer in time.", detail=repr(error))
    if isinstance(error, requests.RequestException):
        return Unreachable("The service cannot be reached.", detail=repr(error))
    if isinstance(error, AccessError):
        return Refused(error.args[0], detail=repr(error))
    if isinstance(error, ValidationError | UserError):
        return Invalid(error.args[0], detail=repr(error))
    incident = uuid.uuid4().hex[:8]
    _logger.error("incident %s", incident, exc_info=error)
    return Bug(
        "Something went wrong inside Steward. Tell your administrator the number"
        f" {incident}; the log has the details under it.",
        detail=f"{type(error).__name__} (incident {incident})",
    )


def as_problem(error):
    """Say an error as RFC 9457 asks: the body of an ``application/problem+json``.

    :param error: any exception
    :rtype: tuple[dict, int, dict]
    """
    error = converted(error)
    body = {
        "type": f"urn:steward:{error.code.lower()}",
        "title": type(error).__doc__.strip().splitlines()[0],
        "status": error.status,
        "code": error.code,
        "detail": error.sentence,
    }
    headers = {"Content-Type": "application/problem+json"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return body, error.status, headers
