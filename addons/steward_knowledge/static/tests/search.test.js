import { beforeEach, describe, expect, test } from "@odoo/hoot";
import { click, edit, fill, press, queryAllTexts, queryFirst, queryText, waitFor } from "@odoo/hoot-dom";
import { advanceTime, animationFrame, Deferred, mockDate } from "@odoo/hoot-mock";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import {
    getService,
    makeServerError,
    mountWithCleanup,
    onRpc,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import { router } from "@web/core/browser/router";
import { WebClient } from "@web/webclient/webclient";
import { piecesOf } from "@steward_knowledge/search/passage";
import { PAUSE, quoted, SETTLED } from "@steward_knowledge/search/searcher";
import { SearchPage } from "@steward_knowledge/search/search_page";
import { QuickSearch } from "@steward_knowledge/search/quick_search";

defineMailModels();

const EVIL = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
const RESULT = {
    document_id: 7,
    chunk_id: 70,
    title: "Refunds",
    path: "Refunds › Pay back",
    text: `Pay back what was paid ${EVIL}`,
    highlights: [[0, 3]],
    score: 0.8,
    source: "Handbook",
    source_id: 3,
    version: "19.0",
    language: "en",
    date: "2026-03-01 10:00:00",
    url: "https://docs.example.com/refunds",
    why: { words: { text: ["pay"] }, word_score: 2.5, exact: 0, authority: 1, freshness: 1.1 },
};
const RECORD = { ...RESULT, document_id: 8, title: "Pat", url: undefined, model: "res.partner", record: 5 };

/** What the server answers, and what it was asked. */
let answer, asked, told, addresses;

beforeEach(() => {
    mockDate("2026-03-04 12:30:00");
    asked = [];
    told = [];
    addresses = [];
    answer = () => ({
        results: [RESULT, RECORD],
        total: 2,
        total_is: "exact",
        took_ms: 4.2,
        facets: { source: [[3, "Handbook", 5], [4, "Forum", 2]], version: [["19.0", "19.0", 7]] },
    });
    onRpc("steward.document", "search_page", async ({ args: [query], kwargs }) => {
        const { live, offset, filters } = kwargs;
        asked.push({ query, live: Boolean(live), ...(offset && { offset }), filters });
        const given = await answer(query, kwargs);
        return JSON.parse(JSON.stringify({ ...given, ...(!live && { log_id: 99 }) }));
    });
    for (const method of ["judge", "search_opened", "related"]) {
        onRpc("steward.document", method, ({ args }) => {
            told.push([method, ...args]);
            return method === "related"
                ? [{ document_id: 9, title: "Credit notes", source: "Handbook" }]
                : true;
        });
    }
});

async function openAction(tag, props = {}) {
    await mountWithCleanup(WebClient);
    const action = { type: "ir.actions.client", tag, name: "Knowledge" };
    await getService("action").doAction(action, { props });
    await animationFrame();
}
async function openPage() {
    patchWithCleanup(SearchPage.prototype, {
        keepAddress() {
            super.keepAddress();
            addresses.push(JSON.parse(JSON.stringify(this.address)));
        },
    });
    await openAction("steward.knowledge_search");
}
async function write(words) {
    await click(".o_steward_field input");
    await edit(words, { confirm: false });
}
async function search(words) {
    await write(words);
    await advanceTime(PAUSE);
    await animationFrame();
    await animationFrame();
}
const questions = () => asked.map(({ query, live }) => (live ? query : `${query}!`));

describe("passages", () => {
    test("are cut around what was found, without signs of Markdown", () => {
        const text = `# Title\n\n${"before ".repeat(100)}**found** [here](http://a.b) ${"after ".repeat(100)}`;
        const at = text.indexOf("found");
        const pieces = piecesOf(text, [[at, at + 5]]);
        const shown = pieces.map((piece) => piece.text).join("");
        expect(pieces.filter((piece) => piece.found).map((piece) => piece.text)).toEqual(["found"]);
        expect(shown).toMatch(/^… before/);
        expect(shown).toMatch(/found here after/);
        expect(shown).toMatch(/after …$/);
        expect(shown.length).toBeLessThan(360);
    });
    test("short ones stay whole", () => {
        expect(piecesOf("a `b` c")).toEqual([{ text: "a b c", found: false }]);
        expect(piecesOf("")).toEqual([]);
    });
    test("highlights beyond the text do no harm", () => {
        expect(piecesOf("abc", [[-5, 2], [2, 50]])).toEqual([{ text: "abc", found: true }]);
    });
});

describe("search page", () => {
    test("the field has the focus; one asks while typing, and only the last answer counts", async () => {
        await openPage();
        expect(".o_steward_field input").toBeFocused();
        const slow = new Deferred();
        const usual = answer;
        answer = (query) =>
            query === "re" ? slow.then(() => ({ ...usual(), results: [] })) : usual();
        await search("re");
        await search("refund");
        expect(questions()).toEqual(["re", "refund"]);
        expect(queryAllTexts(".o_steward_result_title")).toEqual(["Refunds", "Pat"]);
        slow.resolve();
        await animationFrame();
        expect(queryAllTexts(".o_steward_result_title")).toEqual(["Refunds", "Pat"]);
    });

    test("keys within the pause ask once", async () => {
        await openPage();
        await write("r");
        await advanceTime(PAUSE - 50);
        await write("re");
        await advanceTime(PAUSE - 50);
        expect(questions()).toEqual([]);
        await advanceTime(50);
        expect(questions()).toEqual(["re"]);
    });

    test("a question is kept once it was meant", async () => {
        await openPage();
        await search("refund");
        await advanceTime(SETTLED);
        await animationFrame();
        expect(questions()).toEqual(["refund", "refund!"]);
        await click(".o_steward_verdict button:first");
        await animationFrame();
        expect(questions()).toEqual(["refund", "refund!"]);
        expect(told).toEqual([["judge", 99, 7, true]]);
        expect(".o_steward_thanks").toHaveCount(1);
    });

    test("whoever judges at once has meant it", async () => {
        await openPage();
        await search("refund");
        await click(".o_steward_verdict button:eq(1)");
        await animationFrame();
        expect(questions()).toEqual(["refund", "refund!"]);
        expect(told).toEqual([["judge", 99, 7, false]]);
    });

    test("what was written by others is text", async () => {
        await openPage();
        await search("pay");
        expect(queryText(".o_steward_result_passage:first")).toInclude(EVIL);
        expect(".o_steward_result img, .o_steward_result script").toHaveCount(0);
        expect(queryAllTexts(".o_steward_found:first")).toEqual(["Pay"]);
    });

    test("source, version, language and date; original and record", async () => {
        await openPage();
        await search("pay");
        expect(queryAllTexts(".o_steward_result:first .o_steward_badge")).toEqual([
            "Handbook",
            "19.0",
            "English",
        ]);
        expect(".o_steward_result:first .o_steward_result_original").toHaveAttribute("rel", /noopener/);
        expect(".o_steward_result:first .o_steward_result_title").toHaveAttribute(
            "href",
            "/odoo/steward-read/7?passage=70"
        );
        expect(".o_steward_result:last .o_steward_result_title").toHaveAttribute(
            "href",
            "/odoo/res.partner/5"
        );
        expect(".o_steward_result:last .o_steward_result_original").toHaveCount(0);
        expect(queryText(".o_steward_result_path:first")).toBe("Pay back");
    });

    test("why a result is there, and what is about the same", async () => {
        await openPage();
        await search("pay");
        await click(".o_steward_why:first");
        await click(".o_steward_related:first");
        await animationFrame();
        expect(queryAllTexts(".o_steward_reasons dt")).toEqual([
            "Words in the passage",
            "How well the passage's words fit",
            "How new it is",
            "Score in all",
        ]);
        expect(queryAllTexts(".o_steward_related_list a")).toEqual(["Credit notes"]);
    });

    test("facets filter, and stay in the address", async () => {
        await openPage();
        await search("pay");
        // a facet with one value is no choice
        expect(queryAllTexts(".o_steward_chip[data-facet=version]")).toEqual([]);
        expect(queryAllTexts(".o_steward_chip[data-facet=source]")).toEqual(["Handbook5", "Forum2"]);
        expect(addresses.at(-1)).toEqual({ q: "pay" });
        await click(".o_steward_chip[data-facet=source]:eq(1)");
        await animationFrame();
        expect(asked.at(-1).filters).toEqual({ source: 4 });
        expect(addresses.at(-1)).toEqual({ q: "pay", source: 4 });
        await click(".o_steward_chip[data-facet=age]:first");
        await animationFrame();
        expect(asked.at(-1).filters.source).toBe(4);
        expect(asked.at(-1).filters.since).toMatch(/^2026-02-2/);
        expect(addresses.at(-1)).toEqual({ q: "pay", source: 4, age: "week" });
    });

    test("the address is understood", async () => {
        patchWithCleanup(router, { current: { q: "pay", version: "19.0", age: "never" } });
        await openPage();
        await animationFrame();
        expect(asked).toEqual([{ query: "pay", live: false, filters: { version: "19.0" } }]);
        expect(".o_steward_field input").toHaveValue("pay");
    });

    test("arrows, Enter and Escape", async () => {
        await openPage();
        patchWithCleanup(getService("action"), {
            doAction: (action, options) => expect.step([action, options?.props]),
        });
        await search("pay");
        await press("ArrowDown");
        expect(".o_steward_result_title:first").toBeFocused();
        await press("ArrowDown");
        expect(".o_steward_result_title:last").toBeFocused();
        await press("ArrowUp");
        await press("Enter");
        await animationFrame();
        expect.verifySteps([["steward_knowledge.action_read", { resId: 7, passage: 70 }]]);
        await animationFrame();
        expect(told).toEqual([["search_opened", 7, 99]]);
        await press("Escape");
        expect(".o_steward_field input").toBeFocused();
        await press("Escape");
        await animationFrame();
        expect(".o_steward_field input").toHaveValue("");
        expect(".o_steward_result").toHaveCount(0);
        expect(".o_steward_welcome").toHaveCount(1);
        expect(addresses.at(-1)).toEqual({});
    });

    test("slash leads to the field", async () => {
        await openPage();
        await search("pay");
        await press("ArrowDown");
        await press("/");
        expect(".o_steward_field input").toBeFocused();
        expect(".o_steward_field input").toHaveValue("pay");
    });

    test("a correction is told, and what was written is one click away", async () => {
        answer = () => ({ results: [RESULT], total: 1, total_is: "exact", took_ms: 1, corrected: "pay invoice" });
        await openPage();
        await search("pay invioce");
        expect(queryText(".o_steward_corrected strong")).toBe("pay invoice");
        await click(".o_steward_corrected button");
        await animationFrame();
        expect(asked.at(-1).query).toBe('pay "invioce"');
        expect(".o_steward_corrected").toHaveCount(0);
        expect(quoted("a bc", "a b c")).toBe('"a bc"');
    });

    test("nothing: why, and what to do", async () => {
        onRpc("has_group", () => false);
        answer = () => ({ results: [], total: 0, total_is: "exact", took_ms: 1, reason: "Because." });
        await openPage();
        await search("xyz");
        expect(queryText(".o_steward_nothing p")).toBe("Because.");
        expect(queryAllTexts(".o_steward_nothing button")).toEqual([]);
    });

    test("Operators may add what is missing; filters can be dropped", async () => {
        patchWithCleanup(router, { current: { q: "xyz", source: 4 } });
        onRpc("has_group", () => true);
        answer = () => ({ results: [], total: 0, total_is: "exact", took_ms: 1 });
        await openPage();
        await animationFrame();
        expect(queryAllTexts(".o_steward_nothing button")).toEqual([
            "Search without filters",
            "Add a source",
        ]);
        await click(".o_steward_nothing button:first");
        await animationFrame();
        expect(asked.at(-1).filters).toEqual({});
    });

    test("what is not at full strength says so", async () => {
        const usual = answer;
        answer = () => ({ ...usual(), degraded: "Without meaning: no vectors." });
        await openPage();
        await search("pay");
        expect(queryText(".o_steward_degraded")).toBe("Without meaning: no vectors.");
    });

    test("more", async () => {
        const many = Array.from({ length: 15 }, (_, n) => ({ ...RESULT, document_id: n + 1 }));
        answer = (_query, { offset = 0, limit }) => ({
            results: many.slice(offset, offset + limit),
            total: 15,
            total_is: "exact",
            took_ms: 1,
        });
        await openPage();
        await search("pay");
        expect(".o_steward_result").toHaveCount(10);
        await click(".o_steward_more");
        await animationFrame();
        expect(".o_steward_result").toHaveCount(15);
        expect(".o_steward_more").toHaveCount(0);
    });

    test("an error is a sentence; what was found stays", async () => {
        await openPage();
        await search("pay");
        const usual = answer;
        answer = () => {
            throw makeServerError({ message: "It broke" });
        };
        await click(".o_steward_field input");
        await fill("s", { confirm: false });
        await advanceTime(PAUSE);
        await animationFrame();
        expect(queryText(".o_steward_search_error span")).toBe("It broke");
        expect(".o_steward_result").toHaveCount(2);
        answer = usual;
        await click(".o_steward_search_error button");
        await animationFrame();
        expect(".o_steward_search_error").toHaveCount(0);
    });
});

describe("quick search", () => {
    async function openQuick() {
        await mountWithCleanup(QuickSearch);
        patchWithCleanup(getService("action"), {
            doAction: (action, options) => expect.step([action, options?.props]),
        });
        await click(".o_steward_quick");
        await waitFor(".o_steward_quick_menu input");
        await animationFrame();
    }
    test("first results, and the page for the rest", async () => {
        answer = () => ({ results: [RESULT], total: 12, total_is: "exact", took_ms: 1 });
        await openQuick();
        expect(".o_steward_quick_menu input").toBeFocused();
        await edit("pay", { confirm: false });
        await advanceTime(PAUSE);
        await animationFrame();
        expect(queryAllTexts(".o_steward_quick_menu .o_steward_result_title")).toEqual(["Refunds"]);
        expect(queryText(".o_steward_all")).toBe("All 12 results");
        await press("Enter");
        await animationFrame();
        expect.verifySteps([["steward_knowledge.action_search", { question: "pay" }]]);
    });
    test("arrows lead to a result, Enter opens it", async () => {
        await openQuick();
        await edit("pay", { confirm: false });
        await advanceTime(PAUSE);
        await animationFrame();
        await press("ArrowDown");
        expect(".o_steward_result_title:first").toBeFocused();
        await press("ArrowUp");
        expect(".o_steward_quick_menu input").toBeFocused();
        await press("ArrowDown");
        await press("Enter");
        await animationFrame();
        expect.verifySteps([["steward_knowledge.action_read", { resId: 7, passage: 70 }]]);
    });
});

test("the palette finds documents", async () => {
    await mountWithCleanup(WebClient);
    patchWithCleanup(getService("action"), {
        doAction: (action, options) => expect.step([action.res_model || action, options?.props]),
    });
    await press(["control", "k"]);
    await waitFor(".o_command_palette");
    await fill("?pay");
    await advanceTime(300);
    await animationFrame();
    expect(queryAllTexts(".o_command_name")).toEqual([
        "Refunds (Handbook)",
        "Pat (Handbook)",
        "Search for “pay”",
    ]);
    await press("ArrowDown");
    await press("Enter");
    await animationFrame();
    expect.verifySteps([["res.partner", undefined]]);
});

describe("reading page", () => {
    const DOCUMENT = {
        document_id: 7,
        title: "Refunds",
        source: "Handbook",
        language: "en",
        url: "https://docs.example.com/refunds",
        untrusted: true,
        marked: [1],
        blocks: [
            { kind: "heading", start: 0, level: 2, spans: [["How"]] },
            { kind: "text", start: 9, spans: [[EVIL], ["bold", "bold", ""], ["web", "", "https://a.b"]] },
            { kind: "point", start: 90, sign: "1.", spans: [["first"]] },
            { kind: "code", start: 95, spans: [["x <= 1"]] },
            { kind: "table", start: 99, rows: [[[["a"]], [["b"]]], [[["1"]], [["2"]]]] },
            { kind: "rule", start: 120 },
        ],
    };
    async function openDocument(document = DOCUMENT) {
        onRpc("steward.document", "reading", ({ args, kwargs }) => {
            expect.step([args[0], kwargs.passage]);
            return document;
        });
        await openAction("steward.knowledge_read", { resId: 7, passage: 70 });
        await animationFrame();
    }
    test("text is shown as text, and the passage is marked", async () => {
        await openDocument();
        expect.verifySteps([[[7], 70]]);
        expect(queryText("h1")).toBe("Refunds");
        expect(queryText("h3")).toBe("How");
        expect(queryText(".o_steward_marked")).toInclude(EVIL);
        expect(".o_steward_reading_text img, .o_steward_reading_text script").toHaveCount(0);
        expect(queryText(".o_steward_marked strong")).toBe("bold");
        expect(".o_steward_marked a").toHaveAttribute("rel", /noopener/);
        expect(queryText(".o_steward_point")).toBe("1.\nfirst");
        expect(queryText("pre")).toBe("x <= 1");
        expect(queryAllTexts("table th, table td")).toEqual(["a", "b", "1", "2"]);
        expect(queryAllTexts(".o_steward_reading_aside dd")).toEqual(["Handbook", "English"]);
        expect(queryAllTexts(".o_steward_reading_aside li a")).toEqual(["Credit notes"]);
    });
    test("who may not read it is told so", async () => {
        onRpc("steward.document", "reading", () => {
            throw makeServerError({ message: "You may not." });
        });
        await openAction("steward.knowledge_read", { resId: 7 });
        expect(queryText(".alert p")).toBe("You may not.");
        expect(queryFirst(".o_steward_reading_text")).toBe(null);
    });
});
