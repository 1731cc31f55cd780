import { Component, onMounted, onWillStart, onWillUnmount, useRef, useState } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { useThrottleForAnimation } from "@web/core/utils/timing";
import { _t } from "@web/core/l10n/translation";
import { formatFloat } from "@web/core/utils/numbers";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";
import { formatDuration, formatMoney } from "../fields/format";
import { batchOf } from "./copy";
import { useFeed } from "./feed";
import { StepPanel } from "./step_panel";
import { matcher, Steps } from "./steps";

export const ROW = 32; // px, of each line; also in trace.scss
const SPARE = 12; // lines that are drawn above and below those that are seen
const DEEPEST = 12; // steps of indentation
const RELOAD_EVERY = 1000; // ms, of the form around

export const ICONS = {
    tool_call: "fa-wrench",
    llm_inference: "fa-magic",
    embedding: "fa-th",
    retrieval: "fa-search",
    decision: "fa-code-fork",
    handoff: "fa-exchange",
    human: "fa-user",
    error: "fa-exclamation-triangle",
    other: "fa-circle-o",
};
export const STATUS = {
    ok: { icon: "fa-check", color: "text-success", bar: "bg-success" },
    error: { icon: "fa-times-circle", color: "text-danger", bar: "bg-danger" },
    cancelled: { icon: "fa-ban", color: "text-muted", bar: "bg-secondary" },
};

/** What a run did, step by step, as it does it. Only the lines that are seen are drawn. */
export class Trace extends Component {
    static template = "steward_agent.Trace";
    static components = { StepPanel };
    static props = {
        runId: Number,
        onRun: { type: Function, optional: true },
        expandable: { type: Boolean, optional: true },
    };

    setup() {
        this.orm = useService("orm");
        this.fields = useService("field");
        this.action = useService("action");
        this.notification = useService("notification");
        this.scroller = useRef("scroller");
        this.search = useRef("search");
        this.steps = new Steps();
        this.folded = new Set();
        this.icons = ICONS;
        this.status = STATUS;
        this.money = formatMoney;
        this.duration = formatDuration;
        this.state = useState({
            version: 0, // of what the lines are made of
            top: 0,
            height: 0,
            selected: undefined, // id of a step
            open: false, // its panel
            kind: "",
            failed: false,
            text: "",
            run: undefined,
            loading: true,
            error: "",
        });
        onWillStart(async () => {
            this.words = await this.fields.loadFields("steward.step", {
                fieldNames: ["kind", "status", "cost_source", "category"],
                attributes: ["selection"],
            });
        });
        this.refresh = useFeed(this.props.runId, this.steps, {
            onRun: (run, more) => this.onRun(run, more),
            onError: (error) => {
                this.state.error = error.data?.message || _t("Odoo does not answer.");
                this.state.loading = false;
            },
        });
        this.onScroll = useThrottleForAnimation(() => this.measure());
        const observer = new ResizeObserver(() => this.measure());
        onMounted(() => observer.observe(this.scroller.el));
        onWillUnmount(() => observer.disconnect());
    }

    onRun(run, more) {
        const followed = this.isAtEnd && this.steps.all.length && !this.state.loading;
        Object.assign(this.state, { run, loading: more, error: "" });
        this.state.version++;
        if (followed && !run.is_over) {
            browser.requestAnimationFrame(() => this.scrollTo(this.lines.length - 1));
        }
        this.props.onRun?.(run);
    }

    measure() {
        const el = this.scroller.el;
        if (el) {
            this.state.top = el.scrollTop;
            this.state.height = el.clientHeight;
        }
    }

    // -- what is seen --------------------------------------------------------------

    /** @returns {import("./steps").Line[]} */
    get lines() {
        const { version, kind, failed, text } = this.state;
        const key = [version, kind, failed, text].join("\n");
        if (this.linesKey !== key) {
            this.linesKey = key;
            this.found = this.steps.lines(matcher({ kind, failed, text }), this.folded);
            this.places = new Map(this.found.map((line, index) => [line.step.id, index]));
        }
        return this.found;
    }
    get drawn() {
        const lines = this.lines;
        const first = Math.max(0, Math.floor(this.state.top / ROW) - SPARE);
        const last = Math.ceil((this.state.top + this.state.height) / ROW) + SPARE;
        return lines.slice(first, last).map((line, index) => ({
            ...line,
            index: first + index,
            top: (first + index) * ROW,
            indent: Math.min(line.depth, DEEPEST),
        }));
    }
    get canvasHeight() {
        return this.lines.length * ROW;
    }
    get isFiltered() {
        return Boolean(this.state.kind || this.state.failed || this.state.text);
    }
    get isAtEnd() {
        return this.state.top + this.state.height >= this.canvasHeight - ROW;
    }
    get selected() {
        return this.state.open && this.steps.byId.get(this.state.selected);
    }
    get kinds() {
        const used = new Set(this.steps.all.map((step) => step.kind));
        return this.words.kind.selection.filter(([kind]) => used.has(kind));
    }
    get failures() {
        return this.steps.all.filter((step) => step.status === "error").length;
    }
    get countText() {
        const all = this.steps.all.length;
        const shown = this.isFiltered
            ? this.lines.filter((line) => line.matches).length
            : all;
        const numbers = { shown: formatFloat(shown, NONE), all: formatFloat(all, NONE) };
        if (shown !== all) {
            return _t("%(shown)s of %(all)s steps", numbers);
        }
        return all === 1 ? _t("1 step") : _t("%(all)s steps", numbers);
    }

    word(field, value) {
        return this.words[field].selection.find(([name]) => name === value)?.[1] || value;
    }
    offset(step) {
        return formatDuration(step.start - this.steps.origin);
    }
    tokens(step) {
        const total = (step.tokens_in || 0) + (step.tokens_out || 0);
        return total ? formatFloat(total, NONE) : "";
    }
    cost(step) {
        if (step.cost_source === "unknown") {
            return _t("unknown");
        }
        return step.cost === false ? "" : formatMoney(step.cost);
    }
    bar(step) {
        const whole = Math.max(this.steps.end - this.steps.origin, 1);
        const left = ((step.start - this.steps.origin) / whole) * 100;
        const width = ((step.duration || 0) / whole) * 100;
        return `left: ${left.toFixed(3)}%; width: max(2px, ${width.toFixed(3)}%)`;
    }

    // -- what people do ------------------------------------------------------------

    filter(change) {
        Object.assign(this.state, change);
        this.scrollTo(this.places.get(this.state.selected) ?? 0);
    }
    select(index, open = this.state.open) {
        const line = this.lines[index];
        if (line) {
            Object.assign(this.state, { selected: line.step.id, open });
            this.scrollTo(index);
        }
    }
    close() {
        this.state.open = false;
        this.scroller.el?.focus();
    }
    fold(step, folded = !this.folded.has(step.span)) {
        this.folded[folded ? "add" : "delete"](step.span);
        this.state.version++;
    }
    scrollTo(index) {
        const el = this.scroller.el;
        if (!el || index < 0) {
            return;
        }
        const top = index * ROW;
        if (top < el.scrollTop) {
            el.scrollTop = top;
        } else if (top + ROW > el.scrollTop + el.clientHeight) {
            el.scrollTop = top + ROW - el.clientHeight;
        }
        this.measure();
    }

    /** @param {KeyboardEvent} ev */
    onKeydown(ev) {
        const typing = ev.target.matches("input, select, textarea");
        if (ev.key === "Escape" && (this.state.open || typing)) {
            typing ? this.scroller.el.focus() : this.close();
        } else if (ev.key === "/" && !typing) {
            this.search.el.focus();
        } else if (typing && !(ev.target === this.search.el && ev.key === "ArrowDown")) {
            return;
        } else if (!this.onListKey(ev.key, ev.target)) {
            return;
        }
        ev.preventDefault();
        ev.stopPropagation();
    }
    onListKey(key, target) {
        const at = this.places?.get(this.state.selected);
        const page = Math.max(1, Math.floor(this.state.height / ROW) - 1);
        const moves = {
            ArrowDown: at === undefined ? 0 : at + 1,
            ArrowUp: (at ?? 1) - 1,
            PageDown: Math.min((at ?? 0) + page, this.lines.length - 1),
            PageUp: Math.max((at ?? 0) - page, 0),
            Home: 0,
            End: this.lines.length - 1,
        };
        if (key in moves) {
            this.select(moves[key]);
            if (target === this.search.el) {
                this.scroller.el.focus();
            }
            return true;
        }
        if (at === undefined || target !== this.scroller.el) {
            return false;
        }
        const { step } = this.lines[at];
        if (key === "Enter") {
            this.state.open = !this.state.open;
        } else if (key === "ArrowLeft" || key === "ArrowRight") {
            this.fold(step, key === "ArrowLeft");
        } else {
            return false;
        }
        return true;
    }

    async copyAll() {
        const { batch, whole } = await batchOf(this.orm, this.state.run, this.steps.all);
        await this.copy(
            batch,
            whole
                ? _t("The trace is copied.")
                : _t("The trace is copied, without what went in and out of its many steps.")
        );
    }
    async copy(value, said) {
        try {
            await browser.navigator.clipboard.writeText(JSON.stringify(value, null, 2));
            this.notification.add(said, { type: "success" });
        } catch {
            this.notification.add(_t("Your browser does not let Odoo copy. Is this https?"), {
                type: "warning",
            });
        }
    }
    expand() {
        return this.action.doAction("steward_agent.action_trace", {
            additionalContext: { active_id: this.props.runId },
        });
    }
}

const NONE = { digits: [16, 0] }; // after the point

/** The trace within a run's form, which it keeps up to date as well. */
export class TraceWidget extends Component {
    static template = "steward_agent.TraceWidget";
    static components = { Trace };
    static props = { ...standardWidgetProps };

    setup() {
        onWillUnmount(() => browser.clearTimeout(this.timer));
    }

    onRun({ state, steps }) {
        const { data } = this.props.record;
        const changed = data.state !== state || data.step_count !== steps;
        if (changed && !this.timer) {
            this.timer = browser.setTimeout(
                async () => {
                    this.timer = undefined;
                    await this.props.record.load();
                },
                data.state === state ? RELOAD_EVERY : 0
            );
        }
    }
}

registry.category("view_widgets").add("steward_trace", {
    component: TraceWidget,
    fieldDependencies: [
        { name: "state", type: "selection" },
        { name: "step_count", type: "integer" },
    ],
});

/** The trace alone, on the whole screen. */
export class TraceAction extends Component {
    static template = "steward_agent.TraceAction";
    static components = { Layout, Trace };
    static props = { ...standardActionServiceProps };

    setup() {
        this.display = { controlPanel: {} };
        const { params, context } = this.props.action;
        this.runId = Number(params?.run_id || context.active_id);
        this.props.updateActionState?.({ active_id: this.runId });
    }
}

registry.category("actions").add("steward_trace", TraceAction);
