def uninstall_hook(env):
    """Odoo leaves partitioned tables behind, and parameters that belong to no module."""
    env["steward.step"]._drop_table()
