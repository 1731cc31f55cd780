import { Component, onMounted, onWillStart, useRef, useState } from "@odoo/owl";
import { router } from "@web/core/browser/router";
import { serializeDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { useService } from "@web/core/utils/hooks";
import { formatFloat } from "@web/core/utils/numbers";
import { Layout } from "@web/search/layout";
import { useSetupAction } from "@web/search/action_hook";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";
import { Result } from "./result";
import { languageOf, openResult, useSearcher } from "./searcher";

const PAGE = 10;
const FEW = 6; // values of a facet that are shown at first
export const FACETS = { source: _t("Source"), topic: _t("Topic"), version: _t("Version"), language: _t("Language") };
const AGES = { week: _t("Last 7 days"), month: _t("Last 30 days"), year: _t("Last year") };
const DAYS = { week: 7, month: 30, year: 365 };

/** Search in all that this user may read: one field, and results as one types. */
export class SearchPage extends Component {
    static template = "steward_knowledge.SearchPage";
    static components = { Layout, Result };
    static props = {
        ...standardActionServiceProps,
        question: { type: String, optional: true }, // asked elsewhere
    };

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.display = { controlPanel: {} };
        this.field = useRef("field");
        this.list = useRef("list");
        this.facetNames = FACETS;
        this.ages = AGES;
        this.ui = useState({ chosen: {}, open: {}, filters: false });
        this.searcher = useSearcher(PAGE, () => this.keepAddress());
        this.state = useState(this.searcher.state);
        this.openOne = this.openOne.bind(this);
        this.choose = this.choose.bind(this);
        useSetupAction({
            getGlobalState: () => ({
                search: {
                    query: this.state.query,
                    chosen: { ...this.ui.chosen },
                    logId: this.state.logId,
                },
            }),
        });
        onWillStart(async () => {
            this.isOperator = await user.hasGroup("steward.group_operator");
        });
        onMounted(() => {
            this.restore();
            this.field.el.focus();
            this.field.el.select();
        });
    }

    // -- what is asked -----------------------------------------------------------------

    /** What was asked: before one went away, elsewhere, or in the address. */
    restore() {
        const before = this.props.globalState?.search;
        // of an action's parameters only when it was not written over since
        const given = router.current.q === undefined && this.props.action.params?.question;
        const question = this.props.question ?? (given || undefined);
        const asked = before || { query: question ?? router.current.q, chosen: {} };
        if (!before && question === undefined) {
            for (const name of [...Object.keys(FACETS), "age"]) {
                const value = router.current[name];
                if (value !== undefined && (name !== "age" || value in DAYS)) {
                    asked.chosen[name] = value;
                }
            }
        }
        this.state.query = String(asked.query ?? "");
        Object.assign(this.ui.chosen, asked.chosen);
        this.state.filters = this.filters;
        if (this.state.query) {
            this.searcher.ask({ live: Boolean(asked.logId), logId: asked.logId });
        }
    }
    get filters() {
        const { age, ...filters } = this.ui.chosen;
        if (age) {
            const since = luxon.DateTime.now().startOf("day").minus({ days: DAYS[age] });
            filters.since = serializeDateTime(since);
        }
        return filters;
    }
    get address() {
        const address = { q: this.state.query || undefined };
        for (const name of [...Object.keys(FACETS), "age"]) {
            address[name] = this.ui.chosen[name];
        }
        return address;
    }
    keepAddress() {
        this.props.updateActionState?.(this.address);
    }
    /** Choose a value of a facet, or no longer. */
    choose(name, value) {
        const { chosen } = this.ui;
        if (String(chosen[name]) === String(value)) {
            delete chosen[name];
        } else {
            chosen[name] = value;
        }
        return this.searcher.filter(this.filters);
    }
    chooseNone() {
        this.ui.chosen = {};
        return this.searcher.filter({});
    }

    // -- what is shown -----------------------------------------------------------------

    get answer() {
        return this.state.answer;
    }
    get chosenCount() {
        return Object.keys(this.ui.chosen).length;
    }
    get summary() {
        const { total, total_is: kind, took_ms: ms } = this.answer;
        const count = formatFloat(total, { digits: [16, 0] });
        const took = formatFloat(ms, { digits: [16, ms < 10 ? 1 : 0] });
        if (total === 1) {
            return _t("1 result in %s ms", took);
        }
        return kind === "exact"
            ? _t("%(count)s results in %(took)s ms", { count, took })
            : _t("At least %(count)s results in %(took)s ms", { count, took });
    }
    get hasMore() {
        const { results, total, total_is: kind } = this.answer;
        return results.length < total || (kind !== "exact" && results.length % PAGE === 0);
    }
    /** Facets with a choice: more than one value, or one that was chosen. */
    get facets() {
        const facets = this.answer?.facets || {};
        return Object.keys(FACETS)
            .map((name) => {
                const values = (facets[name] || []).map(([id, label, count]) => ({
                    id,
                    label: name === "language" ? languageOf(id) : label,
                    count,
                    chosen: String(this.ui.chosen[name]) === String(id),
                }));
                if (name in this.ui.chosen && !values.some((value) => value.chosen)) {
                    const id = this.ui.chosen[name];
                    values.unshift({ id, label: String(id), count: 0, chosen: true });
                }
                return { name, title: FACETS[name], values };
            })
            .filter(({ values }) => values.length > 1 || values.some((value) => value.chosen));
    }
    shown(facet) {
        return this.ui.open[facet.name] ? facet.values : facet.values.slice(0, FEW);
    }

    // -- what one does -----------------------------------------------------------------

    openOne(result) {
        this.searcher.keep().then((logId) => logId && this.tellOpened(logId, result));
        return openResult(this.action, result);
    }
    tellOpened(logId, result) {
        return this.orm.silent
            .call("steward.document", "search_opened", [result.document_id, logId])
            .catch(() => {}); // nobody waits for it
    }

    onInput(ev) {
        this.searcher.write(ev.target.value);
    }
    onFieldKey(ev) {
        if (ev.isComposing) {
            return;
        }
        if (ev.key === "Enter") {
            this.searcher.ask();
        } else if (ev.key === "Escape" && this.state.query) {
            ev.stopPropagation();
            this.searcher.write("");
        } else if (ev.key === "ArrowDown" && this.titles.length) {
            this.titles[0].focus();
        } else {
            return;
        }
        ev.preventDefault();
    }
    get titles() {
        return [...(this.list.el?.querySelectorAll(".o_steward_result_title") || [])];
    }
    onKey(ev) {
        const typing = ev.target.closest("input, textarea, select, [contenteditable]");
        if (ev.key === "/" && !typing && !ev.ctrlKey && !ev.metaKey && !ev.altKey) {
            ev.preventDefault();
            this.toField();
            return;
        }
        const titles = this.titles;
        const at = titles.findIndex((title) => title.closest("article").contains(ev.target));
        if (typing || at < 0) {
            return;
        }
        if (ev.key === "Escape") {
            ev.stopPropagation();
            this.toField();
        } else if (ev.key === "ArrowDown") {
            ev.preventDefault();
            titles[Math.min(at + 1, titles.length - 1)].focus();
        } else if (ev.key === "ArrowUp") {
            ev.preventDefault();
            at ? titles[at - 1].focus() : this.toField();
        }
    }
    toField() {
        this.field.el.focus();
        this.field.el.select();
    }
    addSource() {
        return this.action.doAction("steward_knowledge.action_source");
    }
}

registry.category("actions").add("steward.knowledge_search", SearchPage);
