import { Component, onWillStart, useState } from "@odoo/owl";
import { formatDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { formatFloat } from "@web/core/utils/numbers";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";
import { SelectCreateDialog } from "@web/views/view_dialogs/select_create_dialog";
import { formatCost, formatDuration } from "../fields/format";
import { sentenceOf } from "../chat/talk";
import { ICONS, STATUS } from "../trace/trace";

const { DateTime } = luxon;

const SIGNS = { same: " ", gone: "−", new: "+" };
const number = (value) => formatFloat(value || 0, { digits: [16, 0] });

/** Two texts as one, line by line; a sign says what colour says. */
export class Difference extends Component {
    static template = "steward_agent.Difference";
    static props = { lines: Array };

    setup() {
        this.signs = SIGNS;
    }
    get isSame() {
        return this.props.lines.every(([kind]) => kind === "same");
    }
    color(kind) {
        return { gone: "text-danger-emphasis bg-danger-subtle", new: "text-success-emphasis bg-success-subtle" }[kind];
    }
}

/** Two runs side by side. */
export class Comparison extends Component {
    static template = "steward_agent.Comparison";
    static components = { Layout, Difference };
    static props = { ...standardActionServiceProps };

    setup() {
        this.orm = useService("orm");
        this.fields = useService("field");
        this.action = useService("action");
        this.display = { controlPanel: {} };
        this.icons = ICONS;
        this.status = STATUS;
        this.duration = formatDuration;
        this.state = useState({ told: null, open: -1, steps: null, error: "", onlyDiffering: false });
        const { context, params = {} } = this.props.action;
        // asked for by a button, or by the address
        this.ids = [params.run || context.active_id, params.other || this.props.resId].map(Number);
        const [active_id, resId] = this.ids;
        this.props.updateActionState?.({ active_id, resId });
        onWillStart(() => this.load());
    }

    async load() {
        try {
            const [words, told] = await Promise.all([
                this.fields.loadFields("steward.step", {
                    fieldNames: ["kind"],
                    attributes: ["selection"],
                }),
                this.orm.call("steward.run", "compare", this.ids),
            ]);
            this.words = new Map(words.kind.selection);
            this.state.told = told;
        } catch (error) {
            this.state.error = sentenceOf(error);
        }
    }

    /** [what, left, right], as they are shown. */
    get figures() {
        const row = (label, tell) => {
            const [left, right] = this.state.told.runs.map(tell);
            return { label, left, right, differs: left !== right };
        };
        return [
            row(_t("State"), (run) => run.word),
            row(_t("Started"), (run) =>
                run.started ? formatDateTime(DateTime.fromMillis(run.started)) : ""
            ),
            row(_t("Duration"), (run) => formatDuration(run.duration)),
            row(_t("Steps"), (run) =>
                run.errors ? _t("%(steps)s, %(errors)s failed", run) : number(run.steps)
            ),
            row(_t("Tokens in"), (run) => number(run.tokens_in)),
            row(_t("Tokens out"), (run) => number(run.tokens_out)),
            row(_t("Cost"), (run) => formatCost(run.cost, run.unpriced)),
            row(_t("Model"), (run) => run.model || ""),
            row(_t("Prompt"), (run) => run.prompt || ""),
            row(_t("Agent's version"), (run) => number(run.version)),
        ].filter(({ left, right }) => left || right);
    }
    get rows() {
        const rows = this.state.told.steps.map((row, index) => ({ ...row, index }));
        return this.state.onlyDiffering ? rows.filter((row) => this.isDifferent(row)) : rows;
    }
    isDifferent(row) {
        return !row.left || !row.right || row.differs.length > 0;
    }
    get differingCount() {
        return this.state.told.steps.filter((row) => this.isDifferent(row)).length;
    }
    /** What of a pair differs, in words. */
    sayDiffering({ left, right, differs }) {
        if (!left || !right) {
            return left ? _t("only in the first") : _t("only in the second");
        }
        const words = {
            status: _t("outcome"),
            model: _t("model"),
            input: _t("input"),
            output: _t("output"),
        };
        return differs.map((name) => words[name]).join(", ");
    }
    kind(step) {
        return this.words.get(step.kind) || step.kind;
    }

    async toggle(row) {
        if (this.state.open === row.index) {
            this.state.open = -1;
            return;
        }
        Object.assign(this.state, { open: row.index, steps: null, error: "" });
        try {
            const steps =
                row.left && row.right
                    ? await this.orm.call("steward.run", "compare_steps", [row.left.id, row.right.id])
                    : await this.loneStep(row.left || row.right, row.left ? "gone" : "new");
            if (this.state.open === row.index) {
                this.state.steps = steps;
            }
        } catch (error) {
            this.state.error = sentenceOf(error);
        }
    }
    async loneStep({ id }, kind) {
        const [step] = await this.orm.read("steward.step", [id], ["input", "output"]);
        const lines = (text) => (text ? text.split("\n").map((line) => [kind, line]) : []);
        return { input: lines(step?.input), output: lines(step?.output) };
    }
    openRun(id) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "steward.run",
            res_id: id,
            views: [[false, "form"]],
        });
    }
}
registry.category("actions").add("steward_compare", Comparison);

registry.category("actions").add("steward_compare_with", (env, { params }) => {
    env.services.dialog.add(SelectCreateDialog, {
        title: _t("Compare with…"),
        resModel: "steward.run",
        domain: params.domain,
        multiSelect: false,
        noCreate: true,
        onSelected: ([other]) =>
            env.services.action.doAction({
                type: "ir.actions.client",
                tag: "steward_compare",
                path: "steward-compare",
                name: _t("Two Runs"),
                params: { run: params.run, other },
            }),
    });
});
