import { Component, useState } from "@odoo/owl";
import { deserializeDateTime, formatDate } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";
import { formatFloat } from "@web/core/utils/numbers";
import { piecesOf } from "./passage";
import { hrefOf, isForBrowser, languageOf } from "./searcher";

const PARTS = {
    title: _t("Words in the title"),
    headings: _t("Words in the headings"),
    text: _t("Words in the passage"),
};
const REASONS = {
    word_score: _t("How well the passage's words fit"),
    page_score: _t("How well the whole document's words fit"),
    similarity: _t("How near its meaning is"),
    space: _t("Meaning as seen by"),
    exact: _t("Written just so"),
    freshness: _t("How new it is"),
    authority: _t("How much its source counts"),
};
const NOTHING = { exact: 0, freshness: 1, authority: 1 }; // what changes no score

/** One result: where it is from, the passage, and what one can do with it. */
export class Result extends Component {
    static template = "steward_knowledge.Result";
    static props = {
        result: Object,
        open: Function, // with the result
        keep: Function, // resolves to the number under which the question is kept
        compact: { type: Boolean, optional: true },
        filter: { type: Function, optional: true }, // by name and value
    };

    setup() {
        this.orm = useService("orm");
        this.state = useState({
            why: false,
            verdict: undefined,
            related: undefined,
            error: "",
        });
    }

    get href() {
        return hrefOf(this.props.result);
    }
    get pieces() {
        const { text = "", highlights } = this.props.result;
        return piecesOf(text, highlights, this.props.compact ? 110 : undefined);
    }
    /** The headings above the passage: the first is the title, which is there already. */
    get path() {
        const { path = "", title } = this.props.result;
        return path.startsWith(title) ? path.slice(title.length).replace(/^\s*[›>/»·-]+\s*/, "") : path;
    }
    get date() {
        const { date } = this.props.result;
        return date ? formatDate(deserializeDateTime(date)) : "";
    }
    get language() {
        return languageOf(this.props.result.language);
    }
    /** Why it is here, as pairs of a name and a value; what says nothing is left out. */
    get reasons() {
        const { why = {}, score } = this.props.result;
        const { words = {}, ...rest } = why;
        const found = Object.entries(words).map(([part, list]) => [
            String(PARTS[part] || part),
            list.join(", "),
        ]);
        const numbers = Object.entries(rest)
            .filter(([name, value]) => value !== NOTHING[name])
            .map(([name, value]) => [String(REASONS[name] || name), told(value)]);
        return [...found, ...numbers, [_t("Score in all"), told(score)]];
    }

    onOpen(ev) {
        if (!isForBrowser(ev)) {
            ev.preventDefault();
            this.props.open(this.props.result);
        } else {
            this.props.keep();
        }
    }

    async judge(useful) {
        const before = this.state.verdict;
        if (before === useful) {
            return;
        }
        this.state.verdict = useful;
        try {
            const logId = await this.props.keep();
            await this.orm.silent.call("steward.document", "judge", [
                logId,
                this.props.result.document_id,
                useful,
            ]);
            this.state.error = "";
        } catch (error) {
            this.state.verdict = before;
            this.state.error = error.data?.message || _t("Odoo does not answer.");
        }
    }

    async toggleRelated() {
        if (this.state.related) {
            this.state.related = undefined;
            return;
        }
        try {
            this.state.related = await this.orm.silent.call("steward.document", "related", [
                this.props.result.document_id,
            ]);
            this.state.error = "";
        } catch (error) {
            this.state.error = error.data?.message || _t("Odoo does not answer.");
        }
    }
    hrefOf = hrefOf;
    openRelated(ev, related) {
        if (!isForBrowser(ev)) {
            ev.preventDefault();
            this.props.open(related);
        }
    }
}

function told(value) {
    if (typeof value === "number") {
        return formatFloat(value, { digits: [16, 3], trailingZeros: false });
    }
    return String(value ?? "");
}
