import { registry } from "@web/core/registry";
import { _t } from "@web/core/l10n/translation";

const KINDS = ["number", "chart", "table", "status"];
const SIZES = ["small", "medium", "wide"]; // medium unless told

/**
 * The dashboard's cards: each addon puts its own here; their order is the registry's.
 * What a card shows comes from the server under the same name
 * (`steward.dashboard._get_cards`); docs/dashboard.md tells how to add one.
 */
const cards = registry.category("steward.cards");
cards.addValidation({
    title: String,
    kind: { type: String, validate: (kind) => KINDS.includes(kind) },
    size: { type: String, optional: true, validate: (size) => SIZES.includes(size) },
    groups: { type: String, optional: true }, // who sees it; the server checks as well
    action: { type: String, optional: true }, // behind the title, unless the data says
    empty: { type: Object, optional: true, shape: { text: String, label: String, action: String } },
    unit: { type: String, optional: true }, // number, chart
    digits: { type: Number, optional: true }, // number: after the point
    better: { type: String, optional: true }, // number: is "up" good, or "down"?
    chart: { type: String, optional: true }, // chart: "bar" (default) or "line"
    stacked: { type: Boolean, optional: true }, // chart
    // table: {name, title, kind?: status | moment | number, secondary?: not on a phone}
    columns: { type: Array, optional: true },
});

cards.add(
    "health",
    { title: _t("How things are"), kind: "status", size: "wide" },
    { sequence: 50 }
);
cards.add(
    "jobs",
    { title: _t("Jobs"), kind: "status" },
    { sequence: 60 }
);
cards.add(
    "circuits",
    {
        title: _t("Services left alone"),
        kind: "table",
        columns: [
            { name: "name", title: _t("Service") },
            { name: "state", title: _t("State"), kind: "status" },
            { name: "reason", title: _t("Because of"), secondary: true },
            { name: "until", title: _t("Next trial"), kind: "moment" },
        ],
        action: "steward.action_circuits",
        empty: {
            text: _t("No service is left alone. One that fails too often will show here."),
            label: _t("See all services"),
            action: "steward.action_circuits",
        },
    },
    { sequence: 70 }
);
cards.add(
    "jobs_done",
    { title: _t("Jobs done"), kind: "number", size: "small" },
    { sequence: 80 }
);
cards.add(
    "job_time",
    {
        title: _t("Time per job"),
        kind: "number",
        size: "small",
        unit: _t("s"),
        digits: 2,
        better: "down",
    },
    { sequence: 90 }
);
cards.add(
    "jobs_finished",
    {
        title: _t("Jobs over time"),
        kind: "chart",
        chart: "bar",
        stacked: true,
        unit: _t("jobs"),
        empty: {
            text: _t("No job ended in this period. Scheduled actions start most of them."),
            label: _t("See scheduled actions"),
            action: "base.ir_cron_act",
        },
    },
    { sequence: 100 }
);
