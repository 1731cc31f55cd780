import time
from hashlib import blake2b

from odoo import api, models
from odoo.addons.steward.exceptions import Invalid, Refused, converted
from odoo.addons.steward_agent.kernel.failure import category_of
from odoo.addons.steward_agent.kernel.machine import (
    Act,
    Done,
    Failed,
    Machine,
    inputs_of,
)
from odoo.addons.steward_agent.kernel.playbook import given_inputs
from odoo.addons.steward_agent.models.steward_guard import Attempt
from odoo.addons.steward_agent.models.steward_toolbox import Value
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY as COLLISIONS

from .steward_skill_find import Found

WAY = "steward_skills"  # in the context: the skills that run, the outermost first
DEEPEST = 5  # skills that run each other


class StewardSkill(models.Model):
    """Skills that are playbooks: done step by step, with no model."""

    _inherit = "steward.skill"

    # -- as a tool of an agent ---------------------------------------------------------

    @api.model
    def run(
        self,
        name: str,
        inputs: dict[str, Value] | None = None,
        idempotency_key: str = "",
    ) -> dict:
        """Do what a skill says, if it is a playbook: all of its steps, or none.

        Each step passes the same guard as if the agent had called that tool itself.
        A step that needs a person, time or the world outside makes the skill one that
        an agent follows as its own playbook.

        :param name: of the skill
        :param inputs: what its playbook has to be told
        :return: ``{"skill", "version", "output"?}``
        """
        run = self.env["steward.run"]._at_work()
        if not run:
            raise Refused(
                self.env._(
                    "A skill is run by an agent at work: give it the tool run_skill, or"
                    " a playbook that calls this skill."
                )
            )
        way = self.env.context.get(WAY, ())
        if name in way or len(way) >= DEEPEST:
            raise Refused(
                self.env._(
                    "Skills that run each other for ever, or too deep: %(way)s",
                    way=" → ".join((*way, name)),
                )
            )
        skill = self.with_context(**{WAY: (*way, name)})._named(name)
        version = skill._version()
        if not version.playbook:
            raise Invalid(
                self.env._(
                    "%(name)s is no playbook: read it, and do what it says.", name=name
                )
            )
        self.env["steward.skill.use"]._note(
            run, [(Found(skill.id, version.id, 1.0), "with")]
        )
        output = _Walk(skill, version, run, idempotency_key).done(inputs or {})
        answer = {"skill": skill.name, "version": version.number}
        return answer if output is None else {**answer, "output": output}

    # -- as a playbook -----------------------------------------------------------------

    def _on_approved(self):
        super()._on_approved()
        version = self.approved_version_id
        # sudo: steward.playbook - made of what a Reviewer approved, by this alone
        skill = self.sudo()
        playbook = skill.playbook_id
        if not version.playbook:
            playbook.active = False
            return
        taken = playbook.with_context(active_test=False).search_count(
            [
                ("code", "=", skill.name),
                ("company_id", "=", skill.company_id.id),
                ("id", "!=", playbook.id),
            ]
        )
        if taken:
            raise Refused(
                self.env._(
                    "There is a playbook with the code %(code)s already. Give the skill"
                    " another name.",
                    code=skill.name,
                )
            )
        values = {
            "name": version.title,
            "code": skill.name,
            "company_id": skill.company_id.id,
            "text": version.playbook,
            "active": True,
            "change_note": version.display_name,
        }
        if playbook:
            playbook.write(values)
        else:
            skill._write_own({"playbook_id": playbook.create(values).id})

    def write(self, vals):
        done = super().write(vals)
        if "company_id" in vals:
            for skill in self.sudo():  # sudo: steward.playbook - it is the skill's
                skill.playbook_id.company_id = skill.company_id
        return done

    def _on_deprecated(self):
        super()._on_deprecated()
        # sudo: steward.playbook - it is the skill's
        self.sudo().playbook_id.active = False

    def unlink(self):
        # sudo: steward.playbook - it is the skill's, and may be pinned by runs
        self.sudo().playbook_id.active = False
        return super().unlink()


class _Walk:
    """Goes through a skill's playbook within one step of a run.

    Its steps are the run's: guarded one by one, and in its ledger. They are done in
    one transaction, so that a skill that fails has done nothing.
    """

    def __init__(self, skill, version, run, key):
        self.skill, self.version, self.run = skill, version, run
        self.env = skill.env
        self.agent, self.company = run.agent_id, run.company_id
        self.key = key or version.display_name

    def done(self, inputs):
        # sudo: steward.playbook - what was approved is followed for whoever may run it
        playbook = self.skill.sudo().playbook_id
        # sudo: steward.playbook.version - as above
        versions = self.env["steward.playbook.version"].sudo()
        pinned = playbook._pinned(self.company)
        playbooks = {code: versions.browse(v)._parsed() for code, v in pinned.items()}
        try:
            variables = inputs_of(given_inputs(playbooks[""], inputs))
        except ValueError as error:
            raise Invalid(
                self.env._(
                    "%(name)s cannot begin: %(why)s.", name=self.skill.name, why=error
                )
            ) from error
        run = self.run
        facts = {
            "task": run.task,
            "trace_id": run.trace_id,
            "agent": run.agent_name,
            "user": {"id": self.env.uid, "name": self.env.user.name},
            "company": {"id": self.company.id, "name": self.company.name},
        }
        machine = Machine(playbooks, {}, variables, facts)
        moves, failure = 0, None
        while True:
            move = machine.next(time.time())
            match move:
                case Done():
                    return move.output
                case Failed():
                    raise failure or Invalid(
                        self.env._(
                            "%(name)s failed at step %(step)s: %(why)s",
                            name=self.skill.name,
                            step=move.step,
                            why=move.message,
                        )
                    )
                case Act():
                    moves += 1
                    if moves > self.agent.max_steps:
                        raise Refused(
                            self.env._("More than %(n)s steps.", n=self.agent.max_steps)
                        )
                    failure = self._act(machine, move)
                case _:
                    raise failure or Refused(
                        self.env._(
                            "%(name)s asks a person or waits: let an agent follow it as"
                            " its own playbook.",
                            name=self.skill.name,
                        )
                    )

    def _act(self, machine, move):
        """One step; the error, if it failed."""
        began, clock = time.time(), time.monotonic()
        error = value = None
        try:
            value = self._call(move)
        except Exception as failure:  # noqa: BLE001 - whatever a tool raises is told
            error = converted(failure)
            cause = error.__cause__ or failure
            if isinstance(cause, COLLISIONS):
                raise cause from None  # the whole step of the run again
        self._record(move, began, time.monotonic() - clock, value, error)
        if error is None:
            machine.succeed(value)
            return None
        machine.fail(
            category_of(error.code, error.sentence),
            error.sentence,
            time.time(),
            may_repeat=False,
        )
        return error

    def _call(self, move):
        tool = self.agent._tool_named(move.tool)
        attempt = Attempt(
            *(self.run, self.agent, self.company, tool, move.tool, move.arguments),
            self.env,
        )
        # sudo: steward.approval.rule - rules hold for whoever is guarded by them
        if self.env["steward.approval.rule"].sudo()._needed(attempt):
            raise Refused(
                self.env._(
                    "A person has to say yes to %(tool)s: call it by itself, not within"
                    " a skill.",
                    tool=move.tool,
                )
            )
        if tool.risk == "external":
            raise Refused(
                self.env._(
                    "%(tool)s leaves this database, which cannot be taken back should"
                    " the skill fail: call it by itself.",
                    tool=move.tool,
                )
            )
        with self.env["steward.guard"]._watch(attempt):
            return (
                tool.with_env(self.env)
                ._call(move.arguments, self._key(move), move.timeout)
                .value
            )

    def _key(self, move):
        return f"{self.run.trace_id}:{self.key}:{move.step}:{move.iteration}"

    def _record(self, move, began, seconds, value, error):
        """The step in the run's ledger, under the name of the skill."""
        run = self.run
        step = {
            "trace_id": run.trace_id,
            "span_id": blake2b(
                f"{self._key(move)}:{move.attempt}".encode(), digest_size=8
            ).hexdigest(),
            "kind": "tool_call",
            "name": move.tool,
            "started_at": began * 1000,
            "duration_ms": seconds * 1000,
            "status": "error" if error else "ok",
            "input": move.arguments,
            "output": value,
            "step_key": f"{self.skill.name}/{move.step}",
            "iteration": move.iteration,
            "attempt": move.attempt,
            "attributes": {"skill": self.version.display_name},
        }
        if error:
            step |= {"error_type": error.code, "error_message": error.sentence}
        row = {"id": run.id, "trace_id": run.trace_id, "month": run.month}
        # sudo: steward.run - the ledger is written for the run that is at work
        ledger = self.env["steward.run"].sudo().with_company(self.company)
        ledger._ingest([], [step], [(row, self.agent)])
