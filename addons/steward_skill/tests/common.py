"""A kit for tests of skills: people, and skills by their words."""

from unittest.mock import patch

from odoo.addons.steward_agent.tests.common import AgentCase
from odoo.addons.steward_knowledge.models import steward_document_search
from odoo.tests import new_test_user

DUNNING = """\
---
name: remind-late-payers
description: >-
  Reminds customers of invoices that are overdue. Use when payments are late.
license: MIT
metadata:
  steward-title: Remind late payers
  steward-triggers: late payment, dunning
  author: Ann
---

# Remind late payers

## Steps

1. Find the invoices that are overdue by more than 14 days.
2. Write a friendly reminder to each customer.
3. Schedule a call when it is the third reminder.
"""
COUNTING = """\
name: Count partners
inputs:
  country: {type: text, default: BE}
steps:
  - tool: count_records
    arguments:
      model: res.partner
      domain: [["country_id.code", "=", "{{ country }}"]]
    save: found
  - stop: "{{ found.count }} partners"
"""


def patient_search():
    """Documents are looked for, too: it is not given up on a busy machine."""
    return patch.object(steward_document_search, "TIMEOUT", "60s")


class SkillCase(AgentCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.startClassPatcher(patient_search())
        cls.author = new_test_user(cls.env, "author", "steward.group_operator")
        cls.employee = new_test_user(cls.env, "plain", "base.group_user")
        cls.other_company = cls.env["res.company"].create({"name": "Other"})
        cls.skills = cls.env["steward.skill"]

    def skill(self, user=None, **values):
        values = values or {"text": DUNNING}
        if "text" not in values:
            values.setdefault("description", "What it does. Use when it fits.")
        return self.skills.with_user(user or self.author).create(values)

    def approved(self, skill=None, **values):
        """A skill that agents are told, as a Reviewer let them."""
        skill = skill or self.skill(**values)
        skill.action_submit()
        mine = skill.with_user(self.reviewer)
        mine._approve(skill.version_number)
        return skill

    def found(self, task, user=None, **arguments):
        skills = self.skills.with_user(user or self.robot)
        return [row["name"] for row in skills.find(task, **arguments)]
