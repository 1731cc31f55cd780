def uninstall_hook(env):
    """Let go of models first: they may be uninstalled in the same breath."""
    env.cr.execute("DELETE FROM steward_space")
    env.invalidate_all()
