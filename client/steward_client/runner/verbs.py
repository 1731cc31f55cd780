"""What the runner can be asked for: verbs, the form of their arguments, who does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema

from ..backup import drill as drilling
from ..backup import exporting, pruning, restoring
from ..backup.checking import verify
from ..backup.engine import LEVELS, Engine
from ..backup.making import backup
from ..backup.manifest import SigningKey
from ..backup.opening import open_engine, open_place
from .job import Job
from .problems import Refused

Json = dict[str, Any]

_TEXT: Json = {"type": "string", "maxLength": 1024}
_DATABASE: Json = {"type": "string", "minLength": 1, "maxLength": 63}
_REFERENCE: Json = {"type": "string", "pattern": "^(env|file):.+", "maxLength": 1024}
# what each kind needs besides is its own adapter's to say
_STORAGE: Json = {
    "type": "object",
    "properties": {"kind": {"enum": ["folder", "s3", "restic"]}},
    "required": ["kind"],
    "additionalProperties": {"type": ["string", "boolean"], "maxLength": 4096},
}
_ENCRYPTION: Json = {
    "type": ["object", "null"],
    # the key to write with, and earlier ones, with which older backups were written
    "properties": {
        "key": _REFERENCE,
        "keys": {"type": "array", "items": _REFERENCE, "maxItems": 100},
    },
    "minProperties": 1,
    "additionalProperties": False,
}
_LEVEL: Json = {"type": "integer", "minimum": 1, "maximum": 19}
_PATH: Json = {"type": "string", "minLength": 1, "maxLength": 1024}
_PATHS: Json = {"type": "array", "items": _PATH, "maxItems": 10000}


def _schema(required: list[str], **properties: Json) -> Json:
    return {
        "type": "object",
        "properties": {"encryption": _ENCRYPTION, **properties},
        "required": required,
        "additionalProperties": False,
    }


SCHEMAS: dict[str, Json] = {
    "backup": _schema(
        ["database", "storage"],
        database=_DATABASE,
        kind={"enum": ["full", "database", "filestore"]},
        storage=_STORAGE,
        engine={"enum": ["archive", "restic"]},
        compression={"anyOf": [{"enum": ["zstd", None]}, _LEVEL]},
        jobs={"type": ["integer", "null"], "minimum": 1, "maximum": 16},
        label={"type": ["string", "null"], "maxLength": 256},
        filestore={"type": ["string", "null"], "maxLength": 4096},
        plan_uuid={"type": ["string", "null"], "maxLength": 64},
    ),
    "verify": _schema(
        ["storage", "path", "level"],
        storage=_STORAGE,
        path=_PATH,
        level={"enum": list(LEVELS)},
        foreign={"type": "boolean"},
    ),
    "restore": _schema(
        ["storage", "path", "target"],
        storage=_STORAGE,
        path=_PATH,
        target=_DATABASE,
        replace={"type": "boolean"},
        confirmed_name=_TEXT,
        neutralize={"type": "boolean"},
        safety={"anyOf": [_STORAGE, {"type": "null"}]},
        foreign={"type": "boolean"},
    ),
    "drill": _schema(
        ["storage", "path"],
        storage=_STORAGE,
        path=_PATH,
        keep={"type": "boolean"},
        foreign={"type": "boolean"},
    ),
    "prune": _schema(
        ["storage", "remove", "keep"], storage=_STORAGE, remove=_PATHS, keep=_PATHS
    ),
    "export": _schema(
        ["storage", "path", "to"], storage=_STORAGE, path=_PATH, to=_PATH
    ),
    "discard": _schema(["path"], path=_PATH),
    "probe": _schema(["storage"], storage=_STORAGE),
}


def engine_of(job: Job, storage: Json | None = None) -> Engine:
    """The engine and storage that an operation's arguments name.

    :param storage: another one than the operation's own
    """
    wish = job.arguments
    told = storage or wish["storage"]
    engine = "restic" if told["kind"] == "restic" else "archive"
    if storage is None and wish.get("engine", engine) != engine:
        raise Refused(f"The engine {wish['engine']} cannot write to a {told['kind']}.")
    encryption = wish.get("encryption")
    if job.verb == "backup" and encryption and not encryption.get("key"):
        raise Refused("The backup is to be encrypted, but no key is named.")
    return open_engine(told, job.config, encryption, job.check, job.sleep)


def _backup(job: Job) -> Json:
    return backup(job, engine_of(job), SigningKey.load(job.config.signing_key_file))


def _verify(job: Job) -> Json:
    return verify(job, engine_of(job))


def _restore(job: Job) -> Json:
    wish = job.arguments
    safety = engine_of(job, wish["safety"]) if wish.get("safety") else None
    key = SigningKey.load(job.config.signing_key_file)
    return restoring.restore(job, engine_of(job), safety, key)


def _drill(job: Job) -> Json:
    return drilling.drill(job, engine_of(job))


def _prune(job: Job) -> Json:
    return pruning.prune(job, engine_of(job))


def _export(job: Job) -> Json:
    return exporting.export(job, engine_of(job))


def _probe(job: Job) -> Json:
    place = open_place(job.arguments["storage"], job.config, job.check, job.sleep)
    return pruning.probe(job, place)


VERBS: dict[str, Callable[[Job], Json]] = {
    "backup": _backup,
    "verify": _verify,
    "restore": _restore,
    "drill": _drill,
    "prune": _prune,
    "export": _export,
    "discard": exporting.discard,
    "probe": _probe,
}


def expect_sound(verb: str, arguments: Any) -> None:
    """Refuse what is no verb of ours, or has arguments of another form.

    >>> expect_sound("shell", {})
    Traceback (most recent call last):
    ...
    steward_client.runner.problems.Refused: This runner does not know 'shell'.
    """
    if verb not in SCHEMAS:
        raise Refused(f"This runner does not know {verb!r}.")
    validator = jsonschema.Draft202012Validator(SCHEMAS[verb])
    for error in validator.iter_errors(arguments):
        where = "/".join(map(str, error.absolute_path)) or "arguments"
        raise Refused(
            f"{verb} cannot be done with such {where}: {error.message[:300]}."
        )
