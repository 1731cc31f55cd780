"""The pipeline's first step, for tests of harvests alone: it keeps what it is given."""

import hashlib


def stand_in(case):
    """Let documents be kept as they are, with no job and no stage."""
    model = case.registry["steward.document"]
    case.taken = []

    def take(documents, source, drafts, harvest=None):
        case.taken += drafts
        counts = {"new": 0, "changed": 0, "unchanged": 0, "rejected": []}
        fresh = documents.browse()
        everything = documents.with_context(active_test=False)
        for index, draft in enumerate(drafts):
            content = draft.content
            if isinstance(content, bytes):
                content = content.decode("utf-8", "replace")
            if "REJECT ME" in content:
                counts["rejected"].append({"index": index, "reason": "No."})
                continue
            digest = hashlib.sha256(f"{draft.title}{content}".encode()).hexdigest()
            known = everything.search(
                [
                    ("source_id", "=", source.id),
                    ("external_id", "=", draft.external_id),
                ]
            )
            if known and known.active and known.version == digest:
                counts["unchanged"] += 1
                continue
            values = {
                "name": draft.title or draft.external_id,
                "text": content,
                "url": draft.url,
                "active": True,
                "version": digest,
                "res_model": draft.res_model or False,
                "res_id": draft.res_id,
            }
            if known:
                known._write_own(values)
                counts["changed"] += 1
            else:
                known = documents._create_own(
                    [
                        values
                        | {"source_id": source.id, "external_id": draft.external_id}
                    ]
                )
                counts["new"] += 1
            fresh |= known
        return {**counts, "documents": fresh}

    def retire(documents, source, external_ids):
        documents.search(
            [
                ("source_id", "=", source.id),
                ("external_id", "in", list(external_ids)),
            ]
        )._write_own({"active": False})

    def enqueue(documents):
        return None

    def process(documents, stages=None):
        documents._write_own({"state": "ready"})

    for name, function in (
        ("_take", take),
        ("_retire", retire),
        ("_enqueue", enqueue),
        ("_process", process),
    ):
        setattr(model, name, function)
        case.addCleanup(delattr, model, name)
