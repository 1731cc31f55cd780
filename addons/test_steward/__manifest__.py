{
    "name": "Steward: tests across addons",
    "summary": "Odoo's own lint on our addons, the access matrix, query budgets",
    "version": "19.0.1.0.0",
    "category": "Hidden/Tests",
    "author": "The Steward team",
    "license": "LGPL-3",
    "website": "https://github.com/steward-odoo/steward",
    "depends": ["steward_backup", "steward_skill"],
}
