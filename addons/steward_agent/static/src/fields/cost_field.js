import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";
import { formatCost, formatMoney } from "./format";

/** What a run cost: not known is not nothing. */
export class CostField extends Component {
    static template = "steward_agent.CostField";
    static props = { ...standardFieldProps };

    get unpriced() {
        return this.props.record.data.unpriced_count;
    }
    get text() {
        return formatCost(this.props.record.data[this.props.name], this.unpriced);
    }
    get title() {
        return this.unpriced
            ? _t("No price is known of %s of its calls.", this.unpriced)
            : undefined;
    }
}

registry.category("fields").add("steward_cost", {
    component: CostField,
    displayName: _t("Cost, or unknown"),
    supportedTypes: ["float"],
    fieldDependencies: [{ name: "unpriced_count", type: "integer" }],
});
registry.category("formatters").add("steward_cost", (value) => formatMoney(value || 0));
