{
    "name": "Steward: Knowledge",
    "summary": "Harvest, understand and find what agents and people need to know",
    "version": "19.0.1.0.0",
    "category": "Productivity/Steward",
    "author": "The Steward team",
    "license": "LGPL-3",
    "website": "https://github.com/steward-odoo/steward",
    "depends": ["steward_llm"],
    "external_dependencies": {
        "python": [
            "Protego",
            "numpy",
            "py3langid",
            "pypdf",
            "python-docx",
            "trafilatura",
        ],
    },
    "data": [
        # access
        "security/ir.model.access.csv",
        "security/steward_knowledge_security.xml",
        # data
        "data/ir_cron_data.xml",
        "data/steward_space_data.xml",
        "data/steward_knowledge_cron.xml",
        "data/steward_topic_data.xml",
        "data/ir_cron_harvest_data.xml",
        "data/steward_source_data.xml",
        "data/ir_cron_search_data.xml",
        # views: wizards, then each model's, then menus
        "wizard/steward_vector_import_views.xml",
        "views/steward_harvest_views.xml",
        "views/steward_source_item_views.xml",
        "views/steward_source_views.xml",
        "views/steward_document_views.xml",
        "views/steward_topic_views.xml",
        "views/steward_entity_views.xml",
        "views/steward_space_views.xml",
        "views/res_config_settings_search_views.xml",
        "views/steward_knowledge_menus.xml",
        "views/steward_harvest_menus.xml",
        "views/res_config_settings_source_views.xml",
    ],
    "demo": [
        "demo/steward_source_demo.xml",
    ],
    "assets": {
        "web.assets_backend": ["steward_knowledge/static/src/**/*"],
        "web.assets_unit_tests": ["steward_knowledge/static/tests/**/*.test.js"],
    },
}
