import { _t } from "@web/core/l10n/translation";
import { useBus, useService } from "@web/core/utils/hooks";
import { patch } from "@web/core/utils/patch";
import { FormController } from "@web/views/form/form_controller";

export const RECORDS_CHANGED = "STEWARD:RECORDS-CHANGED"; // {agent, model, ids}

/** A form beside the chat shows what the agent has made of its record. */
patch(FormController.prototype, {
    setup() {
        super.setup(...arguments);
        const notification = useService("notification");
        useBus(this.env.bus, RECORDS_CHANGED, async ({ detail }) => {
            const { resModel, resId } = this.model.root;
            if (detail.model !== resModel || !detail.ids.includes(resId)) {
                return;
            }
            if (await this.model.root.isDirty()) {
                notification.add(
                    _t("%s changed this record. You see it when your own changes are saved or discarded.", detail.agent),
                    { type: "warning" }
                );
            } else {
                await this.model.root.load();
            }
        });
    },
});
