"""S3 and what speaks like it: a bucket as a storage.

A backup is there when its manifest is, which is written last and removed first. What
is written goes up in pieces, so that a lost connection costs one of them. ETags are
not believed: what counts are the sums of the manifest, when all is read back.
"""

from __future__ import annotations

import base64
import hashlib
import io
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import IO, Any

from ..runner.problems import Corrupt, KeyMissing, Problem, Refused, Unreachable
from .manifest import MANIFEST
from .storage import NAME, Draft, Storage, checked_name, checked_part

PIECE = 8 * 1024 * 1024  # bytes that are held in memory and sent at a time
GROWTH = 1000  # pieces after which they grow: there may be 10,000 of them
TRIES, FEW_TRIES = 8, 2
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds before the next try
CONNECT_TIMEOUT, READ_TIMEOUT = 10, 60
SKEW = 60.0  # seconds of difference that is told; from 900 on S3 refuses

_PASSING = {
    *("BadDigest", "IncompleteBody", "InternalError", "OperationAborted"),
    *("RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable", "SlowDown"),
    *("Throttling", "ThrottlingException", "XAmzContentChecksumMismatch"),
    *("XAmzContentSHA256Mismatch",),
}
_MISSING = {"404", "NoSuchKey", "NotFound"}
_NEEDS = (
    "s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject,"
    " s3:ListBucketMultipartUploads and s3:AbortMultipartUpload"
)

Wait = Callable[[float], None]


class S3(Storage):
    """A bucket, or a folder in it.

    :param told: the storage of an operation's arguments
    :param secret: the value that a reference leads to
    :param wait: sleeps; raises when the work has to stop
    """

    def __init__(
        self, told: dict[str, Any], secret: Callable[[str], str], wait: Wait
    ) -> None:
        self.told, self.wait = told, wait
        self.bucket = str(told.get("bucket") or "")
        if not self.bucket:
            raise Refused("The storage has no bucket.")
        prefix = str(told.get("prefix") or "").strip("/")
        if ".." in prefix.split("/"):
            raise Refused(f"{prefix} is no folder in a bucket.")
        self.prefix = f"{prefix}/" if prefix else ""
        self.skew: float | None = None
        self.hurried = False  # somebody waits, and another time is as good
        self._secret = secret

    @cached_property
    def client(self) -> Any:
        """Boto's client: with our keys alone, and without tries of its own."""
        try:
            import boto3  # type: ignore[import-untyped]
            from botocore.config import Config  # type: ignore[import-untyped]
        except ImportError:
            raise Refused(
                "S3 needs more on the runner's machine:"
                " pip install 'steward-client[s3]'."
            ) from None
        keys = [self._secret(str(self.told.get(k) or "")) for k in _KEYS]
        style = "path" if self.told.get("path_style") else "auto"
        client = boto3.session.Session(
            aws_access_key_id=keys[0].strip(),
            aws_secret_access_key=keys[1].strip(),
            region_name=str(self.told.get("region") or "us-east-1"),
        ).client(
            "s3",
            endpoint_url=self.told.get("endpoint") or None,
            config=Config(
                signature_version="s3v4",
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
                retries={"total_max_attempts": 1},
                # the signature has the body's SHA-256: each service has to check it
                s3={"addressing_style": style, "payload_signing_enabled": True},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                ignore_configured_endpoint_urls=True,
            ),
        )
        client.meta.events.register("after-call.s3", self._note_clock)
        return client

    def _note_clock(self, http_response: Any, **_more: Any) -> None:
        told = http_response.headers.get("date")
        if told:
            with suppress(TypeError, ValueError):
                theirs = parsedate_to_datetime(told)
                self.skew = (datetime.now(UTC) - theirs).total_seconds()

    # -- asking ----------------------------------------------------------------

    def ask(self, verb: str, **words: Any) -> Any:
        """Call the service, again after what passes; a `Problem` for the rest."""
        tries = FEW_TRIES if self.hurried else TRIES
        for number in range(1, tries + 1):
            try:
                return getattr(self.client, verb)(Bucket=self.bucket, **words)
            except Problem:
                raise
            except Exception as error:  # noqa: BLE001 - boto's, told in our words
                problem = self.problem(error)
                if not isinstance(problem, Unreachable) or number == tries:
                    raise problem from None
            self.pause(number)
        raise AssertionError("unreachable")

    def pause(self, number: int) -> None:
        """Stand back, longer each time, and not all at the same moment."""
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (number - 1))
        self.wait(longest * random.uniform(0.5, 1.0))

    def problem(self, error: Exception) -> Problem:
        """What went wrong, in words for people; `Unreachable` if it may pass."""
        from botocore import exceptions  # type: ignore[import-untyped]
        from urllib3.exceptions import HTTPError

        if isinstance(error, exceptions.ClientError):
            return self._refusal(error.response)
        if isinstance(error, exceptions.SSLError):
            return Problem(f"{self.where} has no certificate that can be trusted.")
        passing = (
            *(exceptions.HTTPClientError, exceptions.ConnectionError),
            *(exceptions.ResponseStreamingError, exceptions.IncompleteReadError),
            *(HTTPError, OSError),
        )
        if isinstance(error, passing):
            return Unreachable(f"{self.where} does not answer: {_short(error)}")
        return Problem(f"{self.where} cannot be used: {_short(error)}")

    def _refusal(self, answer: dict[str, Any]) -> Problem:
        told = answer.get("Error", {})
        code, status = (
            str(told.get("Code", "")),
            int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)),
        )
        if code in _PASSING or status in (408, 429) or status >= 500:
            return Unreachable(f"{self.where} is not ready ({code or status}).")
        if code == "RequestTimeTooSkewed":
            return Problem(
                f"{self.where} refuses: the clock of the runner's machine is"
                f" {_minutes(self.skew)} off. Let it be set over the network (NTP)."
            )
        if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch"):
            return KeyMissing(
                f"{self.where} does not know these keys ({code}): see which secrets"
                " the storage names, and what they hold on the runner's machine."
            )
        if code == "NoSuchBucket":
            return Problem(f"{self.where} has no bucket {self.bucket}: make it first.")
        if code in ("AccessDenied", "403", "AllAccessDisabled"):
            return Problem(
                f"{self.where} denies access to the bucket {self.bucket}. The key needs"
                f" {_NEEDS}."
            )
        if code in _MISSING:
            return Missing(f"{self.where} has no such object.")
        return Problem(f"{self.where} refuses ({code or status}).")

    @property
    def where(self) -> str:
        """The service, as people call it."""
        return f"The storage {self.told.get('endpoint') or 'Amazon S3'}"

    def key(self, name: str, part: str = "") -> str:
        """The key of a part."""
        return f"{self.prefix}{checked_name(name)}/{part and checked_part(part)}"

    def keys(self, prefix: str) -> Iterator[dict[str, Any]]:
        """The objects below a prefix: Key and Size."""
        more: dict[str, Any] = {}
        while True:
            page = self.ask("list_objects_v2", Prefix=prefix, **more)
            yield from page.get("Contents") or []
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    # -- a storage -------------------------------------------------------------

    def draft(self, name: str) -> Draft:
        if self.has(name):
            raise Refused(f"There is a backup {name} already.")
        return _Draft(self, name)

    def scratch(self, name: str) -> dict[str, Any]:
        return {"kind": "s3", "storage": self.told, "name": checked_name(name)}

    def has(self, name: str) -> bool:
        return self.size(name, MANIFEST) >= 0

    def names(self) -> Iterator[str]:
        for found in self.keys(self.prefix):
            name, _slash, part = found["Key"][len(self.prefix) :].rpartition("/")
            if part == MANIFEST and NAME.fullmatch(name):
                yield name

    def open(self, name: str, part: str) -> IO[bytes]:
        return _Reading(self, self.key(name, part), f"{part} of {name}")  # type: ignore[return-value]

    def size(self, name: str, part: str) -> int:
        try:
            found = self.ask("head_object", Key=self.key(name, part))
        except Missing:
            return -1
        return int(found["ContentLength"])

    def remove(self, name: str) -> None:
        self.erase(name)

    def erase(self, name: str) -> None:
        """Remove what there is of a backup, the sign of its wholeness first."""
        self.ask("delete_object", Key=self.key(name, MANIFEST))
        self.abort(name)
        for found in list(self.keys(self.key(name))):
            self.ask("delete_object", Key=found["Key"])

    def abort(self, name: str) -> None:
        """Give up what was begun to be written: pieces that cost, and nobody sees."""
        words: dict[str, Any] = {"Prefix": self.key(name)}
        try:
            page = self.ask("list_multipart_uploads", **words)
        except Unreachable:
            raise
        except Problem:  # not every service tells
            return
        for upload in page.get("Uploads") or []:
            with suppress(Missing):
                self.ask(
                    "abort_multipart_upload",
                    Key=upload["Key"],
                    UploadId=upload["UploadId"],
                )

    def space(self) -> tuple[int, int] | None:
        return None

    def used(self) -> int:
        return sum(int(found["Size"]) for found in self.keys(self.prefix))

    def remark(self) -> str:
        if self.skew is None or abs(self.skew) < SKEW:
            return ""
        return (
            f"The clock of the runner's machine and that of {self.where[4:]} differ by"
            f" {_minutes(self.skew)}; from 15 minutes on it refuses."
        )


_KEYS = ("access_key", "secret_key")


class Missing(Corrupt):
    """There is no such object."""


class _Draft(Draft):
    """A backup going up; its manifest is kept back until the end."""

    def __init__(self, storage: S3, name: str) -> None:
        self.storage, self.name = storage, name
        self._last: io.BytesIO | None = None

    def open(self, part: str) -> IO[bytes]:
        if part == MANIFEST:
            self._last = _Kept()
            return self._last
        key = self.storage.key(self.name, part)
        return _Upload(self.storage, key)  # type: ignore[return-value]

    def commit(self) -> None:
        self.storage.abort(self.name)  # of an upload whose beginning nobody heard
        if self._last:
            key = self.storage.key(self.name, MANIFEST)
            with _Upload(self.storage, key) as upload:
                upload.write(self._last.getvalue())

    def discard(self) -> None:
        # also when told to stop; and if it fails, the journal knows of it
        self.storage.wait, self.storage.hurried = time.sleep, True
        self.storage.erase(self.name)


class _Kept(io.BytesIO):
    def close(self) -> None:
        """Be read afterwards."""


class _Upload:
    """An object going up in pieces, each sent until it arrived."""

    def __init__(self, storage: S3, key: str) -> None:
        self.storage, self.key = storage, key
        self._buffer = bytearray()
        self._id = ""
        self._pieces: list[dict[str, Any]] = []
        self._bytes = 0
        self._closed = False

    @property
    def _size(self) -> int:
        return PIECE * (1 + len(self._pieces) // GROWTH)

    def write(self, data: Any) -> int:
        self._buffer += data
        while len(self._buffer) > self._size:
            size = self._size
            with memoryview(self._buffer) as view:
                data = bytes(view[:size])
            del self._buffer[:size]  # what goes is held once, and boto holds it twice
            self._send(data)
        return len(data)

    def flush(self) -> None:
        pass

    def _send(self, data: bytes) -> None:
        ask, key = self.storage.ask, self.key
        if not self._id:
            begun = ask("create_multipart_upload", Key=key, ChecksumAlgorithm="SHA256")
            self._id = begun["UploadId"]
        number = len(self._pieces) + 1
        told = ask(
            "upload_part",
            Key=key,
            UploadId=self._id,
            PartNumber=number,
            Body=data,
            ChecksumSHA256=_sum(data),
        )
        piece = {"PartNumber": number, "ETag": told["ETag"]}
        if "ChecksumSHA256" in told:
            if told["ChecksumSHA256"] != _sum(data):
                raise Corrupt(f"{self.storage.where} did not take what it was given.")
            piece["ChecksumSHA256"] = told["ChecksumSHA256"]
        self._pieces.append(piece)
        self._bytes += len(data)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._id:
            self._send(data)
            self._complete()
        else:
            self._bytes = len(data)
            self.storage.ask(
                "put_object", Key=self.key, Body=data, ChecksumSHA256=_sum(data)
            )
        found = self._found()
        if found != self._bytes:
            raise Corrupt(
                f"{self.storage.where} has {found} bytes of {self.key} instead of"
                f" {self._bytes}."
            )

    def _found(self) -> int:
        try:
            return int(self.storage.ask("head_object", Key=self.key)["ContentLength"])
        except Missing:
            return -1

    def _complete(self) -> None:
        try:
            self.storage.ask(
                "complete_multipart_upload",
                Key=self.key,
                UploadId=self._id,
                MultipartUpload={"Parts": self._pieces},
            )
        except Unreachable:
            raise
        except Problem:
            # it was done, and only the answer was lost: then a second time is refused
            if self._found() != self._bytes:
                raise

    def __enter__(self) -> _Upload:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()


class _Reading(io.RawIOBase):
    """An object coming down, from where it was when the connection is lost."""

    def __init__(self, storage: S3, key: str, name: str) -> None:
        self.storage, self._key, self._name = storage, key, name
        self._body: Any = None
        self._at, self._total = 0, -1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        for number in range(1, TRIES + 1):
            if self._at == self._total:
                return 0
            try:
                if self._body is None:
                    self._begin()
                data = self._body.read(len(buffer))
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
            except Problem:
                raise
            except Exception as error:  # noqa: BLE001 - boto's, told in our words
                self._drop()
                problem = self.storage.problem(error)
                if not isinstance(problem, Unreachable) or number == TRIES:
                    raise problem from None
            self.storage.pause(number)
        raise AssertionError("unreachable")

    def _begin(self) -> None:
        words = {"Range": f"bytes={self._at}-"} if self._at else {}
        try:
            answer = self.storage.ask("get_object", Key=self._key, **words)
        except Missing:
            raise Corrupt(f"{self._name} is not in the storage.") from None
        self._body = answer["Body"]
        if self._total < 0:
            self._total = int(answer["ContentLength"])

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body = None

    def close(self) -> None:
        if not self.closed:
            self._drop()
        super().close()


def _sum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _minutes(seconds: float | None) -> str:
    """How far a clock is off.

    >>> _minutes(-1000.0), _minutes(70), _minutes(None)
    ('17 minutes', '70 seconds', 'too far')
    """
    if seconds is None:
        return "too far"
    if abs(seconds) < 120:
        return f"{round(abs(seconds))} seconds"
    return f"{round(abs(seconds) / 60)} minutes"


def _short(error: Exception) -> str:
    """Boto's words: they name addresses, never keys."""
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
