import { Component, useRef } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { useSortable } from "@web/core/utils/sortable_owl";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

const ICONS = {
    tool: "fa-wrench",
    set: "fa-pencil",
    for_each: "fa-repeat",
    choose: "fa-code-fork",
    human: "fa-user",
    wait: "fa-clock-o",
    playbook: "fa-book",
    stop: "fa-flag-checkered",
    fail: "fa-times-circle",
};

/**
 * The steps of a playbook, as its text has them. Dragging one moves its lines, with
 * the comments before them, so the text stays what its writer made of it.
 */
export class PlaybookSteps extends Component {
    static template = "steward_agent.PlaybookSteps";
    static props = { ...standardFieldProps };

    setup() {
        this.orm = useService("orm");
        this.notification = useService("notification");
        this.root = useRef("root");
        useSortable({
            enable: () => this.isEditable,
            ref: this.root,
            elements: ".o_steward_step",
            handle: ".o_row_handle",
            cursor: "grabbing",
            onDrop: ({ element, previous }) => {
                const start = Number(element.dataset.index);
                const before = previous ? Number(previous.dataset.index) : -1;
                return this.move(start, before < start ? before + 1 : before);
            },
        });
    }

    /** The field is computed and so read-only; what is edited is the text. */
    get isEditable() {
        return this.props.record.isInEdition;
    }

    /** The top steps, each with all that is below it. */
    get steps() {
        const steps = [];
        for (const row of this.props.record.data[this.props.name] || []) {
            if (row.depth) {
                steps.at(-1).below.push(row);
            } else {
                steps.push({ ...row, below: [] });
            }
        }
        return steps;
    }

    icon(row) {
        return ICONS[row.kind];
    }

    /** Also for the keyboard: up and down on a handle. */
    onKeydown(event, index) {
        const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (by && this.steps[index + by]) {
            event.preventDefault();
            return this.move(index, index + by);
        }
    }

    async move(start, to) {
        if (start === to || !this.isEditable) {
            return;
        }
        const { record } = this.props;
        try {
            const text = await this.orm.call("steward.playbook", "move_step", [
                record.data.text,
                start,
                to,
            ]);
            await record.update({ text });
        } catch (error) {
            const why = error.data?.message || _t("The step could not be moved.");
            this.notification.add(why, { type: "warning" });
        }
    }
}

registry.category("fields").add("steward_playbook_steps", {
    component: PlaybookSteps,
    displayName: _t("Steps of a playbook"),
    supportedTypes: ["json"],
    fieldDependencies: [{ name: "text", type: "text" }],
});
