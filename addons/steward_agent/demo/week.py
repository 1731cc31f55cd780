"""Two weeks in a small company: what its agents did, for demonstration databases.

It is told to the ledger, like everything that agents do, so that figures, failures,
costs and budgets are what they would be.
"""

import random
from datetime import timedelta
from functools import partial

from odoo import fields

DAYS = 14  # so that a week has one before it
QUESTIONS = [
    (
        "Where is my order S00042?",
        "It left our warehouse yesterday and arrives today.",
    ),
    (
        "Can I return an opened pot of paint?",
        "Yes, within 14 days, if it is more than half full.",
    ),
    (
        "Do you deliver on Saturdays?",
        "Yes, in the city; elsewhere from Monday to Friday.",
    ),
    (
        "My invoice lacks our VAT number.",
        "Thank you; a corrected invoice is in your mailbox.",
    ),
    (
        "Which primer goes with the blue one?",
        "Take the grey primer; it is the one beneath in our colour card.",
    ),
    (
        "Is the ladder with five steps in stock?",
        "There are three in our shop and twenty in the warehouse.",
    ),
    (
        "I ordered twice by mistake.",
        "The second order is cancelled; nothing was charged.",
    ),
]
SUPPLIERS = ["Azure Interior", "Deco Addict", "Gemini Furniture", "Ready Mat"]
MORNING = 5  # o'clock, UTC
SLOW_DAYS = (0, 3, 9)  # on which the shop did not answer
FORBIDDEN_DAY = 2  # on which the invoice reader lacked a right
FULL_DAY = 4  # on which the disk was nearly full


def begin(agent, trace, began, task):
    """Return a run of an agent of ours that began some time ago."""
    return agent.env["steward.run"]._create_own(
        {
            "trace_id": trace,
            "company_id": agent.company_id.id,
            "month": fields.Date.today().replace(day=1),
            "agent_id": agent.id,
            "agent_name": agent.name,
            "agent_version": agent._current_version().number,
            "playbook_version_id": agent.playbook_id._current_version().id,
            "source": "here",
            "user_id": agent.user_id.id,
            "task": task,
            "state": "running",
            "started_at": began,
        }
    )


class Week:
    """What happened up to now, told from the beginning."""

    def __init__(self, env):
        self.env = env
        self.now = fields.Datetime.now().replace(second=0, microsecond=0)
        self.chance = random.Random(7)  # the same weeks each time
        self.stories = []  # (when, function that tells it)

    def tell(self):
        for day in range(DAYS):
            for number in range(self.chance.randint(3, 8)):
                self._question(day, number)
            for number in range(self.chance.randint(1, 3)):
                self._bill(day, number)
            self._round(day)
        self._addresses(self.now - timedelta(days=3, hours=2))
        for _when, story in sorted(self.stories, key=lambda story: story[0]):
            story()
        self._judge()
        self._reminder()

    # -- agents that work elsewhere --------------------------------------------------

    def _question(self, day, number):
        """Support answers; now and then the shop is slow, or a colleague takes over."""
        question, answer = QUESTIONS[(day + number * 3) % len(QUESTIONS)]
        report = Report(
            self, f"support-{day}-{number}", "Support bot", self._moment(day), question
        )
        report.run["session"] = f"visitor-{day}-{number // 2}"
        report.step(
            *("retrieval", "search_handbook", 40, 180),
            input={"query": question},
            output={"passages": 4},
        )
        if number == 2 and day in SLOW_DAYS:
            report.step(
                *("tool_call", "orders.lookup", 10_000, 10_050),
                input={"order": "S00042"},
                error_type="TimeoutError",
                error_message="shop.example.com did not answer within 10 s",
            )
            return report.end("error", error="The shop did not answer.")
        if "order" in question:
            report.step(
                *("tool_call", "orders.lookup", 90, 400),
                input={"order": "S00042"},
                output={"state": "sent"},
            )
        report.step(
            *("llm_inference", "answer", 700, 2600),
            model="gpt-4o",
            provider="openai",
            tokens_in=self.chance.randint(1400, 3200),
            tokens_out=self.chance.randint(40, 220),
            input={"question": question},
            output=answer,
        )
        if number == 5:
            report.step(
                *("handoff", "Hand over to a colleague", 5, 20),
                output={"to": "sales@example.com"},
            )
        return report.end("ok", output=answer)

    def _bill(self, day, number):
        """Bills are read by a model of the company's own, whose price nobody knows."""
        supplier = SUPPLIERS[(day + number) % len(SUPPLIERS)]
        report = Report(
            self,
            f"bill-{day}-{number}",
            "Invoice reader",
            self._moment(day),
            f"Read the bill of {supplier}",
        )
        report.step(
            "tool_call", "read_mail", 200, 600, output={"attachments": ["bill.pdf"]}
        )
        with report.within("other", "page 1"):
            report.step(
                *("llm_inference", "read_page", 2500, 6000),
                model="paper-reader-7b",
                tokens_in=2600,
                tokens_out=410,
                output={"supplier": supplier, "lines": 3},
            )
            report.step("decision", "is_it_a_bill", 1, 3, output={"bill": True})
        if day == FORBIDDEN_DAY and not number:
            report.step(
                *("tool_call", "create_bill", 30, 60),
                error_type="AccessError",
                error_message="You may not create 'Journal Entry' records.",
            )
            return report.end("error", error="The bill could not be entered.")
        report.step("tool_call", "create_bill", 80, 200, output={"id": 40 + number})
        return report.end("ok", output=f"The bill of {supplier} is entered.")

    def _moment(self, day):
        """In the office hours of so many days ago, if those are over; else before."""
        hours = timedelta(minutes=self.chance.randint(8 * 60, 17 * 60))
        moment = self.now.replace(hour=0, minute=0) - timedelta(days=day) + hours
        over = moment < self.now - timedelta(hours=1)
        return moment if over else moment - timedelta(days=1)

    # -- agents that work here -------------------------------------------------------

    def _round(self, day):
        began = (self.now - timedelta(days=day)).replace(hour=MORNING, minute=0)
        calls = [("check_health", 220, {}, {"status": "ok"})]
        output = "All is well."
        if day == FULL_DAY:
            note = {"summary": "The disk is nearly full"}
            calls.append(("tell_contact", 35, note, {"activity": 12}))
            output = "There is one thing to look at."
        if began < self.now:
            self._here(
                "caretaker",
                f"caretaker-{day}",
                began,
                "Look whether all is well",
                calls,
                output,
            )

    def _addresses(self, began):
        calls = [("find_records", 48, {"model": "res.partner"}, {"records": 4})]
        for number, name in enumerate(SUPPLIERS):
            asked = {"summary": f"Ask {name} for an e-mail address"}
            calls.append(
                ("schedule_activity", 21 + number, asked, {"activity": 70 + number})
            )
        self._here(
            "partners",
            "address-keeper-1",
            began,
            "Look after our address book",
            calls,
            f"{len(SUPPLIERS)} addresses to complete.",
        )

    def _reminder(self):
        """Asks before it goes on; a worker takes it there once the server runs."""
        agent = self.env.ref("steward_agent.demo_agent_reminder")
        agent._start("See to it that every company has its tax number")

    def _here(self, *told, **more):
        self.stories.append((told[2], partial(self._tell_here, *told, **more)))

    def _tell_here(self, agent, trace, began, task, calls, output):
        agent = self.env.ref(f"steward_agent.demo_agent_{agent}")
        run = begin(agent, trace, began, task)
        ended = began
        for number, (tool, took, given, result) in enumerate(calls):
            step = _step(trace, f"{trace}-{number}", "tool_call", tool, ended, took)
            run._ingest([], [{**step, "input": given, "output": result}])
            ended += timedelta(milliseconds=took)
        run._write_own(
            {
                "state": "completed",
                "ended_at": ended,
                "duration_ms": (ended - began).total_seconds() * 1000,
                "output": output,
            }
        )
        run._count_ended()

    # -- people ----------------------------------------------------------------------

    def _judge(self):
        runs = self.env["steward.run"]
        domain = [("state", "=", "completed"), ("source", "=", "reported")]
        for number, run in enumerate(runs.search(domain, limit=6)):
            if number == 4:
                runs.feedback(run.trace_id, "rejected", 2, "The tone was not ours.")
            else:
                runs.feedback(run.trace_id, "approved", 5)


class Report:
    """One run of an agent elsewhere, told step by step, and reported when it ended."""

    def __init__(self, week, trace, agent, began, task):
        self.week, self.trace, self.now = week, trace, began
        self.run = {
            "trace_id": trace,
            "agent": agent,
            "started_at": iso(began),
            "task": task,
        }
        self.steps = []
        self.began = began
        self.parent = None

    def step(self, kind, name, fastest, slowest, **more):
        took = self.week.chance.randint(fastest, slowest)
        span = f"{self.trace}-{len(self.steps)}"
        step = _step(self.trace, span, kind, name, self.now, took)
        if self.parent:
            step["parent_span_id"] = self.parent
        self.steps.append({**step, **more})
        self.now += timedelta(milliseconds=took)

    def within(self, kind, name):
        return Within(self, kind, name)

    def end(self, status, **more):
        self.run |= {"ended_at": iso(self.now), "status": status, **more}
        self.week.stories.append((self.began, self.tell))

    def tell(self):
        env = self.week.env
        operator = env.ref("steward.demo_operator")
        answer = (
            env["steward.run"]
            .with_user(operator)
            .report({"runs": [self.run], "steps": self.steps})
        )
        if answer["rejected"]:
            raise ValueError(answer["rejected"][0]["reason"])


class Within:
    """A step that consists of those that are told inside its block."""

    def __init__(self, report, kind, name):
        self.report, self.kind, self.name = report, kind, name

    def __enter__(self):
        self.began = self.report.now
        self.report.parent = f"{self.report.trace}-{self.name}".replace(" ", "-")

    def __exit__(self, *_error):
        report = self.report
        took = (report.now - self.began).total_seconds() * 1000
        report.steps.append(
            _step(report.trace, report.parent, self.kind, self.name, self.began, took)
        )
        report.parent = None


def _step(trace, span, kind, name, began, took):
    return {
        "trace_id": trace,
        "span_id": span.replace(" ", "-"),
        "kind": kind,
        "name": name,
        "started_at": iso(began),
        "duration_ms": took,
    }


def iso(moment):
    return f"{moment.isoformat()}Z"
