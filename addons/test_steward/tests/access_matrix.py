"""Who may do what, as agreed: r read, w write, c create, d delete.

``test_access`` computes the same from the registry and compares; a model that is
not here, or no longer there, fails the test. Roles: see steward/security.
"""

MATRIX = {
    # model: (employee, agent, viewer, operator, reviewer, administrator)
    "steward.agent": ("", "", "r", "r", "r", "rwcd"),
    "steward.agent.version": ("", "", "r", "r", "r", "r"),
    "steward.approval": ("", "", "r", "r", "r", "r"),
    "steward.backup": ("", "", "r", "rw", "r", "rwd"),
    "steward.backup.alarm": ("", "", "r", "r", "r", "r"),
    "steward.backup.plan": ("", "", "r", "r", "r", "rwcd"),
    "steward.budget": ("", "", "r", "r", "r", "rwcd"),
    "steward.budget.period": ("", "", "r", "r", "r", "r"),
    "steward.circuit": ("", "", "r", "rw", "r", "rwcd"),
    "steward.drill": ("", "", "r", "r", "r", "r"),
    "steward.drill.check": ("", "", "r", "r", "r", "r"),
    "steward.embedding": ("", "", "", "", "", "r"),
    "steward.embedding.day": ("", "", "r", "r", "r", "r"),
    "steward.embedding.report": ("", "", "r", "r", "r", "r"),
    "steward.evidence": ("", "", "r", "r", "r", "r"),
    "steward.failure": ("", "", "r", "r", "r", "r"),
    "steward.job.failure": ("", "", "", "r", "", "r"),
    "steward.metric": ("", "", "r", "r", "r", "r"),
    "steward.model": ("", "", "r", "r", "r", "rwcd"),
    "steward.model.fallback": ("", "", "r", "r", "r", "rwcd"),
    "steward.operation": ("", "", "r", "r", "r", "r"),
    "steward.playbook": ("", "", "r", "r", "r", "rwcd"),
    "steward.playbook.version": ("", "", "r", "r", "r", "r"),
    "steward.pool": ("", "", "r", "r", "r", "rwcd"),
    "steward.price": ("", "", "r", "r", "r", "rwcd"),
    "steward.provider": ("", "", "r", "r", "r", "rwcd"),
    "steward.rate.limit": ("", "", "r", "r", "r", "rwcd"),
    "steward.reservation": ("", "", "r", "r", "r", "r"),
    "steward.run": ("", "", "r", "r", "r", "r"),
    "steward.run.variable": ("", "", "", "", "", ""),
    "steward.run.wish": ("", "", "r", "r", "r", "r"),
    "steward.runner": ("", "", "", "r", "", "rwd"),
    "steward.secret": ("", "", "", "r", "", "rwcd"),
    "steward.step": ("", "", "r", "r", "r", "r"),
    "steward.storage": ("", "", "r", "r", "r", "rwcd"),
    "steward.tool": ("", "", "r", "r", "r", "rwcd"),
    "steward.usage": ("", "", "r", "r", "r", "r"),
    "steward.webhook": ("", "r", "", "r", "", "rwcd"),
}
