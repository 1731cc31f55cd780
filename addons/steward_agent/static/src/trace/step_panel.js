import { Component, onWillStart, onWillUpdateProps, useState } from "@odoo/owl";
import { formatDateTime } from "@web/core/l10n/dates";
import { useService } from "@web/core/utils/hooks";
import { KeepLast } from "@web/core/utils/concurrency";
import { _t } from "@web/core/l10n/translation";
import { formatFloat } from "@web/core/utils/numbers";
import { formatDuration, formatMoney } from "../fields/format";
import { DETAILS, parsed, stepOf } from "./copy";

const { DateTime } = luxon;

/** One step of a trace with all that is kept of it. */
export class StepPanel extends Component {
    static template = "steward_agent.StepPanel";
    static props = {
        run: Object,
        step: Object,
        word: Function,
        icon: String,
        status: Object,
        close: Function,
        copy: Function,
    };

    setup() {
        this.orm = useService("orm");
        this.keepLast = new KeepLast();
        this.state = useState({ details: undefined, error: "" });
        onWillStart(() => {
            this.load(this.props.step); // the panel need not wait for its contents
        });
        onWillUpdateProps(({ step }) => {
            if (step.id !== this.props.step.id) {
                this.load(step);
            }
        });
    }

    async load(step) {
        Object.assign(this.state, { details: undefined, error: "" });
        try {
            const asked = this.orm.silent.read("steward.step", [step.id], DETAILS);
            const [details] = await this.keepLast.add(asked);
            if (details) {
                this.state.details = details;
            } else {
                this.state.error = _t("This step is not kept any longer.");
            }
        } catch (error) {
            this.state.error = error.data?.message || _t("Odoo does not answer.");
        }
    }

    get facts() {
        const { step } = this.props;
        const { details } = this.state;
        const number = (value) => formatFloat(value, { digits: [16, 0] });
        const facts = [
            [_t("Started"), formatDateTime(DateTime.fromMillis(step.start), { showSeconds: true })],
            [_t("Duration"), step.duration !== false && formatDuration(step.duration)],
            [_t("Model"), [details?.provider, step.model].filter(Boolean).join(" / ")],
            [_t("Tokens in"), step.tokens_in && number(step.tokens_in)],
            [_t("of them cached"), details?.tokens_cached && number(details.tokens_cached)],
            [_t("Tokens out"), step.tokens_out && number(step.tokens_out)],
            [_t("Cost"), this.cost],
            [_t("Attempt"), details?.attempt > 1 && number(details.attempt)],
        ];
        return facts.filter(([, value]) => value);
    }
    get cost() {
        const { step, word } = this.props;
        if (!step.cost_source) {
            return "";
        }
        const source = word("cost_source", step.cost_source);
        return step.cost === false ? source : `${formatMoney(step.cost)} (${source})`;
    }
    get contents() {
        const { input, output, attributes } = this.state.details;
        const contents = [
            [_t("Input"), input],
            [_t("Output"), output],
            [_t("Attributes"), attributes],
        ];
        return contents
            .filter(([, value]) => value !== false && value !== "")
            .map(([title, value]) => ({ title, text: pretty(parsed(value)) }));
    }
    copyStep() {
        const { run, step } = this.props;
        return this.props.copy(
            stepOf(run.trace_id, step, this.state.details),
            _t("The step is copied.")
        );
    }
}

function pretty(value) {
    return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
