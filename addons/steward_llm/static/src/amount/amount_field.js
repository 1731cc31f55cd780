import { registry } from "@web/core/registry";
import { floatField, FloatField } from "@web/views/fields/float/float_field";
import { formatFloat } from "@web/views/fields/formatters";

const MOST = 9; // places, as numeric(18,9) has them

/** Dollars. Empty is unknown, not zero; two places, and more where they say something. */
export function formatAmount(value) {
    if (value === false || value === null || value === undefined) {
        return "";
    }
    const places = value.toFixed(MOST).split(".")[1].replace(/0+$/, "").length;
    return formatFloat(value, { digits: [18, Math.max(2, places)] });
}

export class AmountField extends FloatField {
    parse(value) {
        return value.trim() ? super.parse(value) : false;
    }

    get formattedValue() {
        return formatAmount(this.value);
    }
}

registry.category("fields").add("steward_amount", { ...floatField, component: AmountField });
registry.category("formatters").add("steward_amount", formatAmount);
