import { Component, onMounted, onWillUnmount } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

export const CHANGED = "steward.harvest"; // the bus's messages, as on the server
const PAUSE = 300; // ms: what comes together is looked at once

/** How far a source's harvest is; changes as it goes on. */
export class HarvestProgress extends Component {
    static template = "steward_knowledge.HarvestProgress";
    static props = { ...standardFieldProps };

    setup() {
        const { resId } = this.props.record;
        if (!resId) {
            return;
        }
        const bus = useService("bus_service");
        const channel = `steward.source_${resId}`;
        const onNews = ({ source_id: sourceId }) => {
            if (sourceId === resId) {
                browser.clearTimeout(this.timer);
                this.timer = browser.setTimeout(() => this.reload(), PAUSE);
            }
        };
        onMounted(() => {
            bus.addChannel(channel);
            bus.subscribe(CHANGED, onNews);
        });
        onWillUnmount(() => {
            browser.clearTimeout(this.timer);
            bus.unsubscribe(CHANGED, onNews);
            bus.deleteChannel(channel);
        });
    }

    /** What somebody is typing is worth more than news. */
    async reload() {
        if (!(await this.props.record.isDirty())) {
            await this.props.record.load();
        }
    }

    get isOn() {
        return this.props.record.data.state === "harvesting";
    }

    get percent() {
        return Math.round(this.props.record.data[this.props.name] || 0);
    }

    get label() {
        return this.percent
            ? _t("Being harvested: %s %", this.percent)
            : _t("Looking what there is …");
    }
}

registry.category("fields").add("steward_harvest_progress", {
    component: HarvestProgress,
    displayName: _t("Progress of a harvest"),
    supportedTypes: ["float"],
});
