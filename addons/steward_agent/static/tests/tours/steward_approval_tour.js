import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("steward_approval", {
    timeout: 60000, // of a step, on a busy machine
    steps: () => [
        {
            content: "what waits is shown at once",
            trigger: ".o_data_cell:contains('create_record')",
            run: "click",
        },
        {
            content: "what changes, field by field",
            trigger: ".o_steward_changes:contains('Name'):contains('Ann X')",
        },
        {
            content: "who asks, with what",
            trigger: "[name=runs_as_id]:contains('robot')",
        },
        {
            content: "somebody else may know better",
            trigger: "button[name=action_delegate]",
            run: "click",
        },
        {
            content: "on second thoughts, no",
            trigger: ".modal button[special=cancel]",
            run: "click",
        },
        {
            content: "agree",
            trigger: "body:not(:has(.modal)) button[name=action_approve]",
            run: "click",
        },
        {
            content: "it is decided, and by whom",
            trigger: "[name=decided_by_id]:contains('rev')",
        },
        {
            content: "nothing is left to decide",
            trigger: ".o_form_view:not(:has(button[name=action_approve]))",
        },
    ],
});

registry.category("web_tour.tours").add("steward_prompt", {
    timeout: 60000, // of a step, on a busy machine
    steps: () => [
        {
            content: "open a prompt",
            trigger: ".o_data_cell:contains('Kind replies')",
            run: "click",
        },
        {
            content: "its newest version is not in production",
            trigger: "button[name=action_release]",
            run: "click",
        },
        {
            content: "what changes by that",
            trigger: ".modal [name=diff]:contains('+text: Shorter')",
        },
        {
            content: "why",
            trigger: ".modal [name=note] input",
            run: "edit People read more than a line less",
        },
        {
            content: "release it",
            trigger: ".modal button[name=action_move]",
            run: "click",
        },
        {
            content: "it is in production",
            trigger: "[name=production_id]:contains('answers@2')",
        },
        {
            content: "the history tells why",
            trigger: "a[name=labels]",
            run: "click",
        },
        {
            content: "from which version to which",
            trigger: "[name=move_ids]:contains('answers@1'):contains('People read more')",
        },
    ],
});
