import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("steward_backup", {
    timeout: 60000, // of a step, on a busy machine
    steps: () => [
        {
            content: "back up now",
            trigger: ".o_list_view .o_control_panel button:contains('Back up now'), .o_list_buttons button:contains('Back up now'), button[name='action_back_up_now']",
            run: "click",
        },
        {
            content: "how far it is, is shown",
            trigger: ".o_form_view .o_steward_progress[data-state='queued']",
        },
        {
            content: "back to the list",
            trigger: ".o_back_button, .breadcrumb-item a:contains('Backups')",
            run: "click",
        },
        {
            content: "open the good one",
            trigger: ".o_data_row:contains('Good') td[name='moment']",
            run: "click",
        },
        { content: "restore it", trigger: "button[name='action_restore']", run: "click" },
        {
            content: "a name is proposed, and nothing is replaced",
            trigger: ".modal .alert-success:contains('Nothing that exists is touched')",
        },
        {
            content: "name of the new database",
            trigger: ".modal [name='target'] input",
            run: "edit tour_copy",
        },
        {
            content: "restore",
            trigger: ".modal button.btn-primary[name='action_restore']",
            run: "click",
        },
        {
            content: "its progress is on the backup",
            trigger: ".o_form_view .o_steward_progress[data-state='queued']",
        },
    ],
});
