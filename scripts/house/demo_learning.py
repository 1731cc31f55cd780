"""``make demo-learning``: agents work, fail, and do better; all of it is measured.

Real playbook agents execute real runs against a fresh database; the nightly round looks
for skills and guardrails; a reviewer approves by script. The work is told in
``demo/learning/tasks.yaml``. With ``DAYS=28`` the same month happens twice, once with
nobody learning from it.
"""

import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from house import odoo
from house.console import Problem, step
from house.databases import Databases
from house.demo import _environment
from house.inside import test_server
from house.jobs import work_off
from house.settings import ROOT, Settings

FOLDER = ROOT / "demo" / "learning"
GOOD, BAD = (4, 3, 3), (0, 3, 2)  # runs of the first three kinds of work
SLIPS = 0.4  # of the inputs that people can get wrong, those that are
CITIES = ("Ghent", "Bruges", "Ostend", "Namur")
GOALS = {14: 5, 21: 10, 28: 20}  # day -> skills in use by then
GAIN = 15  # points by which runs go better
TRUE_NAMES = ("steward.group_agent", "base.group_partner_manager")


class Work(NamedTuple):
    """One kind of work, and the agent that does it."""

    task: str
    inputs: dict[str, list[Any]]
    bad: dict[str, list[Any]]
    agent: Any


class Company:
    """A small company in a fresh database."""

    def __init__(self, env: Any, folder: Path) -> None:
        self.env = env
        self.robot = self._person("robot", *TRUE_NAMES)
        self.reviewer = self._person("rita", "steward.group_reviewer")
        self.partners = env["res.partner"].create(
            [
                {"name": f"{city} {kind}", "city": city, "is_company": True}
                for city in CITIES
                for kind in ("Bakery", "Garage")
            ]
        )
        rows = yaml.safe_load((folder / "tasks.yaml").read_text())
        self.works = [self._work(row) for row in rows]
        env.cr.commit()

    def _person(self, login: str, *groups: str) -> Any:
        env = self.env
        ids = [env.ref("base.group_user").id, *(env.ref(name).id for name in groups)]
        return env["res.users"].create(
            {"name": login.title(), "login": login, "group_ids": [(6, 0, ids)]}
        )

    def _work(self, row: dict[str, Any]) -> Work:
        env, code = self.env, row["code"]
        kinds = {
            name: {
                "type": {str: "text", int: "integer", dict: "object"}[type(values[0])]
            }
            for name, values in row["inputs"].items()
        }
        text = yaml.safe_dump(
            {"name": code, "inputs": kinds, "steps": yaml.safe_load(row["steps"])}
        )
        playbook = env["steward.playbook"].create(
            {"name": code, "code": code, "text": text}
        )
        tools = env["steward.tool"].search([])
        agent = env["steward.agent"].create(
            {
                "name": code.replace("-", " ").capitalize(),
                "code": code,
                "user_id": self.robot.id,
                "playbook_id": playbook.id,
                "tool_ids": [(6, 0, tools.ids)],
            }
        )
        return Work(row["task"], row["inputs"], row.get("bad", {}), agent)

    def start(self, work: Work, number: int, bad: bool = False) -> Any:
        """Begin a run with inputs in their turn."""
        inputs = {
            name: values[number % len(values)]
            for name, values in (work.bad if bad else work.inputs).items()
        }
        named = {**inputs, **inputs.get("values", {})}
        return work.agent._start(work.task.format(**named), inputs)

    def finish(self, runs: list[Any]) -> Any:
        """Let them work; people approve those that were completed."""
        work_off(self.env)
        self.env.invalidate_all()
        done = self.env["steward.run"].union(*runs)
        judge = done.with_user(self.reviewer)
        for run in judge.filtered(lambda run: run.state == "completed"):
            run.feedback(run.trace_id, "approved")
        self.env.cr.commit()
        return done

    def night(self) -> Any:
        """The nightly round, by its own jobs."""
        daily = self.env["steward.daily"]._begin()
        work_off(self.env)
        self.env.invalidate_all()
        return daily

    def review(self) -> tuple[Any, Any, list[str]]:
        """A person approves what waits; what is refused is told."""
        env, refused = self.env, []
        waiting = [("state", "=", "review")]
        skills = env["steward.skill"].search(waiting)
        guardrails = env["steward.guardrail"].search(waiting)
        from odoo.exceptions import UserError

        for skill in skills.with_user(self.reviewer):
            try:
                if skill.duplicate_of_id:
                    skill.action_merge()
                else:
                    skill.approve(skill.name, skill.version_number)
            except UserError as error:
                refused.append(f"{skill.title}: {error}")
        for guardrail in guardrails.with_user(self.reviewer):
            try:
                guardrail.approve(guardrail.id, guardrail.version_id.number)
            except UserError as error:
                refused.append(f"{guardrail.name}: {error}")
        env.cr.commit()
        env.invalidate_all()
        return (
            skills.exists().filtered("approved_version_id"),
            guardrails.filtered("approved_version_id"),
            refused,
        )


def learning(settings: Settings, days: int = 0, folder: Path = FOLDER) -> int:
    """The short demo, or that of so many days; 1 when a goal was missed."""
    log = settings.data / "log" / "demo-learning.log"
    log.unlink(missing_ok=True)
    with test_server(settings) as server:
        databases = Databases(settings, server, "test")
        template = databases.template(["steward_skill"])

        def company(stack: ExitStack, name: str) -> Company:
            database = stack.enter_context(databases.clone(template, name))
            env = stack.enter_context(_environment(databases, database, log))
            made = Company(env, folder)
            work_off(env)  # what the installation left to do
            return made

        missing = _month(company, days) if days else _short(company)
    lines = log.read_text().splitlines() if log.exists() else []
    if bad := odoo.complaints(lines):
        raise Problem(
            f"Odoo complained, see {log}\n" + "\n".join(f"    {b}" for b in bad[:8]),
            "",
            "demo",
        )
    for sentence in missing:
        print(f"  MISSING    {sentence}")
    return 1 if missing else 0


# --- the short one --------------------------------------------------------------------


def _short(company: Any) -> list[str]:
    missing = []
    with ExitStack() as stack:
        with step("company") as line:
            office = company(stack, "learning")
            line.text = f"{len(office.works)} agents, {len(office.partners)} partners"
        with step("work") as line:
            before = _first_runs(office)
            good = len(before.filtered(lambda run: run.state == "completed"))
            failed = before.filtered(lambda run: run.state == "failed")
            kinds = len(set(failed.mapped("fingerprint")))
            line.text = f"{good} runs completed, {len(failed)} failed in {kinds} ways"
        if (good, len(failed), kinds) != (sum(GOOD), sum(BAD), 2):
            missing.append("ten runs that are completed and five that fail in two ways")
        with step("night") as line:
            daily = office.night()
            line.text = f"the round is {daily.state}"
        with step("review") as line:
            skills, guardrails, refused = office.review()
            line.text = (
                f"{len(skills)} skills and {len(guardrails)} guardrails approved"
            )
        _tell(skills, guardrails, refused)
        with step("again") as line:
            after = _failing_again(office)
            office.env["steward.guardrail.hit"]._settle()
            office.env.cr.commit()
            caught = sum(guardrails.mapped("hit_count"))
            line.text = f"the {len(after)} tasks that failed: {caught} caught"
        _table(failed, after, guardrails)
        if not 2 <= len(skills) <= 3:
            missing.append("two or three skills")
        if len(guardrails) != 2:
            missing.append("two guardrails")
        if caught < len(after) or any(run.state != "completed" for run in after):
            missing.append("each of the failed tasks caught, and completed")
        if daily.state != "done":
            missing.append("a night without failures")
    return missing


def _first_runs(office: Company) -> Any:
    runs = []
    for work, good, bad in zip(office.works, GOOD, BAD, strict=False):
        runs += [office.start(work, number) for number in range(good)]
        runs += [office.start(work, number, bad=True) for number in range(bad)]
    return office.finish(runs)


def _failing_again(office: Company) -> Any:
    runs = []
    for work, bad in zip(office.works, BAD, strict=False):
        runs += [office.start(work, number, bad=True) for number in range(bad)]
    return office.finish(runs)


def _tell(skills: Any, guardrails: Any, refused: list[str]) -> None:
    for skill in skills:
        replayed = next(c for c in skill.checks if c["name"] == "replay")["sentence"]
        print(f"\n  skill      {skill.title}  ({skill.kind})")
        print(f"             {replayed}")
    for guardrail in guardrails:
        print(f"\n  guardrail  {guardrail.summary}")
        print(f"             {guardrail.test_result}")
    for sentence in refused:
        print(f"\n  refused    {sentence}")
    print(flush=True)


def _table(before: Any, after: Any, guardrails: Any) -> None:
    print(f"\n  {'':<26}{'before':>10}{'after':>10}")
    for name, value in (
        ("runs of failing tasks", len),
        ("completed", lambda runs: sum(run.state == "completed" for run in runs)),
        ("failed", lambda runs: sum(run.state == "failed" for run in runs)),
    ):
        print(f"  {name:<26}{value(before):>10}{value(after):>10}")
    prevented = sum(guardrails.mapped("prevented_count"))
    print(f"  {'failures prevented':<26}{0:>10}{prevented:>10}\n", flush=True)


# --- a month --------------------------------------------------------------------------


class Day(NamedTuple):
    """What one day of a month was like."""

    runs: int
    good: int
    skills: int
    guardrails: int
    failed: bool


def _month(company: Any, days: int) -> list[str]:
    months = {}
    for arm in ("without", "with"):
        with ExitStack() as stack:
            office = company(stack, f"learning_{arm}")
            with step(arm) as line:
                months[arm] = _days(office, days, learns=arm == "with")
                runs, good = _totals(months[arm])
                line.text = f"{days} days, {runs} runs, {good} completed"
    with_, without = months["with"], months["without"]
    print(f"\n  {'day':<8}{'skills':>8}{'guardrails':>12}{'with':>10}{'without':>10}")
    for number in range(6, days, 7):
        week = slice(number - 6, number + 1)
        told, untold = _rate(with_[week]), _rate(without[week])
        day = with_[number]
        print(
            f"  {number + 1:<8}{day.skills:>8}{day.guardrails:>12}"
            f"{told:>9.0f}%{untold:>9.0f}%"
        )
    gain = _rate(with_) - _rate(without)
    print(f"\n  runs that went well, in the whole: {gain:+.1f} points\n", flush=True)
    missing = [
        f"{goal} skills in use by day {day}, not {with_[day - 1].skills}"
        for day, goal in GOALS.items()
        if day <= days and with_[day - 1].skills < goal
    ]
    if any(day.failed for day in with_):
        missing.append("no day whose nightly round failed")
    if gain < GAIN:
        missing.append(f"{GAIN} points more than without learning")
    return missing


def _days(office: Company, days: int, learns: bool) -> list[Day]:
    chance = random.Random(19)  # the same month in both arms
    told = []
    for number in range(days):
        # a new kind of work each day, as long as there is any
        works = office.works[: number + 3]
        runs = []
        for place, work in enumerate(works):
            slips = bool(work.bad) and chance.random() < SLIPS
            # work that can go wrong comes twice a day, the other every other day
            if work.bad:
                runs.append(office.start(work, number, bad=slips))
                again = chance.random() < SLIPS
                runs.append(office.start(work, number + 1, bad=again))
            elif (number + place) % 2 == 0:
                runs.append(office.start(work, number))
        done = office.finish(runs)
        failed = False
        if learns:
            failed = office.night().state != "done"
            office.review()
        in_use = [("approved_version_id", "!=", False)]
        told.append(
            Day(
                len(done),
                sum(run.state == "completed" for run in done),
                office.env["steward.skill"].search_count(in_use),
                office.env["steward.guardrail"].search_count(in_use),
                failed,
            )
        )
    return told


def _totals(days: list[Day]) -> tuple[int, int]:
    return sum(day.runs for day in days), sum(day.good for day in days)


def _rate(days: list[Day]) -> float:
    runs, good = _totals(days)
    return 100 * good / runs
