{
    "name": "Steward: Models",
    "summary": "Model providers, prices, budgets and embeddings",
    "version": "19.0.1.0.0",
    "category": "Productivity/Steward",
    "author": "The Steward team",
    "license": "LGPL-3",
    "website": "https://github.com/steward-odoo/steward",
    "depends": ["steward"],
    "external_dependencies": {"python": ["genai-prices", "openai"]},
    "data": [
        "security/ir.model.access.csv",
        "security/steward_llm_security.xml",
        "views/steward_llm_menus.xml",
    ],
    "demo": [],
}
