def uninstall_hook(env):
    """Odoo leaves partitioned tables behind."""
    env["steward.step"]._drop_table()
