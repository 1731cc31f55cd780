import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("steward_run", {
    timeout: 60000, // of a step, on a busy machine
    steps: () => [
        {
            content: "what failed needs attention, and is shown at once",
            trigger: ".o_data_cell:contains('Read the bill')",
            run: "click",
        },
        {
            content: "the form says how it stands",
            trigger: "[name=sentence]:contains('Failed. No printer')",
        },
        {
            content: "a cost that is not known is not zero",
            trigger: "[name=cost]:contains('unknown')",
        },
        {
            content: "select a step of the trace",
            trigger: ".o_steward_trace_row:contains('print_page')",
            run: "click",
        },
        {
            content: "what went in, what went wrong",
            trigger: ".o_steward_step_panel:contains('page-1'):contains('out of paper')",
        },
        {
            content: "seek another",
            trigger: ".o_steward_trace_tools input",
            run: "edit read",
        },
        {
            content: "only that is left",
            trigger: ".o_steward_trace_count:contains('1 of 2')",
        },
        {
            content: "on the whole screen",
            trigger: ".o_steward_trace_tools button[title='On the whole screen']",
            run: "click",
        },
        {
            content: "all steps again",
            trigger: ".o_steward_trace_action .o_steward_trace_row:contains('print_page')",
        },
    ],
});
