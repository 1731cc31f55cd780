import { onWillUnmount, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { browser } from "@web/core/browser/browser";
import { useService } from "@web/core/utils/hooks";

export const PAUSE = 150; // ms without a key, then we ask
export const SETTLED = 1500; // ms without a key, then it was a question and is kept

/**
 * Search while somebody types: the last question wins, those before are given up, and
 * what is shown stays until there is something newer.
 *
 * @param {number} limit results at once
 * @param {(state: Object) => void} [onAsked] called when another question is asked
 */
export function useSearcher(limit, onAsked = () => {}) {
    const orm = useService("orm");
    const state = useState({
        query: "",
        filters: {},
        exact: false, // what was corrected is meant as it was written
        asked: "", // what the answer is about
        answer: undefined,
        waiting: false,
        error: "",
        logId: undefined,
    });
    let request; // that is under way
    let timer;
    let settling;
    let kept; // promise of the number under which the question is kept

    const question = (rest) =>
        orm.silent.call("steward.document", "search_page", [state.query], {
            limit,
            filters: state.filters,
            ...rest,
        });
    function stop() {
        browser.clearTimeout(timer);
        browser.clearTimeout(settling);
        request?.abort?.(false);
        request = undefined;
    }

    /** Ask after a pause. */
    function write(query) {
        state.query = query;
        state.exact = false;
        stop();
        if (!query.trim()) {
            clear();
        } else {
            state.waiting = true;
            timer = browser.setTimeout(() => ask({ live: true }), PAUSE);
        }
    }
    function clear() {
        stop();
        Object.assign(state, {
            asked: "",
            answer: undefined,
            waiting: false,
            error: "",
            logId: undefined,
        });
        kept = undefined;
        onAsked(state);
    }

    /**
     * Ask now.
     *
     * @param {number} [logId] of the same question, which is kept already
     */
    async function ask({ live = false, offset = 0, logId } = {}) {
        stop();
        if (!state.query.trim()) {
            return clear();
        }
        state.waiting = true;
        const asked = state.query;
        const mine = (request = question({ live, offset }));
        if (!offset) {
            onAsked(state);
        }
        try {
            const answer = await mine;
            if (request !== mine) {
                return;
            }
            if (offset) {
                answer.results = [...state.answer.results, ...answer.results];
            }
            Object.assign(state, { answer, asked, error: "" });
            if (!offset) {
                state.logId = answer.log_id ?? logId;
                kept = state.logId && Promise.resolve(state.logId);
            }
            if (live && !kept) {
                settling = browser.setTimeout(keep, SETTLED);
            }
        } catch (error) {
            if (request !== mine) {
                return;
            }
            state.error = error.data?.message || _t("Odoo does not answer.");
        }
        request = undefined;
        state.waiting = false;
    }

    /**
     * The question was meant: let the server remember it, once. What is shown stays.
     *
     * @returns {Promise<number | undefined>} under which number
     */
    function keep() {
        browser.clearTimeout(settling);
        if (!kept && state.answer) {
            const asked = state.asked;
            kept = question({ live: false }).then(
                (answer) => {
                    if (state.asked === asked) {
                        state.logId = answer.log_id;
                    }
                    return answer.log_id;
                },
                () => undefined // that it is not remembered hinders nobody
            );
        }
        return kept || Promise.resolve();
    }
    function more() {
        return ask({ offset: state.answer.results.length, live: true });
    }
    function filter(filters) {
        state.filters = filters;
        return ask();
    }
    /** Words that were corrected are meant as they were written: in quotes. */
    function exactly() {
        state.query = quoted(state.asked, state.answer.corrected);
        state.exact = true;
        return ask();
    }

    onWillUnmount(stop);
    return { state, write, ask, keep, more, filter, exactly, clear };
}

/** Put in quotes what was corrected. */
export function quoted(asked, corrected) {
    const words = asked.trim().split(/\s+/);
    const others = corrected.trim().split(/\s+/);
    if (words.length !== others.length) {
        return `"${asked.replaceAll('"', "")}"`;
    }
    return words
        .map((word, index) =>
            word === others[index] ? word : `"${word.replace(/^\W+|\W+$/g, "")}"`
        )
        .join(" ");
}

/** Where a result leads: to its record, or to the page where it can be read. */
export function hrefOf(result) {
    if (result.model) {
        const model = result.model.includes(".") ? result.model : `m-${result.model}`;
        return `/odoo/${model}/${result.record}`;
    }
    const passage = result.chunk_id ? `?passage=${result.chunk_id}` : "";
    return `/odoo/steward-read/${result.document_id}${passage}`;
}

/** Open what `hrefOf` leads to, without loading the page anew. */
export function openResult(action, result) {
    if (result.model) {
        return action.doAction({
            type: "ir.actions.act_window",
            res_model: result.model,
            res_id: result.record,
            views: [[false, "form"]],
        });
    }
    return action.doAction("steward_knowledge.action_read", {
        props: { resId: result.document_id, passage: result.chunk_id },
    });
}

/** Whether a click shall open a tab of its own: the browser does that. */
export function isForBrowser(ev) {
    return ev.ctrlKey || ev.metaKey || ev.shiftKey || ev.button > 0;
}

/** What people call a language: English rather than en. */
export function languageOf(code) {
    try {
        const names = new Intl.DisplayNames([luxon.Settings.defaultLocale], { type: "language" });
        return names.of(code);
    } catch {
        return code; // nobody's code
    }
}
