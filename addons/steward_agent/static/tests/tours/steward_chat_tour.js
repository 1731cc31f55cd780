import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("steward_chat", {
    timeout: 60000, // of a step, on a busy machine
    steps: () => [
        { content: "the door in the bar", trigger: ".o_steward_chat_toggle", run: "click" },
        {
            content: "choose whom to chat with",
            trigger: ".o_steward_chat_choice:contains('Customer desk')",
            run: "click",
        },
        {
            content: "ask",
            trigger: ".o_steward_chat textarea",
            run: "edit How many partners are there?",
        },
        { content: "send it", trigger: ".o_steward_chat_send", run: "click" },
        {
            content: "what was called is a line, which opens",
            trigger: ".o_steward_chat_tool button:contains('Count records')",
            run: "click",
        },
        {
            content: "with what it was called with",
            trigger: ".o_steward_chat_details pre:contains('res.partner')",
        },
        {
            content: "the answer is laid out",
            trigger: ".o_steward_chat_agent strong:contains('many')",
        },
        {
            content: "go on",
            trigger: ".o_steward_chat textarea",
            run: "edit Make a partner",
        },
        { content: "send it", trigger: ".o_steward_chat_send", run: "click" },
        {
            content: "people are asked, here, and told what would change",
            trigger: ".o_steward_chat_approval:contains('Ann X') .btn:contains('Approve')",
            run: "click",
        },
        {
            content: "it was done then",
            trigger: ".o_steward_chat_approval:contains('Approved by')",
        },
        {
            content: "what both runs said stands below one another",
            trigger: ".o_steward_chat_log:contains('many'):contains('She is there now.')",
        },
        {
            content: "it did what it should",
            trigger: ".o_steward_chat_judge:last button[aria-label='It did what it should']",
            run: "click",
        },
        {
            content: "so it is kept",
            trigger: ".o_steward_chat_judge:last button[aria-pressed=true]",
        },
        {
            content: "close it",
            trigger: ".o_steward_chat textarea",
            run: "press Escape",
        },
        { content: "it is gone", trigger: "body:not(:has(.o_steward_chat))" },
    ],
});

/** A picture of one colour, as it comes from a disk. */
async function drawn() {
    const canvas = document.createElement("canvas");
    canvas.getContext("2d").fillRect(0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve));
    return new File([blob], "scan.png", { type: blob.type });
}

registry.category("web_tour.tours").add("steward_chat_picture", {
    steps: () => [
        { content: "the door in the bar", trigger: ".o_steward_chat_toggle", run: "click" },
        {
            content: "choose whom to chat with",
            trigger: ".o_steward_chat_choice:contains('Customer desk')",
            run: "click",
        },
        {
            content: "choose a picture",
            trigger: ".o_steward_chat_clip[aria-disabled=false]",
            async run() {
                const files = new DataTransfer();
                files.items.add(await drawn());
                const field = document.querySelector(".o_steward_chat input[type=file]");
                field.files = files.files;
                field.dispatchEvent(new Event("change"));
            },
        },
        {
            content: "it is shown before it is sent",
            trigger: ".o_steward_chat footer .o_steward_chat_remove",
        },
        { content: "ask", trigger: ".o_steward_chat textarea", run: "edit What is it?" },
        { content: "send it", trigger: ".o_steward_chat_send", run: "click" },
        {
            content: "it was seen",
            trigger: ".o_steward_chat_agent:contains('It is black.')",
        },
        {
            content: "it stands in the conversation, and opens large",
            trigger: ".o_steward_chat_log img[src^='/web/image/']",
            run: "click",
        },
        {
            content: "with its kind of viewer",
            trigger: ".o-FileViewer-viewImage[src^='/web/image/']",
        },
        {
            content: "close that",
            trigger: ".o-FileViewer [title*='Close']",
            run: "click",
        },
        { content: "it is gone", trigger: "body:not(:has(.o-FileViewer))" },
    ],
});

registry.category("web_tour.tours").add("steward_compare", {
    timeout: 60000, // of a step, on a busy machine
    steps: () => [
        {
            content: "all runs, not only those that need attention",
            trigger: ".o_facet_remove",
            run: "click",
        },
        {
            content: "one run",
            trigger: ".o_data_row:contains('Count them') .o_list_record_selector input",
            run: "click",
        },
        {
            content: "and another",
            trigger: ".o_data_row:contains('Count again') .o_list_record_selector input",
            run: "click",
        },
        {
            content: "side by side",
            trigger: "button[name=action_compare]:not(:disabled)",
            run: "click",
        },
        {
            content: "what differs, is said",
            trigger: ".o_steward_comparison_row.o_differs:contains('output')",
            run: "click",
        },
        {
            content: "and shown",
            trigger: ".o_steward_comparison_open .bg-success-subtle",
        },
    ],
});

registry.category("web_tour.tours").add("steward_no_chat", {
    timeout: 60000, // of a step, on a busy machine
    steps: () => [
        { content: "the bar is there", trigger: ".o_menu_systray .o_user_menu" },
        {
            content: "without a door to the chat",
            trigger: "body:not(:has(.o_steward_chat_toggle))",
        },
    ],
});
