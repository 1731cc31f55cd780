import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("steward_search", {
    timeout: 60000, // of a step, on a busy machine
    steps: () => [
        { content: "the door in the bar", trigger: ".o_steward_quick", run: "click" },
        { content: "to the whole page", trigger: ".o_steward_all", run: "click" },
        {
            content: "ask, with a slip",
            trigger: ".o_steward_field input",
            run: "edit how do I refund a custumer",
        },
        {
            content: "the right page is there; it was of use",
            trigger:
                ".o_steward_result:contains('Refunds') .o_steward_verdict button:first:not(.btn-success)",
            run: "click",
        },
        { content: "it is noted", trigger: ".o_steward_thanks" },
        {
            content: "open it",
            trigger: ".o_steward_result_title:contains('Refunds')",
            run: "click",
        },
        {
            content: "the passage is marked",
            trigger: ".o_steward_reading_text .o_steward_marked:contains('credit note')",
        },
        {
            content: "back to the results",
            trigger: ".o_back_button, .breadcrumb-item:contains('Search') a",
            run: "click",
        },
        {
            content: "they are still there",
            trigger: ".o_steward_result_title:contains('Refunds')",
        },
    ],
});
