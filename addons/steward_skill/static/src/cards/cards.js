import { registry } from "@web/core/registry";
import { _t } from "@web/core/l10n/translation";

registry
    .category("steward.cards")
    .add(
        "skill_review",
        { title: _t("Learnt, and waits for a review"), kind: "status" },
        { sequence: 50 }
    )
    .add("guardrails", { title: _t("Guardrails"), kind: "status" }, { sequence: 51 })
    .add(
        "errors_repeated",
        {
            title: _t("Failures that repeat, and those prevented"),
            kind: "chart",
            chart: "bar",
            stacked: true,
            unit: _t("failures"),
            empty: {
                text: _t("Nothing failed in this period."),
                label: _t("See guardrails"),
                action: "steward_skill.action_guardrails",
            },
        },
        { sequence: 52 }
    )
    .add(
        "skills_over_time",
        {
            title: _t("Skills in use"),
            kind: "chart",
            chart: "line",
            unit: _t("skills"),
            empty: {
                text: _t(
                    "No skill has been approved yet. Approve good runs: three that are alike become a proposal."
                ),
                label: _t("See the library"),
                action: "steward_skill.action_skills",
            },
        },
        { sequence: 53 }
    )
    .add(
        "skill_effect",
        {
            title: _t("Skills that are used most"),
            kind: "table",
            columns: [
                { name: "title", title: _t("Skill") },
                { name: "uses", title: _t("Uses"), kind: "number" },
                { name: "confidence", title: _t("Confidence (%)"), kind: "number" },
                { name: "effect", title: _t("Effect"), secondary: true },
            ],
            action: "steward_skill.action_skills",
            empty: {
                text: _t("No run was told of a skill yet."),
                label: _t("See the library"),
                action: "steward_skill.action_skills",
            },
        },
        { sequence: 54 }
    );
