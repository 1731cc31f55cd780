import json
import logging
from hashlib import blake2b
from time import monotonic
from typing import NamedTuple

import psycopg2

from odoo import SUPERUSER_ID, api, fields, models
from odoo.addons.queue_job.exception import JobError
from odoo.addons.steward.const import CHANNEL_HEAVY
from odoo.addons.steward.exceptions import Refused, StewardError, converted
from odoo.tools import SQL

from ..kernel.extract import LIMITS, Unreadable, extract

_logger = logging.getLogger(__name__)

BATCH = 50  # documents of one job
SLICE = 3  # seconds after which a job shows what it did and goes on in another
BUSY = 30  # seconds until another look at documents that somebody works at
TRIES = 6  # of a stage whose helper is away for a while
FIRST_WAIT = 60  # seconds; doubled each time
LOST = 60  # minutes without progress after which a document is queued again
TAKEN = 1_000  # documents that one look at the lost ones takes care of
NAME = 300  # characters of a title


class Stage(NamedTuple):
    """What is done with documents of a state, and which state that leads to."""

    name: str
    before: str
    after: str


STAGES = (
    Stage("extract", "fetched", "extracted"),
    Stage("understand", "extracted", "understood"),
    Stage("chunk", "understood", "chunked"),
    Stage("embed", "chunked", "ready"),
)
PENDING = tuple(stage.before for stage in STAGES)
# a person may change these, nobody anything else
EDITABLE = frozenset({"topic_id"})


class StewardDocument(models.Model):
    _inherit = "steward.document"
    # all but `EDITABLE`; a test holds it against the fields that there are
    _steward_own_fields = (
        *("name", "source_id", "company_id", "external_id", "url", "active", "state"),
        *("text", "language", "version", "date", "res_model", "res_id"),
        *("duplicate_of_id", "chunk_ids", "duplicate_ids", "content", "content_type"),
        *("content_hash", "error", "error_detail", "failed_stage", "tries", "tags"),
        *("untrusted", "word_count", "details", "text_hash", "signature"),
        *("topic_score", "topic_by", "entity_ids"),
    )

    text = fields.Text(prefetch=False)
    content = fields.Binary(
        attachment=False,
        groups=fields.NO_ACCESS,
        help="As it was fetched; kept until the document is searchable.",
    )
    content_type = fields.Char(string="Kind of Content")
    content_hash = fields.Char(help="What tells a changed document from the same one.")
    details = fields.Json(help="What its file says of itself: pages, address.")
    tags = fields.Char(help="As its source gave them, separated by commas.")
    untrusted = fields.Boolean(
        default=True,
        help="Written by people outside: an agent reads it, and does not obey it.",
    )
    word_count = fields.Integer(string="Words", aggregator="sum")
    error = fields.Text(help="Why it does not go on.")
    error_detail = fields.Text()
    failed_stage = fields.Selection(
        [
            ("extract", "Reading the text"),
            ("understand", "Understanding"),
            ("chunk", "Cutting into passages"),
            ("embed", "Embedding"),
        ],
        string="Failed at",
    )
    tries = fields.Integer(help="How often this stage had to wait.")

    # -- what sources hand over ------------------------------------------------------

    @api.model
    def _take(self, source, drafts, harvest=None):
        """Keep what a source hands over; only what is new or changed goes on.

        Nothing is queued: see `_enqueue`.

        :param drafts: `Draft` objects; of two with one name the later counts
        :param harvest: on whose behalf, for overrides of `_prepare_document_values`
        :return: ``{"new", "changed", "unchanged", "rejected": [{"index", "reason"}],
            "documents": those that are new or changed}``
        """
        # sudo: steward.document - harvested by our code, whoever asked for it
        documents = self.sudo().with_context(active_test=False)
        rejected, sound = [], {}
        for index, draft in enumerate(drafts):
            if reason := self._reject(draft):
                rejected.append({"index": index, "reason": reason})
            else:
                sound[draft.external_id.strip()] = draft
        known = documents._known(source, list(sound))
        fresh, changed, back = [], documents.browse(), documents.browse()
        unchanged = 0
        for external_id, draft in sound.items():
            document_id, told, is_active = known.get(external_id, (None, None, None))
            digest = self._digest(draft)
            if told == digest and is_active:
                unchanged += 1
                continue
            document = documents.browse(document_id)
            if told == digest:
                back += document
                continue
            values = self._prepare_document_values(source, draft, harvest)
            values["content_hash"] = digest
            if document_id:
                document._write_own(values)
                changed += document
            else:
                fresh.append({**values, "external_id": external_id})
        back._come_back()
        created = documents._create_own(fresh)
        return {
            "new": len(created),
            "changed": len(changed) + len(back),
            "unchanged": unchanged,
            "rejected": rejected,
            "documents": (created + changed + back).with_env(self.env),
        }

    def _known(self, source, external_ids):
        """Return ``{external_id: (id, content_hash, active)}`` in one query."""
        if not external_ids:
            return {}
        self.flush_model(["source_id", "external_id", "content_hash", "active"])
        rows = self.env.execute_query(
            SQL(
                "SELECT external_id, id, content_hash, active FROM steward_document"
                " WHERE source_id = %s AND external_id = ANY(%s)",
                source.id,
                external_ids,
            )
        )
        return {external_id: tuple(rest) for external_id, *rest in rows}

    @api.model
    def _reject(self, draft):
        """Say why a draft cannot be taken; nothing if it can."""
        if not (draft.external_id or "").strip():
            return self.env._("It has no name of its own.")
        if not draft.content:
            return self.env._("It is empty.")
        if len(draft.content) > LIMITS.size:
            return self._sentence(Unreadable("too_large"))
        return ""

    @api.model
    def _digest(self, draft):
        """Return what changes whenever anything of a draft changes."""
        told = [
            *(
                draft.title,
                draft.content_type,
                draft.url,
                draft.language,
                draft.version,
            ),
            *(draft.date and draft.date.isoformat(), sorted(draft.tags)),
            *(draft.res_model, draft.res_id, isinstance(draft.content, str)),
        ]
        digest = blake2b(json.dumps(told).encode(), digest_size=16)
        content = draft.content
        if isinstance(content, str):
            content = content.encode("utf-8", "replace")
        digest.update(content)
        return digest.hexdigest()

    @api.model
    def _prepare_document_values(self, source, draft, harvest):  # noqa: ARG002
        """Return a document's fields. Called for each draft that is new or changed."""
        content, content_type = draft.content, draft.content_type
        if isinstance(content, str):
            content = content.encode("utf-8", "replace")
            kind = content_type.partition(";")[0].strip()
            # a text is Markdown, unless it is said to be something else
            kind = "text/markdown" if kind in ("", "text/plain") else kind
            content_type = f"{kind}; charset=utf-8"
        values = {
            "source_id": source.id,
            "name": _line(draft.title) or draft.external_id[:NAME],
            "url": draft.url,
            "language": draft.language[:2].lower(),
            "version": draft.version,
            "date": draft.date,
            "tags": ", ".join(dict.fromkeys(filter(None, map(_line, draft.tags)))),
            "res_model": draft.res_model or False,
            "res_id": draft.res_id or False,
            "untrusted": source._is_untrusted(),
            "content": content,
            "content_type": content_type,
            "state": "fetched",
            "active": True,
        }
        return {**values, **_FORGET}

    def _come_back(self):
        """Search documents that had been gone; their text was kept."""
        readable = self.filtered("text")
        for documents, state in ((readable, "extracted"), (self - readable, "fetched")):
            if documents:
                documents._write_own({"active": True, "state": state, **_FORGET})

    @api.model
    def _retire(self, source, external_ids):
        """Search documents no longer that are gone at their source; keep their text.

        :return: how many
        """
        # sudo: steward.document - as the source tells, whoever asked for it
        gone = self.sudo().search(
            [
                ("source_id", "=", source.id),
                ("external_id", "in", list(external_ids)),
                ("active", "=", True),
            ]
        )
        if gone:
            gone._drop_chunks()
            gone._write_own({"active": False, "duplicate_of_id": False})
            gone._release_duplicates()
        return len(gone)

    # -- jobs ------------------------------------------------------------------------

    def _enqueue(self, eta=None):
        """Let workers take these documents on, in batches."""
        # sudo: steward.source - its name, for the list of jobs
        name = ", ".join(self.sudo().source_id.mapped("name"))
        for at in range(0, len(self), BATCH):
            batch = self[at : at + BATCH]
            digest = blake2b(json.dumps(batch.ids).encode(), digest_size=8).hexdigest()
            # as the superuser: what happens to documents does not depend on who asked
            batch.with_user(SUPERUSER_ID).with_delay(
                eta=eta,
                channel=CHANNEL_HEAVY,
                identity_key=f"steward.document/{digest}/{eta or 'now'}",
                description=self.env._(
                    "Documents of %(name)s (%(count)s)",
                    name=name,
                    count=len(batch),
                ),
            )._job_process()

    def _job_process(self):
        """Take these documents as far as a short while allows.

        A killed worker's transaction is gone as a whole, and queue_job starts the job
        anew: nothing is done twice, nothing half.
        """
        documents = self.exists()
        before = documents.mapped("state")
        documents._process(seconds=SLICE)
        is_moving = documents.mapped("state") != before
        left = documents.filtered(lambda each: each.active and each.state in PENDING)
        waiting = left.filtered("tries")
        for tries in set(waiting.mapped("tries")):
            some = waiting.filtered(
                lambda document, tries=tries: document.tries == tries
            )
            some._enqueue(eta=FIRST_WAIT * 2 ** (tries - 1))
        (left - waiting)._enqueue(eta=None if is_moving else BUSY)
        documents.source_id._tell_progress()

    @api.model
    def _cron_go_on(self):
        """Queue documents again whose jobs were lost, and look for missed duplicates.

        Jobs are lost when somebody deletes them, or when they failed for good.
        """
        before = fields.Datetime.subtract(fields.Datetime.now(), minutes=LOST)
        lost = self.search(
            [("state", "in", PENDING), ("write_date", "<", before)],
            limit=TAKEN,
            order="id",
        )
        lost._enqueue()
        self._find_missed_duplicates(since=before)

    # -- stages ----------------------------------------------------------------------

    def _process(self, stages=None, seconds=None):
        """Take these documents through their stages, now.

        Those that somebody else works at, and those that are no longer there, are left
        alone.

        :param stages: names of `STAGES`; all unless some are named
        :param seconds: begin no stage after so long
        """
        began = monotonic()
        # sudo: steward.document - its stages are written by our code alone
        mine = self.sudo().try_lock_for_update()
        # what was read before the lock may be out of date
        mine.invalidate_recordset(["state", "active"])
        mine = mine.filtered("active")
        for stage in STAGES:
            todo = mine.filtered(lambda each, stage=stage: each.state == stage.before)
            if not todo or (stages is not None and stage.name not in stages):
                continue
            if seconds is not None and monotonic() - began > seconds:
                break
            todo._run(stage)

    def _run(self, stage):
        """Do one stage of these documents; one that fails does not stop the others."""
        if not self:
            return
        try:
            with self.env.cr.savepoint():
                getattr(self, f"_stage_{stage.name}")(stage.after)
        except (JobError, psycopg2.OperationalError):
            raise  # of the transaction as a whole: the job is tried again
        except Exception as error:  # noqa: BLE001 - one document stops no other
            if isinstance(error, StewardError) and error.retryable:
                self._wait(stage, error)
            elif len(self) > 1:
                half = len(self) // 2
                self[:half]._run(stage)
                self[half:]._run(stage)
            else:
                problem = converted(error)
                self._fail(stage.name, problem.sentence, problem.detail)

    def _wait(self, stage, problem):
        """Tell why documents wait; those that waited too often have failed."""
        for document in self:
            if document.tries + 1 < TRIES:
                document._write_own(
                    {
                        "tries": document.tries + 1,
                        "error": problem.sentence,
                        "error_detail": problem.detail,
                    }
                )
            else:
                document._fail(stage.name, problem.sentence, problem.detail)

    def _fail(self, stage, sentence, detail=None):
        self._write_own(
            {
                "state": "failed",
                "failed_stage": stage,
                "error": sentence,
                "error_detail": detail,
            }
        )

    def _stage_extract(self, after):
        """Read the text of each document out of what was fetched."""
        self.flush_recordset(["content", "content_type"])
        contents = dict(
            self.env.execute_query(
                SQL(
                    "SELECT id, content FROM steward_document WHERE id = ANY(%s)",
                    list(self.ids),
                )
            )
        )
        for document in self:
            try:
                found = extract(
                    bytes(contents.get(document.id) or b""),
                    document.content_type or "",
                    document.url or document.external_id,
                )
            except Unreadable as error:
                detail = ": ".join(filter(None, error.args))
                document._fail("extract", self._sentence(error), detail)
                continue
            has_title = document.name != document.external_id[:NAME]
            document._write_own(
                {
                    **_FORGET,
                    "state": after,
                    "name": document.name
                    if has_title
                    else found.title or document.name,
                    "text": found.text,
                    "language": document.language or found.language,
                    "date": document.date or found.date,
                    "details": dict(found.meta),
                    "word_count": len(found.text.split()),
                }
            )

    @api.model
    def _sentence(self, error):
        """Say why a file could not be read, and what to do about it."""
        said = {
            "empty": self.env._("There is no text in it."),
            "too_large": self.env._(
                "It is larger than %(most)s MB. Split it, or leave it out.",
                most=LIMITS.size // 2**20,
            ),
            "unsupported": self.env._(
                "This kind of file cannot be read. HTML, Markdown, reStructuredText,"
                " plain text, CSV, PDF and Word (docx) can."
            ),
            "broken": self.env._("The file is damaged, or not what it says it is."),
            "scanned": self.env._(
                "The PDF holds pictures of pages and no text. Have its text recognised"
                " (OCR), then add it again."
            ),
            "encrypted": self.env._(
                "The PDF is protected with a password. Add one that is not."
            ),
            "login": self.env._(
                "This is a page to log in, not the page that was asked for."
            ),
        }
        return said[error.reason]

    def _stage_chunk(self, after):
        self._make_chunks()
        self._write_own({"state": after, **_FORGET})

    def _stage_embed(self, after):
        self._make_vectors()
        # what was fetched is no longer needed: its text is kept
        self._write_own({"state": after, "content": False, **_FORGET})

    # -- buttons ---------------------------------------------------------------------

    def action_try_again(self) -> dict:
        """Do the stage at which these documents failed once more, in the background.

        Operators only.

        :return: a notification
        """
        failed = self._for_operators().filtered(lambda each: each.state == "failed")
        before = {stage.name: stage.before for stage in STAGES}
        for stage, state in before.items():
            some = failed.filtered(lambda each, stage=stage: each.failed_stage == stage)
            some._write_own({"state": state, **_FORGET})
        return failed._queued()

    def action_process_again(self) -> dict:
        """Take these documents through their stages once more, in the background.

        From what was fetched where that is still kept, else from the text. Operators
        only.

        :return: a notification
        """
        documents = self._for_operators().filtered("active")
        return documents._restart("extract")._queued()

    def action_process_again_from(self, stage: str) -> dict:
        """As `action_process_again`, from a later stage.

        Operators only.

        :param stage: ``extract``, ``understand``, ``chunk`` or ``embed``
        :return: a notification
        """
        if stage not in [each.name for each in STAGES]:
            raise Refused(self.env._("There is no stage %(name)s.", name=stage))
        return self._for_operators().filtered("active")._restart(stage)._queued()

    def _for_operators(self):
        """Return these documents to change them, if the user is an Operator."""
        if not self.env.user.has_group("steward.group_operator"):
            raise Refused(self.env._("Only Operators may process documents again."))
        self.check_access("read")
        # sudo: steward.document - nobody writes documents but our code
        return self.sudo()

    def _restart(self, stage):
        """Put documents back to a stage, as far back as what is kept allows."""
        names = [each.name for each in STAGES]
        befores = [each.before for each in STAGES]
        kept = self.search(
            [
                ("id", "in", self.ids),
                ("content", "!=", False),
                ("active", "in", [True, False]),
            ]
        )
        first = names.index(stage)
        for documents, earliest in (
            (self & kept, 0),
            ((self - kept).filtered("text"), 1),
        ):
            # a duplicate has no passages to embed
            duplicates = documents.filtered(lambda each: each.state == "duplicate")
            for some, at in (
                (documents - duplicates, first),
                (duplicates, min(first, 1)),
            ):
                state = befores[max(at, earliest)]
                some._write_own({"state": state, **_FORGET})
        return self.filtered(lambda each: each.state in PENDING)

    def _queued(self):
        self._enqueue()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "info",
                "message": self.env._(
                    "Documents that are processed in the background: %(count)s.",
                    count=len(self),
                ),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }


_FORGET = {"error": False, "error_detail": False, "failed_stage": False, "tries": 0}


def _line(text):
    return " ".join((text or "").replace("\x00", "").split())[:NAME]
