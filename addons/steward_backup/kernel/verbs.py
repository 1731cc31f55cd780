"""What the runner may be asked for around backups, as JSON Schemas.

Both sides check the arguments against these: Odoo when it asks, the runner when it
claims. A secret is never an argument; a *reference* to it is (``env:NAME``).
"""

from typing import Any

Schema = dict[str, Any]

KINDS = ("full", "database", "filestore")
LEVELS = ("written", "checksummed", "readback", "restored")  # each proves more
VERIFY_LEVELS = ("checksummed", "readback")

DATABASE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,62}$"
# a place that restic can reach; who may is told by secrets, not by the address
REPOSITORY = r"^(/[^\x00]*|(s3|rest):(https?://)?[A-Za-z0-9][^@\s]*)$"

_text: Schema = {"type": "string", "minLength": 1, "maxLength": 1024}
_name: Schema = {"type": "string", "pattern": DATABASE_NAME}
_reference: Schema = {"type": "string", "pattern": r"^(env|file):\S.*$"}
# a path inside a storage: never out of it
_path: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 1024,
    "pattern": r"^(?!.*(^|/)\.\.(/|$))[^\x00]+$",
}


def _object(required: dict[str, Schema], optional: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": required | optional,
        "required": sorted(required),
        "additionalProperties": False,
    }


STORAGE: Schema = {
    "oneOf": [
        _object({"kind": {"const": "folder"}, "path": _path}, {}),
        _object(
            {
                "kind": {"const": "s3"},
                "bucket": _text,
                "access_key": _reference,
                "secret_key": _reference,
            },
            {
                "endpoint": _text,
                "region": _text,
                "prefix": _path,
                "path_style": {"type": "boolean"},
            },
        ),
        _object(
            {
                "kind": {"const": "restic"},
                "repository": _text | {"pattern": REPOSITORY},
                "password": _reference,
            },
            {"access_key": _reference, "secret_key": _reference},
        ),
    ]
}
_references: Schema = {
    "type": "array",
    "items": _reference,
    "minItems": 1,
    "maxItems": 100,
}
# what is written has one key; what is read may have been written with an earlier one
ENCRYPTION: Schema = {
    "oneOf": [{"type": "null"}, _object({"key": _reference}, {"keys": _references})]
}
DECRYPTION: Schema = {
    "oneOf": [*ENCRYPTION["oneOf"], _object({"keys": _references}, {})]
}

VERBS: dict[str, Schema] = {
    "backup": _object(
        {
            "database": _name,
            "kind": {"enum": list(KINDS)},
            "storage": STORAGE,
            "engine": {"enum": ["archive", "restic"]},
        },
        {
            "filestore": _text,
            "compression": {"enum": ["zstd", "gzip", "none"]},
            "encryption": ENCRYPTION,
            "jobs": {"type": "integer", "minimum": 1, "maximum": 16},
            "label": {"type": "string", "maxLength": 200},
            "plan_uuid": _text,
        },
    ),
    "verify": _object(
        {"storage": STORAGE, "path": _path, "level": {"enum": list(VERIFY_LEVELS)}},
        {"encryption": DECRYPTION},
    ),
    "restore": _object(
        {
            "storage": STORAGE,
            "path": _path,
            "target": _name,
            "replace": {"type": "boolean"},
            "neutralize": {"type": "boolean"},
        },
        {
            "confirmed_name": _name,
            "safety": {"oneOf": [{"type": "null"}, STORAGE]},
            "encryption": DECRYPTION,
        },
    ),
    "drill": _object(
        {"storage": STORAGE, "path": _path, "keep": {"type": "boolean"}},
        {"encryption": DECRYPTION},
    ),
    "prune": _object(
        {
            "storage": STORAGE,
            "remove": {"type": "array", "items": _path, "minItems": 1},
            "keep": {"type": "array", "items": _path, "minItems": 1},
        },
        {},
    ),
    "export": _object(
        {"storage": STORAGE, "path": _path, "to": _path}, {"encryption": DECRYPTION}
    ),
    "discard": _object({"path": _path}, {}),
    "probe": _object({"storage": STORAGE}, {}),
}


def proves_more(level: str, than: str) -> bool:
    """Whether a level of verification proves more than another; "" proves nothing.

    >>> proves_more("restored", "readback"), proves_more("written", "written")
    (True, False)
    >>> proves_more("written", "")
    True
    """
    rank = {name: number for number, name in enumerate(("", *LEVELS))}
    return rank[level] > rank[than]
