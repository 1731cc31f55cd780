{
    "name": "Steward",
    "summary": "The ground floor of the suite: roles, safety and the dashboard",
    "version": "19.0.1.0.0",
    "category": "Productivity/Steward",
    "author": "The Steward team",
    "license": "LGPL-3",
    "website": "https://github.com/steward-odoo/steward",
    "depends": ["base_automation", "bus", "mail", "queue_job", "web"],
    "external_dependencies": {"python": ["jsonschema", "tenacity", "PyYAML"]},
    "data": [
        "security/steward_groups.xml",
        "views/res_config_settings_views.xml",
        "views/steward_menus.xml",
    ],
    "assets": {
        "web.assets_backend": ["steward/static/src/**/*"],
        "web.assets_tests": ["steward/static/tests/tours/**/*"],
    },
    "application": True,
    "uninstall_hook": "uninstall_hook",
}
