import logging
from typing import NamedTuple

from odoo import api, models, tools
from odoo.addons.steward.exceptions import Invalid, StewardError
from odoo.addons.steward_agent.kernel import playbook as playbooks
from odoo.addons.steward_knowledge.kernel import vector_copy
from odoo.fields import Domain
from odoo.tools import SQL, sql

from ..kernel import skill_format as kernel

_logger = logging.getLogger(__name__)

LIMIT = 50  # results at once, at most
TASK_CHARACTERS = 4_000  # of a task that is looked at
SHORTLIST = 300  # of each way of finding
CANDIDATES = 50  # the best of those
NEAR = 0.35  # fit under which a skill is not found
BY_TRIGGER = 0.9  # fit of a skill whose trigger stands in the task
SCALE = 1.645  # ts_rank calls it 1/1.645 to have each word once, where it counts most
WORDS = "{0.1, 0.2, 0.6, 1.0}"  # what words count, by where they stand: D, C, B, A
# title and triggers count most; the instructions say how, and not when
SEARCH = """
    setweight(to_tsvector('english', coalesce(title, '')), 'A')
    || setweight(to_tsvector('english', coalesce(trigger_words, '')), 'A')
    || setweight(to_tsvector('english', coalesce(description, '')), 'B')
    || setweight(to_tsvector('simple', coalesce(tool_names, '')), 'C')
"""
# for the rest of the transaction, in one message: some milliseconds of one process
SETTINGS = SQL(
    "SELECT set_config('jit', 'off', true),"
    " set_config('max_parallel_workers_per_gather', '0', true);"
)

# Those nearest in meaning, those whose trigger is said, and those that no embedder has
# seen, by their words; then all of these are looked at closely.
FIND = """
    %(settings)s
    WITH readable AS MATERIALIZED (
        SELECT id, approved_version_id AS version_id
          FROM steward_skill WHERE id IN %(readable)s
    ), shortlist AS (
        (SELECT readable.id AS skill_id, version.id AS version_id
           FROM readable
           JOIN steward_skill_version AS version ON version.id = readable.version_id
          WHERE version.embedder = %(embedder)s
          ORDER BY %(near)s LIMIT %(many)s)
        UNION
        (SELECT readable.id AS skill_id, version.id AS version_id
           FROM readable
           JOIN steward_skill_version AS version ON version.id = readable.version_id
          WHERE version.phrases && %(phrases)s LIMIT %(many)s)
        UNION
        (SELECT readable.id AS skill_id, version.id AS version_id
           FROM readable
           JOIN steward_skill_version AS version ON version.id = readable.version_id
          WHERE (version.embedder IS NULL OR version.embedder < %(embedder)s
                 OR version.embedder > %(embedder)s)
            AND version.search @@ %(query)s::tsquery
          ORDER BY ts_rank(%(weights)s::real[], version.search, %(query)s::tsquery) DESC
          LIMIT %(many)s)
    ), fit AS (
        SELECT skill.id AS skill_id, version.id AS version_id, skill.name,
               version.trigger_words, skill.company_id, skill.confidence,
               LEAST(1, %(scale)s * ts_rank(%(weights)s::real[], version.search,
                                            %(query)s::tsquery)) AS words,
               CASE WHEN version.embedder = %(embedder)s THEN -(%(near)s) END AS near
          FROM shortlist
          JOIN steward_skill_version AS version ON version.id = shortlist.version_id
          JOIN steward_skill AS skill ON skill.id = shortlist.skill_id
    )
    SELECT * FROM fit
     ORDER BY CASE WHEN near IS NULL THEN words
                   ELSE %(by_words)s * words + %(by_meaning)s * near END DESC, skill_id
     LIMIT %(count)s
"""


class Found(NamedTuple):
    """A skill that fits a task."""

    skill_id: int
    version_id: int
    score: float  # 0 to 1


class StewardSkill(models.Model):
    """Finding skills: by words and by meaning, under the rights of who asks.

    Nothing of it is remembered between two searches: what a Reviewer approves, the
    next search in any worker finds.
    """

    _inherit = "steward.skill"

    # -- public ------------------------------------------------------------------------

    @api.model
    def find(self, task: str, limit: int = 5) -> list[dict]:
        """Find the skills for a task, the best first.

        :param task: what is to be done, in words
        :param limit: how many at most, up to 50
        :return: ``[{"name", "title", "description", "kind", "version", "score"}]``;
            the score is from 0 to 1
        """
        versions = self.env["steward.skill.version"]
        found = self._find(task, limit)
        if run := self.env["steward.run"]._at_work():
            found = self.env["steward.skill.use"]._allotted(run, found)
        shown = versions.browse(row.version_id for row in found)
        shown.fetch(["skill_id", "number", "title", "description", "kind"])
        return [
            {
                "name": version.skill_id.name,
                "title": version.title,
                "description": version.description,
                "kind": version.kind,
                "version": version.number,
                "score": round(row.score, 3),
            }
            for row, version in zip(found, shown, strict=True)
        ]

    @api.model
    def get(self, name: str, version: int | None = None) -> dict:
        """Read a skill: what to do, step by step, and with which tools.

        :param name: as ``find`` told it
        :param version: its number; the one in use without
        :return: ``{"name", "version", "title", "description", "markdown", "kind",
            "steps": [texts], "tools": [names], "needs": [skills, in order], "files":
            [paths]}``; a playbook has ``"inputs"``: name -> type
        """
        skill = self._named(name)
        chosen = skill._version(version)
        said = kernel.parse(chosen.text)
        answer = {
            "name": skill.name,
            "version": chosen.number,
            "title": chosen.title,
            "description": chosen.description,
            "markdown": chosen.text,
            "kind": chosen.kind,
            "steps": said.steps(),
            "tools": list(said.tools),
            "needs": skill._in_order()[:-1] if said.needs else [],
            "files": chosen.file_ids.mapped("path"),
        }
        if chosen.playbook:
            parsed = playbooks.parse(chosen.playbook)
            answer["steps"] = [step.name or step.title() for step in parsed.steps]
            answer["tools"] = sorted(parsed.tools() | set(said.tools))
            answer["inputs"] = {name: i.type for name, i in parsed.inputs.items()}
        return answer

    def _version(self, number=None):
        """The version in use, or another one that the user may read."""
        self.ensure_one()
        chosen = self.approved_version_id
        if number is not None:
            chosen = self.env["steward.skill.version"].search(
                [("skill_id", "=", self.id), ("number", "=", number)]
            )
        if not chosen:
            raise Invalid(
                self.env._(
                    "%(name)s has no version %(number)s.",
                    name=self.name,
                    number=number,
                )
                if number is not None
                else self.env._("%(name)s is not approved yet.", name=self.name)
            )
        return chosen

    # -- finding -----------------------------------------------------------------------

    @api.model
    def _in_use_domain(self):
        """The skills that agents are told."""
        return Domain("approved_version_id", "!=", False)

    @api.model
    def _find(self, task, limit=5, domain=Domain.TRUE):
        """The skills in use that fit a task, the best first.

        A company's own skill hides the shared one of its name.

        :rtype: list[Found]
        """
        self.check_access("read")
        if not isinstance(task, str):
            raise Invalid(self.env._("A task is told in words."))
        task = " ".join(task.replace("\0", " ").split())[:TASK_CHARACTERS]
        limit = min(max(int(limit), 1), LIMIT)
        if not task:
            return []
        self.env.flush_all()
        words = self._lexemes(task)
        vector, embedder, (by_words, by_meaning) = self._question(task)
        if not words and vector is None:
            return []
        said = kernel.words_of(task)
        readable = self._search(self._in_use_domain() & domain)
        facts = {
            "settings": SETTINGS,
            "readable": readable.subselect(),
            "embedder": embedder,
            "near": SQL("version.embedding <#> %s::halfvec", vector)
            if embedder
            else SQL("NULL::float"),
            "phrases": kernel.phrases(said),
            "weights": WORDS,
            "scale": SCALE,
            "query": " | ".join(words),
            "by_words": by_words,
            "by_meaning": by_meaning,
            "many": SHORTLIST,
            "count": max(CANDIDATES, limit),
        }
        rows = self.env.execute_query(SQL(FIND, **facts))
        found = {}
        lowered = f" {' '.join(said)} "
        # a company's own first, so that it hides the shared one of its name
        for row in sorted(rows, key=lambda row: row[4] is None):
            skill_id, version_id, name, triggers, _company, confidence, *fit = row
            score = self._score(*fit, by_words, by_meaning)
            for trigger in kernel.listed(triggers or ""):
                if f" {' '.join(kernel.words_of(trigger))} " in lowered:
                    score = max(score, BY_TRIGGER)
            if score >= NEAR:
                # among those that fit alike, what has proved itself comes first
                score *= 0.9 + 0.1 * (confidence or 0.0)
                found.setdefault(name, Found(skill_id, version_id, score))
        order = sorted(found.values(), key=lambda row: (-row.score, row.skill_id))
        return order[:limit]

    @api.model
    def _score(self, words, near, by_words, by_meaning):
        if near is None:
            return words
        return max(words * by_words + max(near, 0.0) * by_meaning, words * 0.9)

    @api.model
    def _lexemes(self, task):
        [[lexemes]] = self.env.execute_query(
            SQL(
                "SELECT tsvector_to_array(to_tsvector('english', %(task)s))"
                " || tsvector_to_array(to_tsvector('simple', %(names)s))",
                task=task,
                # names of tools are looked for as they are
                names=" ".join(word for word in task.split() if "_" in word),
            )
        )
        escaped = (one.replace("\\", "\\\\").replace("'", "''") for one in lexemes)
        return [f"'{one}'" for one in dict.fromkeys(escaped)]

    @api.model
    def _question(self, task):
        """A task as a vector, whose embedder made it, and what words and meaning count.

        Without an embedder, words alone decide.
        """
        model, weights = self._embedder()
        if not model or not self._has_vectors():
            return None, "", weights
        try:
            vector = model._embed([task], "query")[0]
        except StewardError:
            return None, "", weights
        return vector_copy.literal(vector), _mark(model, len(vector)), weights

    @api.model
    def _embedder(self):
        """The embedder that search uses, and what words and meaning count with it."""
        space = self.env["steward.space"]._active()
        # sudo: steward.model - whoever looks for skills need not see models
        model = space.model_id or self.env["steward.model"].sudo()._default_embedding()
        words = space.weight_lexical if space else 0.5
        meaning = space.weight_vector if space else 0.5
        return model.sudo(), (words / (words + meaning), meaning / (words + meaning))

    @api.model
    @tools.ormcache()
    def _has_vectors(self):
        return sql.column_exists(self.env.cr, "steward_skill_version", "embedding")


class StewardSkillVersion(models.Model):
    """What a version is found by: its words, and its meaning as a vector."""

    _inherit = "steward.skill.version"

    def init(self):
        super().init()
        cr = self.env.cr
        if not sql.column_exists(cr, self._table, "search"):
            cr.execute(
                SQL(
                    "ALTER TABLE steward_skill_version"
                    " ADD COLUMN search tsvector GENERATED ALWAYS AS (%s) STORED,"
                    " ADD COLUMN phrases text[] GENERATED ALWAYS AS"
                    " (string_to_array(lower(trigger_words), ', ')) STORED,"
                    " ADD COLUMN embedder varchar",
                    SQL(SEARCH),
                )
            )
        sql.create_index(
            cr, "steward_skill_version_embedder", self._table, ["embedder"]
        )
        # what waits to be put into such an index is read whole by each search
        cr.execute(
            "CREATE INDEX IF NOT EXISTS steward_skill_version_phrases"
            " ON steward_skill_version USING gin (phrases) WITH (fastupdate = off)"
        )
        if self.env["steward.space"]._ensure_extension():
            self._add_column()

    @api.model
    def _add_column(self):
        cr = self.env.cr
        if not sql.column_exists(cr, self._table, "embedding"):
            cr.execute("ALTER TABLE steward_skill_version ADD COLUMN embedding halfvec")
            # else PostgreSQL would keep long ones elsewhere, and read them slowly
            cr.execute(
                "ALTER TABLE steward_skill_version ALTER embedding SET STORAGE PLAIN"
            )

    def _meaning(self):
        """The text by which it is compared with tasks."""
        self.ensure_one()
        parts = (self.title, self.trigger_words, self.description)
        return "\n".join(part for part in parts if part)

    def _learn(self):
        """Keep what these versions mean, as the present embedder tells it."""
        skills = self.env["steward.skill"]
        model, _weights = skills._embedder()
        if not self or not model or not skills._has_vectors():
            return 0
        vectors = model._embed([version._meaning() for version in self], "document")
        mark = _mark(model, vectors.shape[1])
        self.flush_recordset()
        for version, vector in zip(self, vectors, strict=True):
            self.env.cr.execute(
                SQL(
                    "UPDATE steward_skill_version SET embedding = %s::halfvec,"
                    " embedder = %s WHERE id = %s",
                    vector_copy.literal(vector),
                    mark,
                    version.id,
                )
            )
        return len(self)

    def _try_learn(self):
        """The same, and no failure of an embedder stops what this is part of."""
        try:
            with self.env.cr.savepoint():
                return self._learn()
        except StewardError as error:
            _logger.info("skills are found by their words alone: %s", error.sentence)
            return 0

    @api.model
    def _learn_missing(self, limit=1000):
        """Learn those in use that another embedder made, or none."""
        skills = self.env["steward.skill"]
        model, _weights = skills._embedder()
        if not model or not skills._has_vectors():
            return 0
        rows = self.env.execute_query(
            SQL(
                "SELECT version.id FROM steward_skill_version AS version"
                " JOIN steward_skill AS skill"
                " ON skill.approved_version_id = version.id"
                " WHERE NOT COALESCE(starts_with(version.embedder, %s), false)"
                " ORDER BY version.id LIMIT %s",
                _mark(model, ""),
                limit,
            )
        )
        return self.browse(row[0] for row in rows)._learn()


class StewardSpace(models.Model):
    _inherit = "steward.space"

    @api.model
    def _enable_vectors(self) -> bool:
        if not super()._enable_vectors():
            return False
        self.env["steward.skill.version"]._add_column()
        return True


class StewardDaily(models.Model):
    _inherit = "steward.daily"

    def _get_parts(self):
        title = self.env._("Skills that can be found")
        return {**super()._get_parts(), "skill_meaning": (title, self._learn_skills)}

    @api.model
    def _learn_skills(self, _daily):
        count = self.env["steward.skill.version"]._learn_missing()
        if count:
            yield self.env._(
                "%(count)s skills can be found by their meaning now.", count=count
            )


def _mark(model, dimensions):
    return f"{model.id}/{model.name}/{dimensions}"
