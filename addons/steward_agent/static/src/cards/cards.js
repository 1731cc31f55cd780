import { registry } from "@web/core/registry";
import { _t } from "@web/core/l10n/translation";

const RUN = {
    label: _t("Run an agent"),
    action: "steward_agent.action_run_agent",
};
const cards = registry.category("steward.cards");

cards
    .add(
        "approvals",
        {
            title: _t("Waits for your decision"),
            kind: "table",
            columns: [
                { name: "question", title: _t("Question") },
                { name: "agent", title: _t("Agent"), secondary: true },
                { name: "asked", title: _t("Asked"), kind: "moment" },
            ],
            action: "steward_agent.action_approvals",
            empty: {
                text: _t("Nobody waits for you. Questions of agents will show here."),
                label: _t("See all approvals"),
                action: "steward_agent.action_approvals",
            },
        },
        { sequence: 10 }
    )
    .add("runs", { title: _t("Runs"), kind: "status" }, { sequence: 11 })
    .add(
        "success",
        {
            title: _t("Runs that succeeded"),
            kind: "number",
            size: "small",
            unit: "%",
            better: "up",
        },
        { sequence: 20 }
    )
    .add(
        "run_typical",
        {
            title: _t("A typical run (p50)"),
            kind: "number",
            size: "small",
            unit: _t("s"),
            digits: 2,
            better: "down",
        },
        { sequence: 21 }
    )
    .add(
        "run_slow",
        {
            title: _t("A slow run (p95)"),
            kind: "number",
            size: "small",
            unit: _t("s"),
            digits: 2,
            better: "down",
        },
        { sequence: 22 }
    )
    .add(
        "cost",
        {
            title: _t("Cost"),
            kind: "number",
            size: "small",
            unit: _t("USD"),
            digits: 2,
            better: "down",
        },
        { sequence: 23 }
    )
    .add(
        "runs_over_time",
        {
            title: _t("Runs over time"),
            kind: "chart",
            chart: "bar",
            stacked: true,
            unit: _t("runs"),
            empty: {
                text: _t("No run ended in this period. Run an agent, or let one report."),
                ...RUN,
            },
        },
        { sequence: 30 }
    )
    .add(
        "cost_over_time",
        {
            title: _t("Cost over time"),
            kind: "chart",
            chart: "bar",
            unit: _t("USD"),
            empty: {
                text: _t("Nothing was spent in this period, as far as prices are known."),
                label: _t("See prices"),
                action: "steward_llm.action_price",
            },
        },
        { sequence: 31 }
    )
    .add(
        "failures",
        {
            title: _t("What fails"),
            kind: "table",
            columns: [
                { name: "sentence", title: _t("What happened") },
                { name: "times", title: _t("Times"), kind: "number" },
                { name: "last", title: _t("Last"), kind: "moment" },
            ],
            action: "steward_agent.action_failures",
            empty: {
                text: _t("Nothing failed in this period."),
                label: _t("See all failures"),
                action: "steward_agent.action_failures",
            },
        },
        { sequence: 40 }
    )
    .add(
        "budgets",
        {
            title: _t("Budgets"),
            kind: "status",
            action: "steward_llm.action_budgets",
            empty: {
                text: _t("No budget limits what agents spend."),
                label: _t("Set a budget"),
                action: "steward_llm.action_budgets",
            },
        },
        { sequence: 41 }
    );
