{
    "name": "Steward: Agents",
    "summary": "Agents, tools, playbooks and the one ledger of every run",
    "version": "19.0.1.0.0",
    "category": "Productivity/Steward",
    "author": "The Steward team",
    "license": "LGPL-3",
    "website": "https://github.com/steward-odoo/steward",
    "depends": ["steward_llm"],
    "data": [
        "security/ir.model.access.csv",
        "security/steward_agent_security.xml",
        "views/steward_agent_menus.xml",
    ],
    "demo": [],
}
