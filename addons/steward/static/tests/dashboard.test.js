import { Component, xml } from "@odoo/owl";
import { beforeEach, describe, expect, test } from "@odoo/hoot";
import { click, queryAllTexts, queryFirst, waitUntil } from "@odoo/hoot-dom";
import { advanceTime, animationFrame, mockDate } from "@odoo/hoot-mock";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import {
    allowTranslations,
    contains,
    getService,
    makeServerError,
    MockServer,
    mountWithCleanup,
    onRpc,
    patchWithCleanup,
    preloadBundle,
    serverState,
} from "@web/../tests/web_test_helpers";
import { waitForChannels } from "@bus/../tests/bus_test_helpers";
import { browser } from "@web/core/browser/browser";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { redirect } from "@web/core/utils/urls";
import { WebClient } from "@web/webclient/webclient";
import { digitsOf, formatNumber, trendOf } from "@steward/dashboard/card";
import { StewardDashboard } from "@steward/dashboard/dashboard";
import { daysOf, intervalOf } from "@steward/dashboard/pickers";

defineMailModels();
preloadBundle("web.chartjs_lib");

const EMPTY = { text: "Nothing yet.", label: "Do this", action: "x.first" };
const CARDS = {
    count: { title: "Count", kind: "number", size: "small", unit: "runs", better: "up" },
    parts: { title: "Parts", kind: "status", empty: EMPTY },
    list: {
        title: "List",
        kind: "table",
        columns: [
            { name: "name", title: "Name" },
            { name: "size", title: "Size", kind: "number" },
            { name: "state", title: "State", kind: "status" },
        ],
        empty: EMPTY,
    },
    graph: { title: "Graph", kind: "chart", chart: "line", unit: "s", empty: EMPTY },
};
const DATA = {
    count: { value: 12, before: 10 },
    parts: {
        parts: [
            { name: "database", title: "Database", status: "ok", reason: "It answers." },
            { name: "failed", title: "Failed", status: "degraded", value: 3, action: { ref: "x" } },
        ],
    },
    list: {
        rows: [
            {
                id: 7,
                name: "seven",
                size: 1234.5,
                state: { status: "failed", word: "Open" },
                action: { ref: "x.list", res_id: 7 },
            },
            { id: 8, name: "eight" },
        ],
        total: 5,
        action: { ref: "x.list", domain: [["id", ">", 1]] },
    },
    graph: {
        labels: ["2026-03-04 10:00:00", "2026-03-04 11:00:00", "2026-03-04 12:00:00"],
        series: [{ name: "p50", values: [1.5, false, 2] }],
    },
};

/** What the server answers, and what it was asked. */
let answer, asked;

beforeEach(() => {
    mockDate("2026-03-04 12:30:00");
    asked = [];
    answer = { cards: { ...DATA }, steps: {}, period: { step: 3600 } };
    onRpc("steward.dashboard", "data", ({ kwargs }) => {
        asked.push(kwargs);
        return JSON.parse(JSON.stringify(answer));
    });
});

function useCards(cards = CARDS, steps = {}) {
    for (const [name, entries] of [
        ["steward.cards", cards],
        ["steward.first_steps", steps],
    ]) {
        patchWithCleanup(registry.category(name), {
            getEntries: () => Object.entries(entries),
        });
    }
}

async function openDashboard() {
    await mountWithCleanup(WebClient);
    await getService("action").doAction({ type: "ir.actions.client", tag: "steward.dashboard" });
    await animationFrame();
}

function stepActions() {
    patchWithCleanup(getService("action"), {
        loadAction: (ref) => ({ ref, type: "ir.actions.act_window", domain: [], context: {} }),
        doAction: (action, options) =>
            expect.step(typeof action === "string" ? action : { ...action, ...options }),
    });
}

const card = (name, inner = "") => `.o_steward_card[data-card='${name}'] ${inner}`;

async function seeTab(visibilityState) {
    Object.defineProperty(document, "visibilityState", {
        value: visibilityState,
        configurable: true,
    });
    document.dispatchEvent(new Event("visibilitychange"));
    await animationFrame();
}

describe("first steps", () => {
    const step = (title, action) => ({ title, text: "a", icon: "fa-star", label: "Go", action });

    test("those that are not done are shown in order, and open what they say", async () => {
        useCards({}, { one: step("One", "x.1"), two: step("Two", "x.2"), six: step("Six", "x.6") });
        answer.steps = { one: false, two: true, six: false };
        await openDashboard();
        expect(queryAllTexts(".o_steward_step h2")).toEqual(["One", "Six"]);
        stepActions();
        await click(".o_steward_step:eq(1) button");
        expect.verifySteps(["x.6"]);
    });

    test("nobody is asked for what only others can do", async () => {
        useCards({}, { one: { ...step("One", "x.1"), groups: "x.boss" }, two: step("Two", "x.2") });
        answer.steps = { one: false, two: false };
        onRpc("has_group", () => false);
        await openDashboard();
        expect(queryAllTexts(".o_steward_step h2")).toEqual(["Two"]);
    });
});

describe("cards", () => {
    test("all come with one request", async () => {
        useCards();
        await openDashboard();
        expect(asked).toHaveLength(1);
        expect(asked[0].period).toBe("day");
        expect(asked[0].cards).toEqual(Object.keys(CARDS));
        expect(queryAllTexts(".o_steward_card h2")).toEqual(["Count", "Parts", "List", "Graph"]);
    });

    test("a card for others is neither shown nor asked for", async () => {
        useCards({ ...CARDS, secret: { title: "S", kind: "number", groups: "x.boss" } });
        onRpc("has_group", () => false);
        await openDashboard();
        expect(card("secret")).toHaveCount(0);
        expect(asked[0].cards).toEqual(Object.keys(CARDS));
    });

    test("a number tells its trend in words, and what it does not know", async () => {
        useCards();
        await openDashboard();
        expect(card("count", ".o_steward_number")).toHaveText("12 runs");
        expect(card("count", ".text-success")).toHaveText("20 % better");
        expect(card("count", ".o_steward_trend")).toHaveText(/\(before: 10\)/);
        answer.cards = { ...DATA, count: {} };
        await advanceTime(60_000);
        await animationFrame();
        expect(card("count", ".o_steward_number")).toHaveText("Unknown");
        expect(card("count", ".o_steward_trend")).toHaveText("The period before is unknown");
    });

    test("a status is told in words, not by colour alone", async () => {
        useCards();
        await openDashboard();
        expect(card("parts", ".o_steward_part:eq(0)")).toHaveText("Database\nWorks\nIt answers.");
        expect(card("parts", ".o_steward_part:eq(1)")).toHaveText("Failed\n3 Look at it");
        expect(card("parts", ".o_steward_part button")).toHaveCount(1);
    });

    test("a table leads to each row, and to those that are not shown", async () => {
        useCards();
        await openDashboard();
        expect(queryAllTexts(card("list", "tbody tr:eq(0) td"))).toEqual([
            "seven",
            "1,234.5",
            "Open",
        ]);
        expect(queryAllTexts(card("list", "tbody tr:eq(1) td"))).toEqual(["eight", "", ""]);
        stepActions();
        await contains(card("list", "tbody button")).click();
        await contains(card("list", "button:contains('3 more')")).click();
        expect.verifySteps([
            {
                ref: "x.list",
                type: "ir.actions.act_window",
                domain: [],
                context: {},
                viewType: "form",
                props: { resId: 7 },
            },
            {
                ref: "x.list",
                type: "ir.actions.act_window",
                domain: [["id", ">", 1]],
                context: {},
            },
        ]);
    });

    test("a gap in a chart is a gap, and a refresh changes it in place", async () => {
        useCards({ graph: CARDS.graph });
        await openDashboard();
        const canvas = queryFirst(card("graph", "canvas"));
        const chart = await waitUntil(() => Chart.getChart(canvas));
        expect(chart.data.datasets[0].data).toEqual([1.5, null, 2]);
        expect(chart.options.spanGaps).toBe(false);
        expect(chart.data.labels).toHaveLength(3);
        answer.cards = {
            graph: { ...DATA.graph, series: [{ name: "p50", values: [false, 3, 4] }] },
        };
        await advanceTime(60_000);
        await animationFrame();
        expect(queryFirst(card("graph", "canvas"))).toBe(canvas);
        expect(Chart.getChart(canvas) === chart).toBe(true);
        expect(chart.data.datasets[0].data).toEqual([null, 3, 4]);
    });

    test("a card with nothing to show says what to do next", async () => {
        useCards();
        answer.cards = {
            count: { value: 0 },
            parts: { parts: [] },
            list: { rows: [] },
            graph: { labels: ["2026-03-04 10:00:00"], series: [{ name: "p", values: [false] }] },
        };
        await openDashboard();
        expect(".o_steward_card_empty").toHaveCount(3);
        expect(card("list", ".o_steward_card_empty")).toHaveText(/Nothing yet\.\s+Do this/);
        stepActions();
        await contains(card("list", ".o_steward_card_empty button")).click();
        expect.verifySteps(["x.first"]);
    });

    test("a broken card breaks alone", async () => {
        useCards();
        answer.cards.list = { error: "It broke." };
        await openDashboard();
        expect(card("list", ".o_steward_card_error")).toHaveText(/It broke\.\s+Try again/);
        expect(card("count", ".o_steward_number")).toHaveCount(1);
        answer.cards.list = DATA.list;
        await contains(card("list", ".o_steward_card_error button")).click();
        await animationFrame();
        expect(card("list", "tbody tr")).toHaveCount(2);
    });

    test("the suite's own are complete", async () => {
        await openDashboard();
        for (const entry of registry.category("steward.cards").getAll()) {
            expect(String(entry.title)).not.toBe("");
            expect(Boolean(entry.columns)).toBe(entry.kind === "table");
        }
        for (const entry of registry.category("steward.first_steps").getAll()) {
            for (const key of ["title", "text", "icon", "label", "action"]) {
                expect(String(entry[key] || "")).not.toBe("", { message: key });
            }
        }
        expect(".o_steward_card").toHaveCount(registry.category("steward.cards").getAll().length);
    });
});

describe("scale", () => {
    beforeEach(allowTranslations);

    test("the lines of a scale read differently, however small", () => {
        for (const [steps, told] of [
            [[0, 2, 4], "0 2 4"],
            [[0, 0.5, 1], "0 0.5 1"],
            [[0, 0.004, 0.008], "0 0.004 0.008"],
            [[7], "7"],
        ]) {
            const ticks = steps.map((value) => ({ value }));
            const texts = steps.map((value) => formatNumber(value, digitsOf(ticks)));
            expect(texts.join(" ")).toBe(told);
        }
    });
});

describe("trend", () => {
    beforeEach(allowTranslations);

    test("only what is known is compared", () => {
        expect(trendOf({ value: 1 }, "up")).toBe(null);
        expect(trendOf({ before: 1 }, "up")).toBe(null);
        expect(String(trendOf({ value: 2, before: 2 }).text)).toBe("unchanged");
    });

    test("up may be good, bad or neither", () => {
        const word = (value, before, better) => {
            const { color, word } = trendOf({ value, before }, better);
            return [color, String(word)];
        };
        expect(word(3, 2, "up")).toEqual(["text-success", "better"]);
        expect(word(3, 2, "down")).toEqual(["text-danger", "worse"]);
        expect(word(1, 2, "down")).toEqual(["text-success", "better"]);
        expect(word(1, 2)).toEqual(["text-muted", "less"]);
    });

    test("nothing is a share of nothing", () => {
        const trend = trendOf({ value: 4, before: 0 }, "down");
        expect(trend.text).toBe("");
        expect(String(trend.word)).toBe("worse");
    });
});

describe("choice", () => {
    test("a period is asked for, kept in the address and in the browser", async () => {
        useCards();
        await openDashboard();
        await contains(".o_steward_period").click();
        await contains(".o-dropdown-item:contains('Last 7 days')").click();
        await animationFrame();
        expect(asked.map((kwargs) => kwargs.period)).toEqual(["day", "week"]);
        expect(".o_steward_period").toHaveText("Last 7 days");
        await advanceTime(1);
        expect(browser.location.search).toInclude("period=week");
        await getService("action").doAction({
            type: "ir.actions.client",
            tag: "steward.dashboard",
        });
        await animationFrame();
        expect(asked.at(-1).period).toBe("week");
    });

    test("days are asked for from the start of one to the end of the other", async () => {
        browser.localStorage.setItem("steward.dashboard", "{ no json");
        useCards();
        await openDashboard();
        expect(".o_steward_days").toHaveCount(0);
        await contains(".o_steward_period").click();
        await contains(".o-dropdown-item:contains('Custom range')").click();
        await contains(".o_steward_days input:eq(0)").edit("03/01/2026", { confirm: "enter" });
        await animationFrame();
        const [first, last] = daysOf(asked.at(-1).period);
        expect(first.toISODate()).toBe("2026-03-01");
        expect(last.toISODate()).toBe("2026-03-04");
        expect(".o_steward_period").toHaveText("03/01/2026 – 03/04/2026");
    });

    test("a link names the period, and the address keeps it", async () => {
        browser.localStorage.setItem("steward.dashboard", JSON.stringify({ period: "hour" }));
        registry.category("actions").add("board", StewardDashboard);
        redirect("/odoo/board?period=month");
        useCards();
        await mountWithCleanup(WebClient);
        await waitUntil(() => asked.length);
        expect(asked[0].period).toBe("month");
        await advanceTime(1);
        expect(browser.location.search).toInclude("period=month");
    });

    test("an interval of days", () => {
        const day = luxon.DateTime.fromISO("2026-03-01T15:00", { zone: "Europe/Paris" });
        expect(intervalOf(day, day)).toBe("2026-02-28T23:00Z/2026-03-01T23:00Z");
        expect(daysOf("week")[0].hasSame(luxon.DateTime.local(), "day")).toBe(true);
    });

    test("only companies that are ticked above can be chosen", async () => {
        serverState.companies = [
            { id: 1, name: "Hermit", sequence: 1, parent_id: false, child_ids: [] },
            { id: 2, name: "Herman", sequence: 2, parent_id: false, child_ids: [] },
            { id: 3, name: "Hidden", sequence: 3, parent_id: false, child_ids: [] },
        ];
        patchWithCleanup(user, { activeCompanies: serverState.companies.slice(0, 2) });
        browser.localStorage.setItem("steward.dashboard", JSON.stringify({ companies: [3, 2] }));
        useCards();
        await openDashboard();
        expect(asked[0].company_ids).toEqual([2]);
        expect(".o_steward_companies").toHaveText("Herman");
        await contains(".o_steward_companies").click();
        expect(queryAllTexts(".o-dropdown-item")).toEqual(["Hermit", "Herman"]);
        await contains(".o-dropdown-item:contains('Hermit')").click();
        await animationFrame();
        expect(asked.at(-1).company_ids).toEqual([], { message: "all: none in particular" });
    });
});

describe("refresh", () => {
    test("news are asked for once, after the time in which more may come", async () => {
        useCards();
        await openDashboard();
        await waitForChannels(["steward.dashboard"]);
        asked = [];
        answer.cards = { ...DATA, count: { value: 13, before: 10 } };
        for (let number = 0; number < 3; number++) {
            MockServer.env["bus.bus"]._sendone("steward.dashboard", "steward.dashboard", {});
        }
        await advanceTime(1_000);
        expect(asked).toHaveLength(0);
        await advanceTime(2_000);
        await animationFrame();
        expect(asked).toHaveLength(1);
        expect(card("count", ".o_steward_number")).toHaveText("13 runs");
    });

    test("once a minute without news", async () => {
        useCards();
        await openDashboard();
        await advanceTime(59_000);
        expect(asked).toHaveLength(1);
        await advanceTime(2_000);
        await animationFrame();
        expect(asked).toHaveLength(2);
    });

    test("not while the tab is hidden, but when it is seen again", async () => {
        useCards();
        await openDashboard();
        try {
            await seeTab("hidden");
            await advanceTime(300_000);
            expect(asked).toHaveLength(1);
        } finally {
            await seeTab("visible");
            delete document.visibilityState;
        }
        expect(asked).toHaveLength(2);
    });

    test("not after the page is left", async () => {
        useCards();
        class Elsewhere extends Component {
            static template = xml`<div class="elsewhere" />`;
            static props = ["*"];
        }
        registry.category("actions").add("test.elsewhere", Elsewhere);
        await openDashboard();
        await getService("action").doAction("test.elsewhere");
        expect(".elsewhere").toHaveCount(1);
        await advanceTime(300_000);
        expect(asked).toHaveLength(1);
    });

    test("an error leaves what was there, and can be tried again", async () => {
        useCards();
        await openDashboard();
        let broken = true;
        onRpc("steward.dashboard", "data", () => {
            if (broken) {
                throw makeServerError({ message: "Too much at once." });
            }
            return answer;
        });
        await advanceTime(61_000);
        await animationFrame();
        expect(".o_steward_error").toHaveText(/could not be refreshed. Too much at once./);
        expect(card("count", ".o_steward_number")).toHaveText("12 runs");
        broken = false;
        await contains(".o_steward_error button").click();
        await animationFrame();
        expect(".o_steward_error").toHaveCount(0);
    });

    test("until the first answer there are skeletons", async () => {
        useCards();
        const never = new Promise(() => {});
        onRpc("steward.dashboard", "data", () => never);
        await openDashboard();
        expect(".o_steward_card .placeholder-glow").toHaveCount(4);
        expect(".o_steward_card[aria-busy='true']").toHaveCount(4);
    });
});
