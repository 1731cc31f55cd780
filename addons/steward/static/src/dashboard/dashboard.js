import { Component, onWillStart, useState } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { _t } from "@web/core/l10n/translation";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

// the same colour and icon for the same meaning everywhere; never colour alone
const LOOKS = {
    ok: { icon: "fa-check-circle", color: "text-success", word: _t("Works") },
    degraded: { icon: "fa-exclamation-triangle", color: "text-warning", word: _t("Look at it") },
    failed: { icon: "fa-times-circle", color: "text-danger", word: _t("Failed") },
    unknown: { icon: "fa-question-circle", color: "text-muted", word: _t("Unknown") },
};
const NAMES = {
    database: _t("Database"),
    modules: _t("Modules"),
    jobs: _t("Jobs"),
    crons: _t("Scheduled actions"),
    services: _t("Services"),
    mail: _t("Mail"),
    disk: _t("Disk"),
};

/**
 * The first page of the app: what to do first, and how things are.
 *
 * First steps come from the registry category "steward.first_steps", into which each
 * addon puts its own, {title, text, icon, label, action}; whether one is done says the
 * server under the same name (`steward.status.first_steps`).
 */
export class StewardDashboard extends Component {
    static template = "steward.Dashboard";
    static components = { Layout };
    static props = { ...standardActionServiceProps };

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.display = { controlPanel: {} };
        this.steps = registry.category("steward.first_steps").getEntries();
        this.state = useState({ done: {}, parts: [] });
        onWillStart(() => this.load());
    }

    async load() {
        const [done, health] = await Promise.all([
            this.orm.call("steward.status", "first_steps", []),
            this.orm.call("steward.status", "health", []),
        ]);
        Object.assign(this.state, { done, parts: health.parts });
    }

    get openSteps() {
        return this.steps.filter(([name]) => !this.state.done[name]);
    }

    look(part) {
        return LOOKS[part.status] || LOOKS.unknown;
    }

    name(part) {
        return NAMES[part.name] || part.name;
    }

    open(step) {
        return this.action.doAction(step.action);
    }
}

const steps = registry.category("steward.first_steps");
steps.add(
    "contact",
    {
        title: _t("Say who is told"),
        text: _t("Name the person who hears of it when something needs attention."),
        icon: "fa-bell-o",
        label: _t("Open settings"),
        action: "steward.action_settings",
    },
    { sequence: 10 }
);
steps.add(
    "people",
    {
        title: _t("Invite a colleague"),
        text: _t("Give somebody a role: Viewer, Operator, Reviewer or Administrator."),
        icon: "fa-user-plus",
        label: _t("Open users"),
        action: "base.action_res_users",
    },
    { sequence: 20 }
);
steps.add(
    "secret",
    {
        title: _t("Name a secret"),
        text: _t("Say where a key is kept. Steward stores the place, never the value."),
        icon: "fa-key",
        label: _t("Open secrets"),
        action: "steward.action_secret",
    },
    { sequence: 30 }
);
steps.add(
    "limit",
    {
        title: _t("Set a rate limit"),
        text: _t("Say how many calls may go to a service, for all workers together."),
        icon: "fa-tachometer",
        label: _t("Open rate limits"),
        action: "steward.action_rate_limits",
    },
    { sequence: 40 }
);
steps.add(
    "jobs",
    {
        title: _t("See that jobs run"),
        text: _t("Long work runs in the background. See whether somebody does it."),
        icon: "fa-cogs",
        label: _t("Open jobs"),
        action: "steward.action_job_panel",
    },
    { sequence: 50 }
);

registry.category("actions").add("steward.dashboard", StewardDashboard);
