import { registry } from "@web/core/registry";
import { stepUtils } from "@web_tour/tour_utils";

registry.category("web_tour.tours").add("steward_first_steps", {
    url: "/odoo",
    // a busy machine takes its time
    steps: () => [
        stepUtils.showAppsMenuItem(),
        {
            content: "open the app",
            trigger: '.o_app[data-menu-xmlid="steward.menu_root"]',
            run: "click",
        },
        {
            content: "the first steps are shown; take the first",
            trigger: ".o_steward_dashboard .o_steward_step button",
            run: "click",
        },
        {
            content: "the settings open at Steward's own page",
            trigger: '.settings .app_settings_block[data-key="steward"] #steward_contact',
        },
    ].map((step) => ({ timeout: 60_000, ...step })),
});
