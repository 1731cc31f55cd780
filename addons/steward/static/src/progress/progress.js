import { Component, onMounted, onWillUnmount, onWillUpdateProps, useExternalListener, useState } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { useService } from "@web/core/utils/hooks";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

export const CHANGED = "steward.operation"; // the bus's messages, as on the server
export const POLL_EVERY = 1_000; // ms, while it goes on and is seen

const OPEN = ["queued", "running"];
// the same colour and icon for the same meaning everywhere; never colour alone
const LOOKS = {
    queued: { icon: "fa-clock-o", color: "text-info", word: _t("Waiting for the runner") },
    running: { icon: "fa-cog fa-spin", color: "text-info", word: _t("At work") },
    done: { icon: "fa-check-circle", color: "text-success", word: _t("Done") },
    failed: { icon: "fa-times-circle", color: "text-danger", word: _t("Failed") },
    cancelled: { icon: "fa-ban", color: "text-muted", word: _t("Cancelled") },
    lost: { icon: "fa-question-circle", color: "text-danger", word: _t("Lost") },
};

/** @param {number} seconds */
export function formatTime(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    const two = (number) => String(number).padStart(2, "0");
    const clock = `${Math.floor(whole / 60) % 60}:${two(whole % 60)}`;
    return whole < 3600 ? clock : `${Math.floor(whole / 3600)}:${clock.padStart(5, "0")}`;
}

/**
 * How far an operation is: the one that a field of the record names, or, on `id`, the
 * record itself. It asks each second while the work goes on and somebody looks, and at
 * once when the bus tells of its end; the record is read anew when Odoo has taken over
 * the outcome.
 */
export class Progress extends Component {
    static template = "steward.Progress";
    static props = { ...standardFieldProps };

    setup() {
        this.orm = useService("orm");
        this.bus = useService("bus_service");
        this.state = useState({ told: null, asked: false, error: "", isOperator: false });
        this.operationId = false;
        const onNews = ({ id }) => id === this.operationId && this.ask();
        onMounted(async () => {
            this.bus.subscribe(CHANGED, onNews);
            this.watch(this.idOf(this.props));
            this.state.isOperator = await user.hasGroup("steward.group_operator");
        });
        onWillUpdateProps((props) => this.watch(this.idOf(props)));
        useExternalListener(document, "visibilitychange", () => this.ask());
        onWillUnmount(() => {
            this.bus.unsubscribe(CHANGED, onNews);
            this.watch(false);
        });
    }

    get told() {
        return this.state.told;
    }
    get isOpen() {
        return OPEN.includes(this.told.state);
    }
    get look() {
        return LOOKS[this.told.state];
    }
    get word() {
        const stops = this.isOpen && (this.told.cancel_wanted || this.state.asked);
        return stops ? _t("Is being cancelled") : this.look.word;
    }
    get mayCancel() {
        return this.isOpen && this.state.isOperator;
    }
    get percent() {
        return Math.round(this.told.progress);
    }
    get percentText() {
        return _t("%s %", this.percent);
    }
    get time() {
        const { elapsed, remaining } = this.told;
        if (elapsed === undefined) {
            return "";
        }
        return remaining === undefined
            ? formatTime(elapsed)
            : _t("%(elapsed)s, about %(remaining)s left", {
                  elapsed: formatTime(elapsed),
                  remaining: formatTime(remaining),
              });
    }

    idOf({ record, name }) {
        return name === "id" ? record.resId : record.data[name]?.id || false;
    }

    watch(operationId) {
        if (operationId === this.operationId) {
            return;
        }
        if (this.operationId) {
            this.bus.deleteChannel(`steward.operation_${this.operationId}`);
        }
        browser.clearTimeout(this.timer);
        this.operationId = operationId;
        Object.assign(this.state, { told: null, asked: false, error: "" });
        if (operationId) {
            this.bus.addChannel(`steward.operation_${operationId}`);
            this.ask();
        }
    }

    async ask() {
        const asked = this.operationId;
        browser.clearTimeout(this.timer);
        if (!asked || document.visibilityState === "hidden") {
            return; // asked again as soon as it is seen
        }
        const before = this.told;
        let told;
        try {
            [told] = await this.orm.silent.call("steward.operation", "status", [[asked]]);
            this.state.error = "";
        } catch (error) {
            this.state.error = error.data?.message || error.message;
            told = before;
        }
        if (asked !== this.operationId) {
            return; // another one is shown by now, or none
        }
        this.state.told = told || null;
        if (!told) {
            return; // it is gone, or not for this user
        }
        if (this.isOpen || !told.applied) {
            browser.clearTimeout(this.timer);
            this.timer = browser.setTimeout(() => this.ask(), POLL_EVERY);
        } else if (before ? !before.applied : this.props.record.data.is_working) {
            // it has ended since it was last asked, or since the record was read
            await this.props.record.load();
        }
    }

    async cancel() {
        this.state.asked = true;
        try {
            await this.orm.call("steward.operation", "action_cancel", [[this.operationId]]);
        } finally {
            this.state.asked = false;
            this.ask();
        }
    }
}

registry.category("fields").add("steward_progress", {
    component: Progress,
    displayName: _t("Progress"),
    supportedTypes: ["many2one", "integer"],
});

/** What a program told another, for who wants to look. */
export class JsonField extends Component {
    static template = "steward.JsonField";
    static props = { ...standardFieldProps };

    get text() {
        const value = this.props.record.data[this.props.name];
        return value ? JSON.stringify(value, null, 2) : "";
    }
}

registry.category("fields").add("steward_json", {
    component: JsonField,
    displayName: _t("JSON"),
    supportedTypes: ["json"],
});
