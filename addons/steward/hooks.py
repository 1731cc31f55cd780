def uninstall_hook(env):
    """Leave no parameter behind: those that a screen wrote belong to no module."""
    parameters = env["ir.config_parameter"].search([("key", "=like", "steward.%")])
    parameters.unlink()
