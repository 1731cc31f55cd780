import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { formatFloat } from "@web/core/utils/numbers";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

function short(value) {
    return formatFloat(value, { digits: [16, 1], trailingZeros: false });
}

/**
 * A size in the units that disks are sold in, as `kernel.units` says it.
 *
 * @param {number} size in bytes
 */
export function formatBytes(size) {
    let unit = 0;
    while (Math.round(size * 10) / 10 >= 1000 && unit < UNITS.length - 1) {
        size /= 1000;
        unit++;
    }
    return `${short(unit ? size : Math.round(size))} ${UNITS[unit]}`;
}

/** @param {number} seconds that something took */
export function formatSeconds(seconds) {
    if (seconds < 60) {
        return _t("%s s", short(seconds));
    }
    const minutes = Math.round(seconds / 60);
    if (minutes < 60) {
        return _t("%s min", minutes);
    }
    const hours = Math.round(seconds / 360) / 10;
    return hours < 48 ? _t("%s h", short(hours)) : _t("%s d", short(hours / 24));
}

function unitField(format, displayName) {
    return {
        component: class UnitField extends Component {
            static template = "steward.UnitField";
            static props = { ...standardFieldProps };

            get text() {
                const value = this.props.record.data[this.props.name];
                return value ? format(value) : "";
            }
        },
        displayName,
        supportedTypes: ["float", "integer"],
    };
}

const fields = registry.category("fields");
const formatters = registry.category("formatters");
fields.add("steward_bytes", unitField(formatBytes, _t("Size in bytes")));
fields.add("steward_seconds", unitField(formatSeconds, _t("Time in seconds")));
formatters.add("steward_bytes", (value) => (value ? formatBytes(value) : ""));
formatters.add("steward_seconds", (value) => (value ? formatSeconds(value) : ""));
