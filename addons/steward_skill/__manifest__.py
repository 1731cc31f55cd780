{
    "name": "Steward: Skills",
    "summary": "What agents learn from runs that worked and from runs that failed",
    "version": "19.0.1.0.0",
    "category": "Productivity/Steward",
    "author": "The Steward team",
    "license": "LGPL-3",
    "website": "https://github.com/steward-odoo/steward",
    "depends": ["steward_agent", "steward_knowledge"],
    "data": [
        "security/ir.model.access.csv",
        "security/steward_skill_security.xml",
        "views/steward_guardrail_views.xml",
    ],
}
