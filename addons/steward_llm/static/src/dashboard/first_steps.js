import { registry } from "@web/core/registry";
import { _t } from "@web/core/l10n/translation";

registry.category("steward.first_steps").add(
    "model",
    {
        title: _t("Connect a model, or skip it"),
        text: _t("Steward works without any. A provider, in the cloud or at home, makes more possible."),
        icon: "fa-cubes",
        label: _t("Open providers"),
        action: "steward_llm.action_provider",
    },
    { sequence: 35 }
);
