import { Component } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { _t } from "@web/core/l10n/translation";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

/**
 * The first page of the app: what to do first, and (with more addons) how things are.
 *
 * First steps come from the registry category "steward.first_steps", into which each
 * addon puts its own: {title, text, icon, action, group?}.
 */
export class StewardDashboard extends Component {
    static template = "steward.Dashboard";
    static components = { Layout };
    static props = { ...standardActionServiceProps };

    setup() {
        this.action = useService("action");
        this.display = { controlPanel: {} };
        this.steps = registry.category("steward.first_steps").getAll();
    }

    open(step) {
        return this.action.doAction(step.action);
    }
}

registry.category("steward.first_steps").add(
    "settings",
    {
        title: _t("Say who is told"),
        text: _t(
            "Name the person who hears of it when something needs attention."
        ),
        icon: "fa-bell-o",
        label: _t("Open settings"),
        action: "steward.action_settings",
    },
    { sequence: 10 }
);

registry.category("actions").add("steward.dashboard", StewardDashboard);
