import { registry } from "@web/core/registry";
import { _t } from "@web/core/l10n/translation";

const ADD = { label: _t("Add a source"), action: "steward_knowledge.action_source" };
const ASK = { label: _t("Search"), action: "steward_knowledge.action_search" };
const cards = registry.category("steward.cards");

registry.category("steward.first_steps").add(
    "source",
    {
        title: _t("Add a source"),
        text: _t("Name a documentation, a website, files or records: Steward reads them, and people find them."),
        icon: "fa-book",
        ...ADD,
        groups: "steward.group_operator",
    },
    { sequence: 36 }
);

cards
    .add(
        "documents",
        {
            title: _t("Documents"),
            kind: "status",
            empty: { text: _t("There is nothing to find yet."), ...ADD },
        },
        { sequence: 60 }
    )
    .add(
        "documents_by_source",
        {
            title: _t("Largest sources"),
            kind: "table",
            columns: [
                { name: "name", title: _t("Source") },
                { name: "documents", title: _t("Documents"), kind: "number" },
            ],
            empty: { text: _t("No source has documents yet."), ...ADD },
        },
        { sequence: 61 }
    )
    .add(
        "searches",
        { title: _t("Searches"), kind: "number", size: "small" },
        { sequence: 62 }
    )
    .add(
        "search_typical",
        {
            title: _t("A typical search (p50)"),
            kind: "number",
            size: "small",
            unit: _t("ms"),
            better: "down",
        },
        { sequence: 63 }
    )
    .add(
        "search_slow",
        {
            title: _t("A slow search (p95)"),
            kind: "number",
            size: "small",
            unit: _t("ms"),
            better: "down",
        },
        { sequence: 64 }
    )
    .add(
        "search_useful",
        {
            title: _t("Useful, of those judged"),
            kind: "number",
            size: "small",
            unit: "%",
            better: "up",
        },
        { sequence: 65 }
    )
    .add(
        "search_zero",
        {
            title: _t("Asked, and nothing found"),
            kind: "table",
            groups: "steward.group_operator",
            columns: [
                { name: "question", title: _t("Question") },
                { name: "times", title: _t("Times"), kind: "number" },
                { name: "last", title: _t("Last"), kind: "moment" },
            ],
            empty: { text: _t("Every question of this period found something."), ...ASK },
        },
        { sequence: 66 }
    )
    .add(
        "harvest_failures",
        {
            title: _t("Harvests that failed"),
            kind: "table",
            columns: [
                { name: "name", title: _t("Source") },
                { name: "state", title: _t("State"), kind: "status" },
                { name: "reason", title: _t("Why"), secondary: true },
                { name: "last", title: _t("Last"), kind: "moment" },
            ],
            empty: {
                text: _t("All sources were harvested as they should."),
                label: _t("See all sources"),
                action: "steward_knowledge.action_source",
            },
        },
        { sequence: 67 }
    )
    .add(
        "documents_added",
        {
            title: _t("Documents added"),
            kind: "chart",
            unit: _t("documents"),
            empty: { text: _t("No document was added in this period."), ...ADD },
        },
        { sequence: 68 }
    )
    .add(
        "documents_by_topic",
        {
            title: _t("What documents are about"),
            kind: "table",
            columns: [
                { name: "name", title: _t("Topic") },
                { name: "documents", title: _t("Documents"), kind: "number" },
            ],
            empty: { text: _t("No document has a topic yet."), ...ADD },
        },
        { sequence: 69 }
    )
    .add(
        "embedding_known",
        {
            title: _t("Vectors known before"),
            kind: "number",
            size: "small",
            unit: "%",
            better: "up",
        },
        { sequence: 70 }
    )
    .add(
        "embedding_cost",
        {
            title: _t("Cost of embedding"),
            kind: "number",
            size: "small",
            unit: _t("USD"),
            digits: 4,
            better: "down",
        },
        { sequence: 71 }
    );
