from odoo.addons.steward.hooks import uninstall_hook
from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user, tagged

from .common import PatientHttpCase


@tagged("post_install", "-at_install")
class TestApp(PatientHttpCase):
    def test_tour_first_steps(self):
        """An administrator finds the app, its first steps and its settings."""
        self.start_tour("/odoo", "steward_first_steps", login="admin")


class TestFirstSteps(TransactionCase):
    def steps(self, user=None):
        return self.env["steward.status"].with_user(user or self.env.user).first_steps()

    def test_each_ticks_itself_off(self):
        self.env["res.config.settings"].search([]).unlink()
        steps = self.steps()
        self.assertEqual(
            (steps["contact"], steps["secret"], steps["limit"]), (False, False, False)
        )
        viewer = new_test_user(self.env, "steps", groups="steward.group_viewer")
        self.env["ir.config_parameter"].set_param("steward.contact_id", viewer.id)
        self.env["steward.secret"].create({"name": "key", "reference": "env:KEY"})
        self.env["steward.rate.limit"].create({"name": "api"})
        steps = self.steps(viewer)
        for name in ("contact", "people", "secret", "limit"):
            self.assertTrue(steps[name], name)

    def test_contact_that_is_no_more(self):
        settings = self.env["res.config.settings"]
        for value in ("999999", "nobody", ""):
            self.env["ir.config_parameter"].set_param("steward.contact_id", value)
            self.assertFalse(settings._steward_contact())

    def test_contact_is_told_of_failures(self):
        user = new_test_user(self.env, "contact", groups="base.group_user")
        self.assertNotIn(user, self.env["steward.job.failure"]._get_operators())
        self.env["ir.config_parameter"].set_param("steward.contact_id", user.id)
        self.assertIn(user, self.env["steward.job.failure"]._get_operators())

    def test_employee_sees_no_steps(self):
        user = new_test_user(self.env, "nobody", groups="base.group_user")
        with self.assertRaises(AccessError):
            self.steps(user)


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
