import { Component, xml } from "@odoo/owl";
import { beforeEach, describe, expect, test } from "@odoo/hoot";
import { click, press, queryAll, queryAllTexts, queryFirst, queryText, waitFor, waitUntil } from "@odoo/hoot-dom";
import { advanceTime, animationFrame } from "@odoo/hoot-mock";
import {
    defineMailModels,
    dragenterFiles,
    dropFiles,
    inputFiles,
    pasteFiles,
} from "@mail/../tests/mail_test_helpers";
import {
    contains,
    defineModels,
    fields,
    getService,
    makeServerError,
    MockServer,
    models,
    mountView,
    mountWithCleanup,
    onRpc,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import { waitForChannels } from "@bus/../tests/bus_test_helpers";
import { user } from "@web/core/user";
import { ChatDock } from "@steward_agent/chat/chat_service";
import { ChatSystray } from "@steward_agent/chat/chat_systray";
import { CHANGED, POLL_EVERY, TEXT } from "@steward_agent/chat/talk";

defineMailModels();

/** Any screen: the panel is drawn beside it. */
class Screen extends Component {
    static template = xml`<div/>`;
    static props = ["*"];
}

const RUN = {
    id: 7,
    trace_id: "t",
    state: "running",
    is_over: false,
    steps: 1,
    agent: "Desk",
    agent_id: 3,
    code: "desk",
    sentence: "At work.",
    wish: false,
    failed: false,
    degraded: false,
    may_speak: true,
    may_steer: true,
    may_judge: false,
    verdict: false,
    model: "gpt",
    tokens: 0,
    cost: 0,
    unpriced: 0,
};
const OVER = { state: "completed", is_over: true, may_steer: false, may_judge: true };
const person = (text) => ({ by: "person", text, place: "", sources: [] });
const agent = (text, place = "0", sources = []) => ({ by: "agent", text, place, sources });
const tool = (place, more) => ({ by: "tool", text: "count_records", place, sources: [], ...more });
const approval = (more) => ({
    id: 5,
    question: "May Desk use create_record for Contact?",
    state: "pending",
    word: "Waits",
    by: "",
    comment: "",
    can_decide: true,
    choices: [
        { word: "approve", label: "Approve" },
        { word: "refuse", label: "Refuse" },
    ],
    of: ["Rita Reviewer"],
    what: [{ name: "Azure", model: "Contact", changes: [{ label: "City", before: "Oslo", after: "Bergen" }] }],
    ...more,
});

/** What the server knows, and what it was asked. */
let told, asked, broken, found;

beforeEach(() => {
    told = { t: { run: { ...RUN }, lines: [person("How many?")], asked: [], before: [] } };
    asked = [];
    broken = undefined;
    found = [];
    onRpc("steward.agent", "to_chat_with", () => {
        if (broken) {
            throw makeServerError({ message: broken });
        }
        return {
            agents: [
                { id: 3, code: "desk", name: "Desk", description: "Answers questions." },
                { id: 4, code: "ill", name: "Ill", description: "", problem: "Otto is archived." },
                { id: 5, code: "dunner", name: "Dunner", description: "Chases invoices." },
            ],
            recent: [{ trace_id: "t", agent: "Desk", title: "How many?", state: "running", at: 0 }],
        };
    });
    onRpc("steward.agent", "discover", () => found.map((code) => ({ code })));
    onRpc("steward.agent", "can_be_told", () => ({ name: "Azure" }));
    onRpc("steward.run", "transcript", ({ args: [trace] }) => {
        asked.push(trace);
        if (broken) {
            throw makeServerError({ message: broken });
        }
        return structuredClone(told[trace]);
    });
    for (const [model, method] of [
        ["steward.agent", "execute"],
        ["steward.run", "say"],
        ["steward.run", "pause"],
        ["steward.run", "resume"],
        ["steward.run", "terminate"],
        ["steward.run", "feedback"],
        ["steward.approval", "decide"],
    ]) {
        onRpc(model, method, ({ args, kwargs }) => {
            if (broken) {
                throw makeServerError({ message: broken });
            }
            const { record, pictures } = kwargs;
            const kinds = pictures?.map(({ media_type }) => media_type);
            expect.step([
                method,
                ...args,
                ...(record ? [{ record }] : []),
                ...(kinds ? [{ kinds }] : []),
            ]);
            return { run_id: 7, trace_id: "t", state: "queued" };
        });
    }
    onRpc("steward.step", "read", () => [{ id: 9, input: '{"model": "res.partner"}', output: "7" }]);
});

async function openChat(props) {
    await mountWithCleanup(Screen);
    getService("steward_chat").open(props);
    await waitFor(".o_steward_chat_log, .o_steward_chat_list");
    await animationFrame();
}
async function openRunning() {
    await openChat({ traceId: "t" });
    await waitForChannels(["steward.run_7"]);
}
function send(type, message) {
    MockServer.env["bus.bus"]._sendone("steward.run_7", type, message);
}
async function piece(seq, text, more = {}) {
    send(TEXT, { run: 7, turn: 0, attempt: 1, seq, text, whole: false, ...more });
    await animationFrame();
    await advanceTime(20);
    await animationFrame();
}

describe("whom to chat with", () => {
    test("agents, and the last conversations", async () => {
        await openChat();
        expect(queryAllTexts(".o_steward_chat_choice .fw-bold")).toEqual(["Desk", "Ill", "Dunner"]);
        expect(".o_steward_chat_choice:eq(1)").not.toBeEnabled();
        expect(queryText(".o_steward_chat_choice:eq(1)")).toMatch(/Otto is archived/);
        await click(".o_steward_chat_recent");
        await waitFor(".o_steward_chat_person");
        expect(queryText("h2")).toBe("Desk");
    });

    test("found by what they do", async () => {
        found = ["dunner"];
        await openChat();
        await contains("input[type=search]").edit("who owes us", { confirm: false });
        await advanceTime(300);
        await animationFrame();
        expect(queryAllTexts(".o_steward_chat_choice .fw-bold")).toEqual(["Dunner"]);
        await contains("input[type=search]").edit("des", { confirm: false });
        await advanceTime(300);
        await animationFrame();
        expect(queryAllTexts(".o_steward_chat_choice .fw-bold")).toEqual(["Desk", "Dunner"]);
        await press("Enter");
        await waitFor(".o_steward_chat_hello:contains(Desk)");
    });

    test("an error is a sentence", async () => {
        broken = "Only Operators run agents.";
        await openChat();
        expect(queryText(".alert")).toBe("Only Operators run agents.");
    });
});

describe("to speak", () => {
    test("Enter sends, Shift-Enter does not, Escape closes", async () => {
        await openChat({ agent: "desk" });
        await contains("textarea").edit("How many?", { confirm: false });
        await press(["shift", "Enter"]);
        await animationFrame();
        expect.verifySteps([]);
        queryFirst("textarea").focus();
        await press("Enter");
        await waitFor(".o_steward_chat_person");
        expect.verifySteps([["execute", "desk", "How many?"]]);
        expect("textarea").toHaveValue("");
        await press("Escape");
        await animationFrame();
        expect(".o_steward_chat").toHaveCount(0);
        expect(document.body).not.toHaveClass("o_steward_chat_open");
    });

    test("about the record on the screen, unless one does not want that", async () => {
        await mountWithCleanup(Screen);
        const chat = getService("steward_chat");
        patchWithCleanup(chat, { recordBeside: () => ({ model: "res.partner", id: 12 }) });
        chat.open({ agent: "desk" });
        await waitFor(".o_steward_chat_about");
        expect(queryText(".o_steward_chat_about")).toBe("About Azure");
        await contains("textarea").edit("What of it?", { confirm: false });
        await click(".o_steward_chat_send");
        await animationFrame();
        const record = { model: "res.partner", id: 12 };
        expect.verifySteps([["execute", "desk", "What of it?", { record }]]);
        chat.open({ agent: "desk" });
        await waitFor("button.o_steward_chat_about[aria-pressed=true]");
        await click(".o_steward_chat_about");
        await contains("textarea").edit("In general?", { confirm: false });
        await click(".o_steward_chat_send");
        await animationFrame();
        expect.verifySteps([["execute", "desk", "In general?"]]);
    });

    test("what was not heard stays to be sent again", async () => {
        await openChat({ agent: "desk" });
        broken = "The budget is used up.";
        await contains("textarea").edit("How many?", { confirm: false });
        await click(".o_steward_chat_send");
        await waitFor(".alert");
        expect(queryText(".alert")).toBe("The budget is used up.");
        expect("textarea").toHaveValue("How many?");
        expect(".o_steward_chat_person").toHaveCount(0);
    });

    test("after the end another run goes on, below what was said", async () => {
        Object.assign(told.t.run, OVER);
        told.t.lines.push(agent("Seven."));
        await openChat({ traceId: "t" });
        told.t.next = "u";
        told.u = {
            run: { ...RUN, id: 8, trace_id: "u" },
            lines: [person("And now?")],
            asked: [],
            before: ["t"],
        };
        onRpc("steward.run", "say", () => ({ run_id: 8, trace_id: "u", state: "queued" }));
        await contains("textarea").edit("And now?", { confirm: false });
        await click(".o_steward_chat_send");
        await waitUntil(() => queryAll(".o_steward_chat_person").length === 2);
        await animationFrame();
        expect(queryAllTexts(".o_steward_chat_person")).toEqual(["How many?", "And now?"]);
        expect(queryText(".o_steward_chat_agent")).toBe("Seven.");
        await waitForChannels(["steward.run_8"]);
    });

    test("who may only read it, reads it", async () => {
        Object.assign(told.t.run, OVER, { may_speak: false, may_judge: false });
        await openChat({ traceId: "t" });
        expect("textarea").toHaveCount(0);
        expect(".o_steward_chat_stop").toHaveCount(0);
        expect(".o_steward_chat_judge").toHaveCount(0);
    });
});

describe("pictures", () => {
    const LOG = ".o_steward_chat_log";
    const FIELD = ".o_steward_chat textarea";

    async function drawn(width = 30, type = "image/png", name = "flag.png") {
        const canvas = document.createElement("canvas");
        Object.assign(canvas, { width, height: 10 });
        const blob = await new Promise((resolve) => canvas.toBlob(resolve, type));
        return new File([blob], name, { type });
    }
    const previews = (count) =>
        waitUntil(() => queryAll("footer .o_steward_chat_pictures img").length === count);
    const input = (files) => inputFiles("footer input[type=file]", files);

    test("chosen, pasted and dropped, taken back, and sent without a word", async () => {
        await openChat({ agent: "desk" });
        expect(".o_steward_chat_send").not.toBeEnabled();
        await input([await drawn(), await drawn(30, "image/jpeg", "photo.jpg")]);
        await previews(2);
        await pasteFiles(FIELD, [await drawn(30, "image/webp")]);
        await previews(3);
        await dragenterFiles(LOG, [await drawn()]);
        await dropFiles(".o_steward_chat_drop", [await drawn()]);
        await previews(4);
        await click("footer .o_steward_chat_remove:first");
        await previews(3);
        await click(".o_steward_chat_send");
        await animationFrame();
        const kinds = ["image/jpeg", "image/webp", "image/png"];
        expect.verifySteps([["execute", "desk", "", { kinds }]]);
        await previews(0);
    });

    test("a large one is made small before it is sent", async () => {
        let sent;
        onRpc("steward.agent", "execute", ({ kwargs }) => {
            sent = kwargs.pictures;
            return { run_id: 7, trace_id: "t", state: "queued" };
        });
        await openChat({ agent: "desk" });
        await input([await drawn(3136)]);
        await previews(1);
        await click(".o_steward_chat_send");
        await waitUntil(() => sent);
        expect(Object.keys(sent[0]).sort()).toEqual(["data", "media_type"]);
        const image = await createImageBitmap(
            await (await fetch(`data:image/png;base64,${sent[0].data}`)).blob()
        );
        expect([image.width, image.height]).toEqual([1568, 5]);
    });

    test("what is none is refused with a sentence, and no more than four", async () => {
        await openChat({ agent: "desk" });
        await input([new File(["<svg/>"], "a.svg", { type: "image/svg+xml" })]);
        await waitFor(".alert:contains(a.svg is no picture that agents see)");
        await input([new File(["MZ"], "b.png", { type: "image/png" })]);
        await waitFor(".alert:contains(b.png cannot be read)");
        expect("footer .o_steward_chat_pictures").toHaveCount(0);
        const one = await drawn();
        await input([one, one, one, one, one]);
        await waitFor(".alert:contains(At most 4 pictures)");
        expect("footer .o_steward_chat_pictures img").toHaveCount(4);
    });

    test("a copy that has words, too, is pasted as words", async () => {
        await openChat({ agent: "desk" });
        const words = new DataTransfer();
        words.items.add(await drawn());
        words.setData("text/plain", "Azure");
        const ev = new ClipboardEvent("paste", { clipboardData: words, cancelable: true });
        queryFirst(FIELD).dispatchEvent(ev);
        await animationFrame();
        expect(ev.defaultPrevented).toBe(false);
        expect("footer .o_steward_chat_pictures").toHaveCount(0);
    });

    test("what was not heard stays to be sent again", async () => {
        await openChat({ agent: "desk" });
        await input([await drawn()]);
        await previews(1);
        broken = "Picture 1 is too large.";
        await click(".o_steward_chat_send");
        await waitFor(".alert:contains(too large)");
        await previews(1);
    });

    test("an agent that does not see says why", async () => {
        told.t.run.blind = "gpt does not see pictures.";
        await openChat({ traceId: "t" });
        expect(".o_steward_chat_clip").toHaveAttribute("title", "gpt does not see pictures.");
        expect(".o_steward_chat_clip").toHaveAttribute("aria-disabled", "true");
        await click(".o_steward_chat_clip");
        await waitFor(".alert:contains(gpt does not see pictures.)");
        await pasteFiles(FIELD, [await drawn()]);
        await animationFrame();
        expect("footer .o_steward_chat_pictures").toHaveCount(0);
    });

    test("in the conversation, and large", async () => {
        told.t.lines[0].pictures = [
            { id: 31, name: "picture.png", mimetype: "image/png" },
            { id: 32, name: "picture.jpeg", mimetype: "image/jpeg" },
        ];
        await openChat({ traceId: "t" });
        // Hoot loads no image, and puts its address aside
        const sources = queryAll(`${LOG} img`).map((el) => el.dataset.src);
        expect(sources).toEqual(["/web/image/31", "/web/image/32"]);
        expect(`${LOG} .o_steward_chat_remove`).toHaveCount(0);
        await click(`${LOG} img:last`);
        await waitFor(".o-FileViewer-viewImage");
        expect(".o-FileViewer-viewImage").toHaveAttribute("data-src", "/web/image/32");
        queryFirst(`${LOG} .o_steward_chat_pictures button`).focus();
        await press("Escape");
        await animationFrame();
        expect(".o-FileViewer").toHaveCount(0);
        expect(".o_steward_chat").toHaveCount(1, { message: "one thing at a time" });
    });
});

describe("what comes", () => {
    test("text is shown as it is written, in one place", async () => {
        await openRunning();
        await piece(0, "There are **se");
        await piece(1, "ven** of");
        const el = queryFirst(".o_steward_chat_agent");
        expect(queryText(".o_steward_chat_agent")).toBe("There are seven of");
        expect(queryText(".o_steward_chat_agent strong")).toBe("seven");
        // it is told by the server now: the same place on the screen
        told.t.lines.push(agent("There are **seven** of them."));
        send(CHANGED, { id: 7 });
        await animationFrame();
        await advanceTime(400);
        await animationFrame();
        expect(queryText(".o_steward_chat_agent")).toBe("There are seven of them.");
        expect(queryFirst(".o_steward_chat_agent")).toBe(el, { message: "no flicker" });
        await piece(2, "late", { whole: true });
        expect(".o_steward_chat_agent").toHaveCount(1);
        expect(queryText(".o_steward_chat_agent")).toBe("There are seven of them.");
    });

    test("a missing piece shows, until the whole is there", async () => {
        await openRunning();
        await piece(0, "One ");
        await piece(2, "three ");
        expect(queryText(".o_steward_chat_agent")).toBe("One … three");
        await piece(1, "two "); // late: the order is known
        expect(queryText(".o_steward_chat_agent")).toBe("One … three");
        await piece(3, "One two three four", { whole: true });
        expect(queryText(".o_steward_chat_agent")).toBe("One two three four");
        await piece(0, "Anew", { attempt: 2 });
        expect(queryText(".o_steward_chat_agent")).toBe("Anew");
        await piece(0, "Another run's", { run: 8, turn: 1 });
        expect(queryText(".o_steward_chat_agent")).toBe("Anew");
    });

    test("without the bus it asks each two seconds, as long as the run goes on", async () => {
        await openChat({ traceId: "t" });
        asked = [];
        told.t.lines.push(agent("Seven."));
        await advanceTime(POLL_EVERY);
        await animationFrame();
        expect(asked).toEqual(["t"]);
        expect(queryText(".o_steward_chat_agent")).toBe("Seven.");
        Object.assign(told.t.run, OVER);
        await advanceTime(POLL_EVERY);
        await advanceTime(POLL_EVERY * 5);
        expect(asked).toEqual(["t", "t"]);
        expect(".o_steward_chat_thinking").toHaveCount(0);
    });

    test("a server that fails is asked again", async () => {
        await openChat({ traceId: "t" });
        broken = "Odoo is being updated.";
        await advanceTime(POLL_EVERY);
        await animationFrame();
        expect(queryText(".alert")).toBe("Odoo is being updated.");
        expect(".o_steward_chat_person").toHaveCount(1);
        broken = undefined;
        await advanceTime(POLL_EVERY);
        await animationFrame();
        expect(".alert").toHaveCount(0);
    });

    test("nothing of a model becomes a tag", async () => {
        told.t.lines.push(agent("<img src=x onerror=steal()> <script>steal()</script>"));
        await openChat({ traceId: "t" });
        expect(".o_steward_chat_log img, .o_steward_chat_log script").toHaveCount(0);
        expect(queryText(".o_steward_chat_agent")).toMatch(/<script>steal/);
    });

    test("sources are links", async () => {
        const sources = [
            { title: "Refunds", number: 1, url: "/odoo/refunds" },
            { title: "Azure", model: "res.partner", id: 12 },
            { title: "Bad", number: 2, url: "javascript:steal()" },
        ];
        told.t.lines.push(agent("So [1].", "0", sources));
        await openChat({ traceId: "t" });
        expect(".o_steward_cite").toHaveAttribute("href", "/odoo/refunds");
        const links = queryAll(".o_steward_chat_sources a").map((el) => el.getAttribute("href"));
        expect(links).toEqual(["/odoo/refunds", "/odoo/res.partner/12"]);
        expect(".o_steward_chat_sources span:contains(Bad)").toHaveCount(1);
    });
});

describe("tools and people", () => {
    test("a call is a line, which opens", async () => {
        told.t.lines.push(
            tool("0.0", { step: 9, status: "ok", ms: 30, problem: "" }),
            tool("0.1", { step: 10, status: "error", ms: 1, problem: "No such model" }),
            tool("0.2")
        );
        await openChat({ traceId: "t" });
        expect(".o_steward_chat_tool").toHaveCount(3);
        expect(queryText(".o_steward_chat_tool:eq(0)")).toBe("Count records\n30 ms");
        expect(".o_steward_chat_tool:eq(1) [aria-label=Failed]").toHaveCount(1);
        expect(".o_steward_chat_tool:eq(2) [aria-label='At work']").toHaveCount(1);
        await click(".o_steward_chat_tool:eq(0) button");
        await waitFor(".o_steward_chat_details pre");
        expect(queryAllTexts(".o_steward_chat_details pre")).toEqual([
            '{\n "model": "res.partner"\n}',
            "7",
        ]);
        await click(".o_steward_chat_tool:eq(1) button");
        await animationFrame();
        expect(queryText(".o_steward_chat_tool:eq(1) div.text-danger")).toBe("No such model");
        await click(".o_steward_chat_tool:eq(2) button");
        await animationFrame();
        expect(queryText(".o_steward_chat_tool:eq(2)")).toMatch(/not been called yet/);
    });

    test("who may decide, decides here", async () => {
        told.t.run.state = "waiting";
        told.t.lines.push(tool("0.0", { approval: approval() }));
        await openChat({ traceId: "t" });
        expect(queryText(".o_steward_chat_approval")).toMatch(/City: Oslo\s+Bergen/);
        await contains(".o_steward_chat_approval input").edit("Not now", { confirm: false });
        told.t.lines[1].approval = approval({ state: "refused", word: "Refused", by: "Mitchell", comment: "Not now" });
        await click(".o_steward_chat_approval .btn:contains(Refuse)");
        await waitUntil(() => !queryFirst(".o_steward_chat_approval .btn"));
        expect.verifySteps([["decide", 5, "refuse", "Not now"]]);
        expect(queryText(".o_steward_chat_approval")).toMatch(/Refused by Mitchell: Not now/);
    });

    test("who may not, sees for whom it waits", async () => {
        told.t.run.state = "waiting";
        told.t.asked.push(approval({ can_decide: false }));
        await openChat({ traceId: "t" });
        expect(".o_steward_chat_approval button").toHaveCount(0);
        expect(queryText(".o_steward_chat_approval")).toMatch(/Waits for Rita Reviewer/);
        expect(".o_steward_chat_thinking").toHaveCount(0);
    });

    test("pause, go on, stop", async () => {
        await openChat({ traceId: "t" });
        told.t.run.state = "paused";
        await click(".o_steward_chat_pause");
        await waitFor(".o_steward_chat_resume");
        told.t.run.state = "running";
        await click(".o_steward_chat_resume");
        await waitFor(".o_steward_chat_pause");
        Object.assign(told.t.run, OVER, { state: "terminated", sentence: "Stopped by a person." });
        await click(".o_steward_chat_stop");
        await waitFor(".o_steward_chat_end");
        expect.verifySteps([
            ["pause", "t"],
            ["resume", "t"],
            ["terminate", "t", "Stopped in the chat."],
        ]);
        expect(queryText(".o_steward_chat_end")).toBe("Stopped by a person.");
        expect(".o_steward_chat_stop").toHaveCount(0);
    });

    test("a failure is a sentence; figures are below", async () => {
        Object.assign(told.t.run, OVER, {
            state: "failed",
            failed: true,
            sentence: "Failed. The key was revoked.",
            tokens: 1504,
            cost: 0.0018,
            unpriced: 1,
        });
        await openChat({ traceId: "t" });
        expect(queryText(".o_steward_chat_end .alert")).toBe("Failed. The key was revoked.");
        expect(queryText(".o_steward_chat_figures")).toBe("at least $0.0018 · 1,504 tokens · gpt");
        expect(".o_steward_chat_judge").toHaveCount(0);
    });

    test("who may judge, judges", async () => {
        Object.assign(told.t.run, OVER);
        await openChat({ traceId: "t" });
        told.t.run.verdict = "approved";
        await click(".o_steward_chat_judge button:eq(0)");
        await waitFor(".o_steward_chat_judge .fa-thumbs-up");
        expect.verifySteps([["feedback", "t", "approved"]]);
        expect(".o_steward_chat_judge button:eq(0)").toHaveAttribute("aria-pressed", "true");
    });
});

describe("the form beside it", () => {
    class Garden extends models.Model {
        _name = "garden";
        name = fields.Char();
        city = fields.Char();
        _records = [
            { id: 12, name: "Azure", city: "Oslo" },
            { id: 13, name: "Deco", city: "Oslo" },
        ];
        _views = { form: `<form><field name="name"/><field name="city"/></form>` };
    }
    const change = (ids, step = 9) =>
        tool("0.0", { step, status: "ok", changed: { model: "garden", ids } });

    async function openForm() {
        defineModels([Garden]);
        await mountView({ type: "form", resModel: "garden", resId: 12 });
        await mountWithCleanup(ChatDock);
        getService("steward_chat").open({ traceId: "t" });
        await waitFor(".o_steward_chat_log");
        await animationFrame();
    }
    async function news() {
        await advanceTime(POLL_EVERY);
        await animationFrame();
        await animationFrame();
    }

    test("is shown anew when the agent has changed its record", async () => {
        await openForm();
        MockServer.env.garden.write([12, 13], { city: "Bergen" });
        told.t.lines.push(change([13]));
        await news();
        expect("[name=city] input").toHaveValue("Oslo");
        told.t.lines.push(change([12], 10));
        await news();
        expect("[name=city] input").toHaveValue("Bergen");
        // told once: what came of it meanwhile is another's doing
        MockServer.env.garden.write([12], { city: "Malmö" });
        await news();
        expect("[name=city] input").toHaveValue("Bergen");
    });

    test("keeps what its user has entered, and says so", async () => {
        await openForm();
        await contains("[name=name] input").edit("Azure Ltd");
        MockServer.env.garden.write([12], { city: "Bergen" });
        told.t.lines.push(change([12]));
        await news();
        expect("[name=name] input").toHaveValue("Azure Ltd");
        expect("[name=city] input").toHaveValue("Oslo");
        await waitFor(".o_notification:contains(Desk changed this record)");
    });
});

test("the door in the bar is there for who may run agents", async () => {
    patchWithCleanup(user, { hasGroup: async () => false });
    await mountWithCleanup(ChatSystray);
    expect(".o_steward_chat_toggle").toHaveCount(0);
    patchWithCleanup(user, { hasGroup: async (group) => group === "steward.group_operator" });
    await mountWithCleanup(ChatSystray);
    await click(".o_steward_chat_toggle");
    expect(getService("steward_chat").state.open).toBe(true);
    await click(".o_steward_chat_toggle");
    expect(getService("steward_chat").state.open).toBe(false);
});
