import { Component, onWillStart, useState } from "@odoo/owl";
import { useCommand } from "@web/core/commands/command_hook";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { useService } from "@web/core/utils/hooks";

/** The door to the chat, for who may run agents. */
export class ChatSystray extends Component {
    static template = "steward_agent.ChatSystray";
    static props = {};

    setup() {
        this.chat = useService("steward_chat");
        this.state = useState({ isShown: false });
        onWillStart(async () => {
            this.state.isShown = await user.hasGroup("steward.group_operator");
        });
        useCommand(_t("Chat with an agent"), () => this.chat.open(), {
            category: "app",
            hotkey: "alt+shift+c",
            global: true,
            isAvailable: () => this.state.isShown,
        });
    }
}
registry
    .category("systray")
    .add("steward_agent.chat", { Component: ChatSystray }, { sequence: 31 });

const FIRST = 40; // agents that the palette knows

registry.category("command_provider").add("steward_agent", {
    async provide(env, { sessionId, searchValue } = {}) {
        if (!searchValue || !(await user.hasGroup("steward.group_viewer"))) {
            return [];
        }
        const { action, orm, steward_chat: chat } = env.services;
        const agents = await known(orm, sessionId);
        const mayChat = await user.hasGroup("steward.group_operator");
        return agents.map(({ id, code, name, kind }) =>
            kind === "chat" && mayChat
                ? { name: _t("Chat with %s", name), action: () => chat.open({ agent: code }) }
                : {
                      name: _t("Agent %s", name),
                      action: () =>
                          action.doAction({
                              type: "ir.actions.act_window",
                              res_model: "steward.agent",
                              res_id: id,
                              views: [[false, "form"]],
                          }),
                  }
        );
    },
});

let asked = {}; // once for each time that the palette is open

function known(orm, sessionId) {
    if (asked.sessionId !== sessionId || !asked.agents) {
        const fields = ["code", "name", "kind"];
        const agents = orm.silent.searchRead("steward.agent", [], fields, { limit: FIRST });
        asked = { sessionId, agents: agents.catch(() => []) };
    }
    return asked.agents;
}
