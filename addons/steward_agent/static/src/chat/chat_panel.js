import {
    Component,
    onMounted,
    onPatched,
    onWillDestroy,
    onWillStart,
    onWillUpdateProps,
    useEffect,
    useRef,
    useState,
} from "@odoo/owl";
import { useDropzone } from "@web/core/dropzone/dropzone_hook";
import { formatDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { formatFloat } from "@web/core/utils/numbers";
import { useAutofocus, useBus, useService } from "@web/core/utils/hooks";
import { useDebounced } from "@web/core/utils/timing";
import { formatCost, formatDuration } from "../fields/format";
import { parsed } from "../trace/copy";
import { layOut, sourceLink } from "./markdown";
import { KINDS, MOST_PICTURES, NoPicture, pictureOf, Pictures } from "./pictures";
import { RECORDS_CHANGED } from "./reload";
import { currentOf, isAtWork, sentenceOf, Talk } from "./talk";

const { DateTime } = luxon;

const NEAR = 60; // px from the end at which what comes new is followed
const MOST_HEIGHT = 160; // px of what is being written
const SEEK_AFTER = 250; // ms without a key
const FOUND = 20; // agents that are found by what they do

// the same colour and icon for the same meaning everywhere; never colour alone
const STATES = {
    queued: { icon: "fa-clock-o", color: "text-info" },
    running: { icon: "fa-cog fa-spin", color: "text-info" },
    waiting: { icon: "fa-hand-paper-o", color: "text-warning" },
    paused: { icon: "fa-pause", color: "text-warning" },
    completed: { icon: "fa-check", color: "text-success" },
    failed: { icon: "fa-times-circle", color: "text-danger" },
    lost: { icon: "fa-question-circle", color: "text-danger" },
    timed_out: { icon: "fa-clock-o", color: "text-danger" },
    terminated: { icon: "fa-ban", color: "text-muted" },
    cancelled: { icon: "fa-ban", color: "text-muted" },
};

function pretty(text) {
    const value = parsed(text);
    return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** One use of a tool: a line, which opens. */
export class ToolLine extends Component {
    static template = "steward_agent.ToolLine";
    static props = { line: Object, over: Boolean };

    setup() {
        this.orm = useService("orm");
        this.state = useState({ open: false, details: undefined, error: "" });
        onWillUpdateProps(({ line }) => {
            if (line.step !== this.props.line.step) {
                this.state.details = undefined;
                return this.state.open && this.load(line);
            }
        });
    }

    get look() {
        const { line, over } = this.props;
        if (line.status === "ok") {
            return { icon: "fa-check text-success", word: _t("Done") };
        }
        if (line.status) {
            return { icon: "fa-times-circle text-danger", word: _t("Failed") };
        }
        if (line.approval?.state === "pending") {
            return { icon: "fa-hand-paper-o text-warning", word: _t("Waits for approval") };
        }
        return over
            ? { icon: "fa-minus text-muted", word: _t("Not done") }
            : { icon: "fa-cog fa-spin text-info", word: _t("At work") };
    }
    /** "count_records" in words. */
    get name() {
        const words = this.props.line.text.replaceAll("_", " ");
        return words.charAt(0).toUpperCase() + words.slice(1);
    }
    get time() {
        const { ms } = this.props.line;
        return ms === undefined ? "" : formatDuration(ms);
    }
    get contents() {
        const { input = false, output = false } = this.state.details || {};
        return [
            [_t("With"), input],
            [_t("Result"), output],
        ]
            .filter(([, text]) => text !== false && text !== "")
            .map(([title, text]) => ({ title, text: pretty(text) }));
    }

    async toggle() {
        this.state.open = !this.state.open;
        if (this.state.open && !this.state.details) {
            await this.load(this.props.line);
        }
    }
    async load({ step }) {
        if (!step) {
            return;
        }
        this.state.error = "";
        try {
            const fields = ["input", "output"];
            const [details] = await this.orm.silent.read("steward.step", [step], fields);
            this.state.details = details;
            this.state.error = details ? "" : _t("This step is not kept any longer.");
        } catch (error) {
            this.state.error = sentenceOf(error);
        }
    }
}

/** A question to people, answered here by who may. */
export class ChatApproval extends Component {
    static template = "steward_agent.ChatApproval";
    static props = { approval: Object, decide: Function };

    setup() {
        this.state = useState({ busy: false, reason: "" });
    }

    get waitsFor() {
        const { of } = this.props.approval;
        return of.length ? _t("Waits for %s", of.join(", ")) : _t("Waits for a Reviewer");
    }
    get decided() {
        const { by, word, comment } = this.props.approval;
        const said = by ? _t("%(word)s by %(person)s", { word, person: by }) : word;
        return comment ? `${said}: ${comment}` : said;
    }
    icon(word) {
        return { approve: "fa-check", refuse: "fa-times" }[word] || "";
    }
    async decide(word) {
        this.state.busy = true;
        await this.props.decide(this.props.approval.id, word, this.state.reason.trim());
        this.state.busy = false;
    }
}

/** What a model wrote, laid out, with what it refers to. */
export class Words extends Component {
    static template = "steward_agent.Words";
    static props = { text: String, sources: { type: Array, optional: true } };
    static defaultProps = { sources: [] };

    get html() {
        return layOut(this.props.text, this.props.sources);
    }
    get links() {
        return this.props.sources.map((source) => ({
            ...source,
            ...(sourceLink(source) || { href: "" }),
            title: source.number ? `[${source.number}] ${source.title}` : source.title,
        }));
    }
}

/** The chat at the side of the screen: whom to chat with, and the conversation. */
export class ChatPanel extends Component {
    static template = "steward_agent.ChatPanel";
    static components = { ToolLine, ChatApproval, Words, Pictures };
    static props = {
        agent: { type: String, optional: true }, // to begin with; its code
        traceId: { type: String, optional: true }, // to go on with
        close: Function,
    };

    setup() {
        this.orm = useService("orm");
        this.bus = useService("bus_service");
        this.action = useService("action");
        this.chat = useService("steward_chat");
        this.money = formatCost;
        this.kinds = KINDS.join();
        this.scroller = useRef("scroller");
        this.files = useRef("files");
        this.field = useAutofocus({ refName: "field", mobile: false });
        this.state = useState({
            home: null, // who there is to chat with
            agent: null, // the one chosen
            talk: null, // the conversation's state
            text: "",
            pictures: [], // to be sent with it
            seek: "",
            found: null, // codes of the agents that were found, the best first
            record: null, // that lies beside: {model, id, name} or {reason}
            about: true, // ask about it
            error: "",
        });
        this.follow = true;
        this.seek = useDebounced(() => this.findAgents(), SEEK_AFTER);
        onWillStart(() => this.show(this.props));
        onWillUpdateProps((props) => this.show(props));
        onWillDestroy(() => this.talk?.end());
        useDropzone(
            useRef("root"),
            (ev) => this.addPictures(ev.dataTransfer.files),
            "o_steward_chat_drop",
            () => Boolean(this.state.talk && this.maySpeak)
        );
        useBus(this.env.bus, "ACTION_MANAGER:UI-UPDATED", () => this.lookBeside());
        onMounted(() => this.toEnd());
        onPatched(() => this.follow && this.toEnd());
        useEffect(
            (el) => el && this.grow(el),
            () => [this.field.el, this.state.text]
        );
    }

    // -- where we are -----------------------------------------------------------------

    async show({ agent, traceId }) {
        this.leave();
        if (traceId) {
            this.begin();
            await this.talk.open(traceId);
            return;
        }
        await this.toHome();
        const chosen = this.state.home?.agents.find(({ code }) => code === agent);
        if (chosen) {
            this.choose(chosen);
        }
    }
    leave() {
        this.talk?.end();
        this.talk = undefined;
        this.follow = true;
        Object.assign(this.state, { talk: null, agent: null, text: "", error: "" });
        this.state.pictures = [];
    }
    begin() {
        this.talk = new Talk({ orm: this.orm, bus_service: this.bus }, (change) =>
            this.env.bus.trigger(RECORDS_CHANGED, change)
        );
        this.state.talk = this.talk.state;
    }
    async toHome() {
        this.leave();
        Object.assign(this.state, { seek: "", found: null });
        try {
            this.state.home = await this.orm.silent.call("steward.agent", "to_chat_with");
        } catch (error) {
            this.state.error = sentenceOf(error);
        }
    }
    choose(agent) {
        this.leave();
        this.state.agent = agent;
        this.begin();
        return this.lookBeside();
    }
    openTalk(traceId) {
        this.leave();
        this.begin();
        return this.talk.open(traceId);
    }
    /** Whether the agent can be asked about the record on the screen. */
    async lookBeside() {
        const { agent, talk } = this.state;
        const beside = this.chat.recordBeside();
        if (!agent || talk?.parts.length || !beside) {
            this.state.record = null;
            return;
        }
        const known = this.state.record;
        if (known?.id === beside.id && known.model === beside.model) {
            return;
        }
        try {
            const told = await this.orm.silent.call("steward.agent", "can_be_told", [
                agent.code,
                beside,
            ]);
            this.state.record = { ...beside, ...told };
        } catch (error) {
            this.state.record = { ...beside, reason: sentenceOf(error) };
        }
    }

    // -- what is seen -----------------------------------------------------------------

    get run() {
        return this.state.talk && currentOf(this.state.talk)?.run;
    }
    get title() {
        return this.run?.agent || this.state.agent?.name || _t("Chat");
    }
    get look() {
        return STATES[this.run.state];
    }
    stateIcon(state) {
        const { icon, color } = STATES[state];
        return `${icon} ${color}`;
    }
    get agents() {
        const { home, found, seek } = this.state;
        const wanted = seek.trim().toLowerCase();
        const agents = home?.agents || [];
        if (!wanted) {
            return agents;
        }
        const places = new Map((found || []).map((code, place) => [code, place]));
        const isNamed = ({ name }) => name.toLowerCase().includes(wanted);
        return agents
            .filter((agent) => isNamed(agent) || places.has(agent.code))
            .sort(
                (a, b) =>
                    isNamed(b) - isNamed(a) ||
                    (places.get(a.code) ?? FOUND) - (places.get(b.code) ?? FOUND)
            );
    }
    /** All that is said and done, from the first to what is being written. */
    get items() {
        const { parts, live, pending, traceId } = this.state.talk;
        const items = [];
        for (const { run, lines, asked } of parts) {
            const counts = {};
            const own = [];
            for (const line of lines) {
                const name = line.place ? `${line.by}${line.place}` : `${line.by}/${line.step || ""}`;
                counts[name] = (counts[name] || 0) + 1;
                own.push({ ...line, key: `${run.trace_id}/${name}/${counts[name]}`, run });
            }
            for (const approval of asked) {
                own.push({ by: "question", approval, key: `question/${approval.id}`, run });
            }
            if (live && run.trace_id === traceId) {
                const key = `${run.trace_id}/agent${live.turn}/1`;
                own.push({ by: "agent", text: live.text, key, run, writing: true });
            }
            if (run.is_over) {
                own.push({ by: "end", key: `${run.trace_id}/end`, run });
            }
            items.push(...own);
        }
        pending.forEach((said, at) => items.push({ by: "person", ...said, key: `pending/${at}` }));
        return items;
    }
    get isThinking() {
        const { live, parts } = this.state.talk;
        const last = parts.at(-1)?.lines.at(-1);
        const atTool = last?.by === "tool" && !last.status;
        return isAtWork(this.state.talk) && !live && !atTool && !this.isHeld;
    }
    get isHeld() {
        return ["waiting", "paused"].includes(this.run?.state);
    }
    get maySpeak() {
        return !this.run || this.run.may_speak;
    }
    /** Why no picture can be shown, if so. */
    get blind() {
        return (this.run || this.state.agent)?.blind;
    }
    get clipTitle() {
        return this.blind || _t("Add pictures: choose, paste or drop them");
    }
    get hasSaid() {
        return Boolean(this.state.text.trim() || this.state.pictures.length);
    }
    get figures() {
        const runs = this.state.talk.parts.map(({ run }) => run);
        const sum = (name) => runs.reduce((total, run) => total + (run[name] || 0), 0);
        const tokens = sum("tokens");
        if (!tokens) {
            return [];
        }
        return [
            this.money(sum("cost"), sum("unpriced")),
            _t("%s tokens", formatFloat(tokens, { digits: [16, 0] })),
            this.run?.model,
        ].filter(Boolean);
    }
    when(ms) {
        return formatDateTime(DateTime.fromMillis(ms));
    }

    // -- the field --------------------------------------------------------------------

    grow(el) {
        el.style.height = "auto";
        el.style.height = `${Math.min(el.scrollHeight, MOST_HEIGHT)}px`;
    }
    /** @param {KeyboardEvent} ev */
    onKeyInField(ev) {
        if (ev.key === "Enter" && !ev.shiftKey && !ev.isComposing) {
            ev.preventDefault();
            this.send();
        }
    }
    /** @param {KeyboardEvent} ev */
    onKey(ev) {
        if (ev.key === "Escape" && !ev.isComposing) {
            ev.stopPropagation();
            this.props.close();
        }
    }
    async send() {
        const text = this.state.text.trim();
        if (!this.hasSaid || this.state.talk.busy || !this.maySpeak) {
            return;
        }
        const { record, about, agent, pictures } = this.state;
        const wanted = about && record && !record.reason;
        Object.assign(this.state, { text: "", pictures: [] });
        this.follow = true;
        const heard = await this.talk.say(text, {
            agent: agent?.code,
            record: wanted && { model: record.model, id: record.id },
            pictures,
        });
        if (!heard && !this.hasSaid) {
            Object.assign(this.state, { text, pictures }); // to be tried again
        }
    }

    // -- pictures ---------------------------------------------------------------------

    onClip() {
        if (this.blind) {
            this.state.talk.error = this.blind; // who cannot hover reads it here
        } else {
            this.files.el.click();
        }
    }
    async onFiles(ev) {
        await this.addPictures(ev.target.files);
        ev.target.value = ""; // so that the same file can be chosen again
    }
    /** @param {ClipboardEvent} ev */
    onPaste(ev) {
        const { files, types } = ev.clipboardData;
        // what an office copies is text with a picture of it: the text is meant
        if (files.length && !types.includes("text/plain")) {
            ev.preventDefault();
            return this.addPictures(files);
        }
    }
    async addPictures(files) {
        const { talk } = this;
        talk.state.error = this.blind || "";
        for (const file of this.blind ? [] : [...files]) {
            const problem = await this.addPicture(file, talk);
            if (problem) {
                talk.state.error = problem;
            }
        }
    }
    /** @returns {Promise<string | undefined>} why it cannot be added */
    async addPicture(file, talk) {
        try {
            const picture = await pictureOf(file);
            if (talk !== this.talk) {
                return; // another conversation is on the screen by now
            }
            if (this.state.pictures.length >= MOST_PICTURES) {
                return _t("At most %s pictures can be sent at a time.", MOST_PICTURES);
            }
            this.state.pictures.push(picture);
        } catch (error) {
            if (error instanceof NoPicture) {
                return error.message;
            }
            throw error;
        }
    }
    onSeek(ev) {
        this.state.seek = ev.target.value;
        this.seek();
    }
    async findAgents() {
        const task = this.state.seek.trim();
        if (!task) {
            this.state.found = null;
            return;
        }
        try {
            const found = await this.orm.silent.call("steward.agent", "discover", [task], {
                limit: FOUND,
            });
            this.state.found = found.map(({ code }) => code);
        } catch {
            this.state.found = null; // then by name alone
        }
    }
    onKeyInSeek(ev) {
        const [first] = this.agents;
        if (ev.key === "Enter" && first && !first.problem) {
            this.choose(first);
        }
    }

    // -- the rest ---------------------------------------------------------------------

    onScroll() {
        const el = this.scroller.el;
        this.follow = el.scrollHeight - el.scrollTop - el.clientHeight < NEAR;
    }
    toEnd() {
        const el = this.scroller.el;
        if (el && this.state.talk) {
            el.scrollTop = el.scrollHeight;
        }
    }
    anew() {
        const { run } = this;
        const agent = this.state.agent || { code: run.code, name: run.agent, blind: run.blind };
        return this.choose(agent);
    }
    openRun(run = this.run) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "steward.run",
            res_id: run.id,
            views: [[false, "form"]],
        });
    }
    openAbout({ model, id }) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: model,
            res_id: id,
            views: [[false, "form"]],
        });
    }
}
