from odoo.addons.steward.hooks import uninstall_hook
from odoo.tests import HttpCase, TransactionCase, new_test_user, tagged


@tagged("post_install", "-at_install")
class TestApp(HttpCase):
    def test_tour_first_steps(self):
        """An administrator finds the app, its first steps and its settings."""
        self.start_tour("/odoo", "steward_first_steps", login="admin")


class TestUninstall(TransactionCase):
    def test_no_parameter_stays(self):
        """What a screen wrote goes with the addon; others' parameters stay."""
        parameters = self.env["ir.config_parameter"]
        parameters.set_param("steward.contact_id", "1")
        parameters.set_param("stewardess.name", "kept")
        uninstall_hook(self.env)
        self.assertFalse(parameters.get_param("steward.contact_id"))
        self.assertEqual(parameters.get_param("stewardess.name"), "kept")


class TestMenu(TransactionCase):
    def visible(self, user):
        return self.env["ir.ui.menu"].with_user(user)._visible_menu_ids()

    def test_viewer_sees_app_without_configuration(self):
        user = new_test_user(self.env, "steward_viewer", groups="steward.group_viewer")
        menus = self.visible(user)
        self.assertIn(self.env.ref("steward.menu_dashboard").id, menus)
        self.assertNotIn(self.env.ref("steward.menu_settings").id, menus)

    def test_employee_sees_nothing(self):
        user = new_test_user(self.env, "steward_nobody", groups="base.group_user")
        self.assertNotIn(self.env.ref("steward.menu_root").id, self.visible(user))
