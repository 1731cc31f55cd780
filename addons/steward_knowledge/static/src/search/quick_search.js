import { Component, useRef, useState } from "@odoo/owl";
import { Dropdown } from "@web/core/dropdown/dropdown";
import { useDropdownState } from "@web/core/dropdown/dropdown_hooks";
import { useCommand } from "@web/core/commands/command_hook";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { Result } from "./result";
import { openResult, useSearcher } from "./searcher";

const FIRST = 5; // results in the menu
const OPEN = _t("Search knowledge");

/** The door to knowledge for everybody: a field in the bar, with the first results. */
export class QuickSearch extends Component {
    static template = "steward_knowledge.QuickSearch";
    static components = { Dropdown, Result };
    static props = {};

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.dropdown = useDropdownState();
        this.title = OPEN;
        this.menu = useRef("menu");
        this.searcher = useSearcher(FIRST);
        this.state = useState(this.searcher.state);
        this.openOne = this.openOne.bind(this);
        useCommand(OPEN, () => this.openPage(""), {
            category: "app",
            hotkey: "alt+shift+k",
            global: true,
        });
    }

    toField() {
        const field = this.menu.el?.querySelector("input");
        field?.focus();
        field?.select();
    }
    onOpened() {
        this.toField();
    }
    openOne(result) {
        this.searcher.keep();
        this.dropdown.close();
        return openResult(this.action, result);
    }
    openPage(query = this.state.query) {
        this.dropdown.close();
        return openSearch(this.action, query);
    }
    onKey(ev) {
        if (ev.isComposing) {
            return;
        }
        const titles = [...this.menu.el.querySelectorAll(".o_steward_result_title")];
        const at = titles.indexOf(ev.target);
        if (ev.key === "Enter" && at < 0 && ev.target.matches("input")) {
            this.openPage();
        } else if (ev.key === "ArrowDown" && titles.length) {
            titles[Math.min(at + 1, titles.length - 1)].focus();
        } else if (ev.key === "ArrowUp" && at >= 0) {
            at ? titles[at - 1].focus() : this.toField();
        } else {
            return;
        }
        // the menu's own navigation knows nothing of the field
        ev.preventDefault();
        ev.stopPropagation();
    }
}

/** Open the search page with a question. */
export function openSearch(action, question) {
    return action.doAction("steward_knowledge.action_search", {
        props: { question },
        clearBreadcrumbs: true,
    });
}

registry
    .category("systray")
    .add("steward_knowledge.quick_search", { Component: QuickSearch }, { sequence: 30 });
