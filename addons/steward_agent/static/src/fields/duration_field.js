import { Component, onWillUnmount, useState } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";
import { formatDuration } from "./format";

const { DateTime } = luxon;

/** How long a run took, or takes until now. */
export class DurationField extends Component {
    static template = "steward_agent.DurationField";
    static props = { ...standardFieldProps };

    setup() {
        this.state = useState({ now: DateTime.now() });
        const timer = browser.setInterval(() => {
            if (this.goesOn) {
                this.state.now = DateTime.now();
            }
        }, 1000);
        onWillUnmount(() => browser.clearInterval(timer));
    }

    get goesOn() {
        const { started_at: began, ended_at: ended } = this.props.record.data;
        return Boolean(began && !ended);
    }
    get text() {
        const { started_at: began, [this.props.name]: took } = this.props.record.data;
        if (this.goesOn) {
            // whole seconds: it is a clock; another computer's may be ahead of ours
            const ms = Math.max(0, this.state.now - began);
            return formatDuration(Math.floor(ms / 1000) * 1000);
        }
        return began ? formatDuration(took) : "";
    }
}

registry.category("fields").add("steward_duration", {
    component: DurationField,
    displayName: _t("Duration"),
    supportedTypes: ["float"],
    fieldDependencies: [
        { name: "started_at", type: "datetime" },
        { name: "ended_at", type: "datetime" },
    ],
});
registry
    .category("formatters")
    .add("steward_duration", (value) => (value ? formatDuration(value) : ""));
