import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("steward_dashboard", {
    // a busy machine takes its time
    steps: () => [
        {
            content: "the numbers are there",
            trigger: '.o_steward_card[data-card="jobs_done"] .o_steward_number',
        },
        {
            content: "the chart is drawn, or says what to do",
            trigger: '.o_steward_card[data-card="jobs_finished"]:has(canvas, .o_steward_card_empty)',
        },
        { content: "choose a period", trigger: ".o_steward_period", run: "click" },
        {
            content: "a week",
            trigger: ".o-dropdown-item:contains('Last 7 days')",
            run: "click",
        },
        { content: "it is chosen", trigger: ".o_steward_period:contains('Last 7 days')" },
        {
            content: "open a service that is left alone",
            trigger: '.o_steward_card[data-card="circuits"] td button:contains("tour.example.com")',
            run: "click",
        },
        {
            content: "its form opens; go back",
            trigger: ".o_form_view",
        },
        {
            content: "back to the dashboard",
            trigger: ".o_back_button, .breadcrumb-item:contains('Dashboard') a",
            run: "click",
        },
        {
            content: "the period is still the one that was chosen",
            trigger: ".o_steward_period:contains('Last 7 days')",
        },
    ].map((step) => ({ timeout: 60_000, ...step })),
});
