import { registry } from "@web/core/registry";
import { _t } from "@web/core/l10n/translation";

/**
 * First steps: each addon puts its own here, {title, text, icon, label, action, groups?};
 * `groups` says who can take it. Whether one is done says the server under the same name
 * (`steward.status._get_first_steps`).
 */
const steps = registry.category("steward.first_steps");
steps.addValidation({
    title: String,
    text: String,
    icon: String,
    label: String,
    action: { type: [String, Object] },
    groups: { type: String, optional: true },
});

steps.add(
    "contact",
    {
        title: _t("Say who is told"),
        text: _t("Name the person who hears of it when something needs attention."),
        icon: "fa-bell-o",
        label: _t("Open settings"),
        action: "steward.action_settings",
        groups: "steward.group_administrator",
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
        groups: "base.group_erp_manager",
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
        groups: "steward.group_administrator",
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
        groups: "steward.group_administrator",
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
        groups: "steward.group_operator",
    },
    { sequence: 50 }
);
