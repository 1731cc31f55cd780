import { Component, onWillStart, useEffect, useRef, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { deserializeDate } from "@web/core/l10n/dates";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";
import { formatBytes } from "@steward/units/units";

const LENGTHS = [14, 30, 90];
const LOOKS = {
    work: { icon: "fa-cog fa-spin", color: "text-info", word: _t("At work") },
    good: { icon: "fa-check-circle", color: "text-success", word: _t("Good") },
    doubtful: { icon: "fa-question-circle", color: "text-warning", word: _t("Doubtful") },
    failed: { icon: "fa-times-circle", color: "text-danger", word: _t("Failed") },
    gone: { icon: "fa-circle-o", color: "text-muted", word: _t("Removed") },
};
const RESTORED = { icon: "fa-certificate", color: "text-success", word: _t("Restored for real") };

export function lookOfMark({ look, level }) {
    return look === "good" && level === "restored" ? RESTORED : LOOKS[look];
}

/** Days across, a row for each storage, a mark for each backup: gaps are seen at once. */
export class Timeline extends Component {
    static template = "steward_backup.Timeline";
    static components = { Layout };
    static props = { ...standardActionServiceProps };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.ui = useService("ui");
        this.state = useState({ days: this.ui.isSmall ? LENGTHS[0] : LENGTHS[1], told: null });
        this.lengths = LENGTHS;
        this.legend = [RESTORED, ...Object.values(LOOKS)];
        this.lookOf = lookOfMark;
        this.formatBytes = formatBytes;
        const table = useRef("days");
        // on a narrow screen the last days are what one wants to see
        useEffect(
            (element) => {
                if (element) {
                    element.scrollLeft = element.scrollWidth;
                }
            },
            () => [table.el, this.state.told]
        );
        onWillStart(async () => {
            this.isOperator = await user.hasGroup("steward.group_operator");
            await this.load();
        });
    }

    async load() {
        this.state.told = await this.orm.call("steward.backup", "timeline", [this.state.days]);
    }
    async show(days) {
        this.state.days = days;
        await this.load();
    }

    get display() {
        return { controlPanel: {} };
    }
    get days() {
        const days = this.state.told.days;
        const step = Math.ceil(days.length / (this.ui.isSmall ? 4 : 15));
        return days.map((day, index) => {
            const date = deserializeDate(day);
            return {
                day,
                isWeekend: date.weekday > 5,
                // from the last one backwards: today has its name
                name: (days.length - 1 - index) % step
                    ? ""
                    : date.toLocaleString({ day: "numeric", month: "short" }),
            };
        });
    }
    marksOf(row, day) {
        return row.marks.filter((mark) => mark.day === day);
    }
    /** Larger backups are larger, within reason. */
    sizeOf(row, mark) {
        const largest = Math.max(...row.marks.map((other) => other.size), 1);
        return 0.75 + 0.6 * Math.sqrt(mark.size / largest);
    }
    open(mark) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "steward.backup",
            res_id: mark.id,
            views: [[false, "form"]],
        });
    }
    async backUpNow() {
        const action = await this.orm.call("steward.backup", "action_back_up_now", [[]]);
        return this.action.doAction(action);
    }
}

registry.category("actions").add("steward_backup.timeline", Timeline);
