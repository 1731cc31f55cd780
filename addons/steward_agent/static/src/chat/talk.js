import { reactive } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { _t } from "@web/core/l10n/translation";

export const CHANGED = "steward.run"; // the bus's messages, as on the server
export const TEXT = "steward.run/text";
export const POLL_EVERY = 2_000; // ms, while a run goes on: no message is not no news
const PAUSE = 150; // ms between two questions at least

/**
 * @typedef {Object} Part one run of a conversation, as `steward.run.transcript` tells it
 * @property {Object} run
 * @property {Object[]} lines
 * @property {Object[]} asked approvals that stand at no line
 */

/** What a server's error says to people. */
export function sentenceOf(error) {
    return error?.data?.message || _t("Odoo does not answer.");
}

/** @returns {Part | undefined} the run that answers */
export function currentOf({ parts, traceId }) {
    return parts.find((part) => part.run.trace_id === traceId);
}
/** Whether somebody is about to answer. */
export function isAtWork(state) {
    return state.busy || Boolean(state.traceId && !currentOf(state)?.run.is_over);
}

/**
 * A conversation, kept up to date: from the bus as it comes, and by asking every two
 * seconds while somebody is at work.
 */
export class Talk {
    /**
     * @param {Object} services `orm` and `bus_service`
     * @param {(change: {agent: string, model: string, ids: number[]}) => void} [onChange]
     *     called when the agent has changed records
     */
    constructor({ orm, bus_service }, onChange = () => {}) {
        this.orm = orm;
        this.bus = bus_service;
        this.onChange = onChange;
        this.told = new Set(); // steps whose changes were told
        this.state = reactive({
            traceId: "", // of the run that answers
            /** @type {Part[]} */
            parts: [],
            live: null, // what the model is writing: {turn, attempt, seq, text}
            pending: [], // what was said and is on its way: {text, pictures}
            busy: false,
            error: "",
        });
        this.runId = 0;
        this.alive = true;
        this.onNews = this.onNews.bind(this);
        this.onText = this.onText.bind(this);
        this.onSeen = this.onSeen.bind(this);
        this.bus.subscribe(CHANGED, this.onNews);
        this.bus.subscribe(TEXT, this.onText);
        document.addEventListener("visibilitychange", this.onSeen);
    }

    /** Stop listening. */
    end() {
        this.alive = false;
        browser.clearTimeout(this.timer);
        this.bus.unsubscribe(CHANGED, this.onNews);
        this.bus.unsubscribe(TEXT, this.onText);
        document.removeEventListener("visibilitychange", this.onSeen);
        this.listenTo(0);
    }

    // -- what is there ---------------------------------------------------------------

    /** Show a conversation: its latest run, and those before. */
    async open(traceId, runId = 0) {
        this.state.traceId = traceId;
        this.state.live = null;
        this.listenTo(runId);
        await this.load();
    }

    async load() {
        if (this.loading || !this.state.traceId) {
            this.again = Boolean(this.state.traceId);
            return;
        }
        this.loading = true;
        this.again = false;
        browser.clearTimeout(this.timer);
        this.dueAt = Infinity;
        try {
            await this.loadNew();
        } catch (error) {
            this.state.error = sentenceOf(error);
        } finally {
            this.loading = false;
            if (this.alive && (this.again || isAtWork(this.state))) {
                this.plan(this.again ? PAUSE : POLL_EVERY);
            }
        }
    }

    async loadNew() {
        const asked = this.state.traceId;
        const told = await this.ask(asked);
        if (!this.alive || asked !== this.state.traceId) {
            return;
        }
        this.listenTo(told.run.id);
        const known = new Map(this.state.parts.map((part) => [part.run.trace_id, part]));
        const missing = told.before.filter((trace) => !known.has(trace));
        for (const part of await Promise.all(missing.map((trace) => this.ask(trace)))) {
            known.set(part.run.trace_id, part);
        }
        if (!this.alive) {
            return;
        }
        known.set(asked, told);
        const parts = [...told.before, asked].map((trace) => known.get(trace));
        // what was said after the server was asked is still on its way
        const pending = this.state.busy ? this.state.pending : [];
        Object.assign(this.state, { parts, error: "", pending });
        this.settleLive(told);
        this.tellChanges(told);
        if (told.next) {
            this.state.traceId = told.next;
            this.state.live = null;
            await this.loadNew();
        }
    }

    ask(traceId) {
        return this.orm.silent.call("steward.run", "transcript", [traceId]);
    }

    /** What a model wrote is shown by the transcript from now on. */
    settleLive({ run, lines }) {
        const { live } = this.state;
        const isTold = (line) => line.by === "agent" && line.place === String(live.turn);
        if (live && (run.is_over || lines.some(isTold))) {
            this.state.live = null;
        }
    }

    /** Each change of records is told once. */
    tellChanges({ run, lines }) {
        for (const { step, changed } of lines) {
            if (changed && !this.told.has(step)) {
                this.told.add(step);
                this.onChange({ agent: run.agent, ...changed });
            }
        }
    }

    // -- news ------------------------------------------------------------------------

    listenTo(runId) {
        if (runId === this.runId) {
            return;
        }
        if (this.runId) {
            this.bus.deleteChannel(`steward.run_${this.runId}`);
        }
        this.runId = runId;
        if (runId) {
            this.bus.addChannel(`steward.run_${runId}`);
        }
    }
    onNews({ id }) {
        if (id === this.runId && id) {
            this.again = true;
            if (!this.loading) {
                this.plan(PAUSE);
            }
        }
    }
    onText({ run, turn, attempt, seq, text, whole }) {
        if (run !== this.runId || !run) {
            return;
        }
        const { live } = this.state;
        const isSame = live && live.turn === turn && live.attempt === attempt;
        const isOld = live && (live.turn > turn || (isSame && live.seq >= seq));
        const isTold = currentOf(this.state)?.lines.some(
            (line) => line.by === "agent" && Number(line.place) >= turn && line.place !== ""
        );
        if (isOld || isTold) {
            return;
        }
        if (whole) {
            this.state.live = { turn, attempt, seq, text };
        } else {
            const before = isSame ? live.text : "";
            // a piece is missing: the whole follows at the end
            const gap = seq === (isSame ? live.seq + 1 : 0) ? "" : "… ";
            this.state.live = { turn, attempt, seq, text: before + gap + text };
        }
    }
    onSeen() {
        if (document.visibilityState !== "hidden" && this.again) {
            this.load();
        }
    }
    /** Look after a while, or earlier if that is planned: news do not put it off. */
    plan(wait) {
        const at = Date.now() + wait;
        if (this.alive && at < (this.dueAt ?? Infinity)) {
            browser.clearTimeout(this.timer);
            this.dueAt = at;
            this.timer = browser.setTimeout(() => {
                this.dueAt = Infinity;
                if (document.visibilityState === "hidden") {
                    this.again = true;
                } else {
                    this.load();
                }
            }, wait);
        }
    }

    // -- what people do ----------------------------------------------------------------

    /**
     * Say something: to the run that is at work, after one that has ended, or first.
     *
     * @param {string} text
     * @param {{agent: string, record?: Object, pictures?: Object[]}} about the agent and
     *     the record for the first words; what to look at
     * @returns {Promise<boolean>} whether it was heard
     */
    async say(text, { agent, record, pictures = [] }) {
        if (this.state.busy) {
            return false;
        }
        Object.assign(this.state, { busy: true, error: "", pending: [{ text, pictures }] });
        const shown = pictures.length && {
            pictures: pictures.map(({ media_type, data }) => ({ media_type, data })),
        };
        let answer;
        try {
            answer = this.state.traceId
                ? await this.orm.silent.call("steward.run", "say", [this.state.traceId, text], {
                      ...shown,
                  })
                : await this.orm.silent.call("steward.agent", "execute", [agent, text], {
                      ...(record && { record }),
                      ...shown,
                  });
        } catch (error) {
            Object.assign(this.state, {
                busy: false,
                pending: [],
                error: sentenceOf(error),
            });
            return false;
        }
        this.state.busy = false;
        if (this.alive) {
            if (answer.trace_id === this.state.traceId) {
                await this.load();
            } else {
                await this.open(answer.trace_id, answer.run_id);
            }
        }
        return true;
    }

    /** Ask something of the server about this conversation, then look how it stands. */
    async act(model, method, args) {
        try {
            await this.orm.silent.call(model, method, args);
            this.state.error = "";
            await this.load();
        } catch (error) {
            this.state.error = sentenceOf(error);
        }
    }
    pause() {
        return this.act("steward.run", "pause", [this.state.traceId]);
    }
    resume() {
        return this.act("steward.run", "resume", [this.state.traceId]);
    }
    stop() {
        return this.act("steward.run", "terminate", [this.state.traceId, _t("Stopped in the chat.")]);
    }
    async judge(traceId, verdict) {
        await this.act("steward.run", "feedback", [traceId, verdict]);
        const part = await this.ask(traceId);
        this.state.parts = this.state.parts.map((one) =>
            one.run.trace_id === traceId ? part : one
        );
    }
    decide(id, decision, reason) {
        return this.act("steward.approval", "decide", [id, decision, reason]);
    }
}
