import { Component, reactive, useState } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { ChatPanel } from "./chat_panel";

const OURS = /^(steward\.|res\.config)/; // what one asks about is the company's own

/** Keeps the panel open while the user goes from screen to screen. */
export const chatService = {
    dependencies: ["action"],
    start(env, { action }) {
        const state = reactive({ open: false, key: 0, props: {} });

        /** @param {{agent?: string, traceId?: string}} [props] */
        function open(props = {}) {
            Object.assign(state, { open: true, key: state.key + 1, props });
            document.body.classList.add("o_steward_chat_open");
        }
        function close() {
            state.open = false;
            document.body.classList.remove("o_steward_chat_open");
        }
        /** @returns {{model: string, id: number} | null} the record whose form is shown */
        function recordBeside() {
            const controller = action.currentController;
            const { resModel } = controller?.props || {};
            const id = controller?.currentState?.resId || controller?.props.resId;
            const isForm = controller?.view?.type === "form";
            return isForm && typeof id === "number" && resModel && !OURS.test(resModel)
                ? { model: resModel, id }
                : null;
        }
        return {
            state,
            open,
            close,
            toggle: () => (state.open ? close() : open()),
            recordBeside,
        };
    },
};
registry.category("services").add("steward_chat", chatService);

/** Where the panel is drawn. */
export class ChatDock extends Component {
    static template = "steward_agent.ChatDock";
    static components = { ChatPanel };
    static props = {};

    setup() {
        const chat = useService("steward_chat");
        this.state = useState(chat.state);
        this.close = chat.close;
    }
}
registry.category("main_components").add("steward_chat", { Component: ChatDock });

registry.category("actions").add("steward_chat", (env, { params = {} }) => {
    const { agent, trace_id: traceId } = params;
    env.services.steward_chat.open({ ...(agent && { agent }), ...(traceId && { traceId }) });
});
