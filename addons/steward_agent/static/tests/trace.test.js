import { beforeEach, expect, test } from "@odoo/hoot";
import { click, press, queryAll, queryAllTexts, queryFirst, queryText, waitUntil } from "@odoo/hoot-dom";
import { advanceTime, animationFrame } from "@odoo/hoot-mock";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import {
    contains,
    makeServerError,
    MockServer,
    mountWithCleanup,
    onRpc,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import { waitForChannels } from "@bus/../tests/bus_test_helpers";
import { browser } from "@web/core/browser/browser";
import { Trace } from "@steward_agent/trace/trace";
import { CHANGED, POLL_EVERY } from "@steward_agent/trace/feed";
import { columnsOf } from "./trace_helpers";

defineMailModels();

const WORDS = {
    kind: [
        ["tool_call", "Tool"],
        ["llm_inference", "Model"],
    ],
    status: [
        ["ok", "OK"],
        ["error", "Error"],
    ],
    cost_source: [["unknown", "Unknown"]],
    category: [["tool", "Tool"]],
};
const DETAILS = { id: 2, input: '{"order": 42}', output: "gone", error_message: "It broke" };

/** What the server knows, and what it was asked. */
let rows, run, asked, broken;

beforeEach(() => {
    rows = [
        [1, "a"],
        [2, "b", "a", 2, { status: "error", cost_source: "unknown" }],
        [3, "c", "", 3, { kind: "llm_inference", model: "gpt-4o", cost: 0.5 }],
    ];
    run = { id: 7, trace_id: "t", state: "running", is_over: false };
    asked = [];
    broken = undefined;
    onRpc("steward.run", "trace", ({ args: [id, after] }) => {
        asked.push(after);
        if (broken) {
            throw makeServerError({ message: broken });
        }
        const found = rows.filter((row) => row[0] > after).slice(0, 5000);
        return {
            run: { ...run, steps: rows.length },
            columns: found.length ? columnsOf(...found) : { id: [] },
            more: found.length === 5000,
        };
    });
    onRpc("steward.step", "fields_get", () =>
        Object.fromEntries(Object.entries(WORDS).map(([name, selection]) => [name, { selection }]))
    );
    onRpc("steward.step", "read", ({ args: [ids] }) => ids.map((id) => ({ ...DETAILS, id })));
});

async function openTrace() {
    const trace = await mountWithCleanup(Trace, { props: { runId: 7 } });
    await waitUntil(() => asked.length && !queryFirst(".o_steward_trace_loading"));
    return trace;
}

test("steps are shown with what they took", async () => {
    await openTrace();
    expect(queryAll(".o_steward_trace_row")).toHaveLength(3);
    expect(queryText(".o_steward_trace_row:eq(2) .o_steward_trace_cost")).toBe("$0.5");
    expect(queryText(".o_steward_trace_row:eq(1) .o_steward_trace_cost")).toBe("unknown");
    expect(queryText(".o_steward_trace_count")).toBe("3 steps");
    expect(".o_steward_trace_row:eq(1) .fa-times-circle").toHaveCount(1);
});

test("of ten thousand steps only what is seen is drawn", async () => {
    rows = Array.from({ length: 10_000 }, (_, i) => [i + 1, `s${i}`]);
    await openTrace();
    expect(asked).toEqual([0, 5000, 10000]);
    expect(queryText(".o_steward_trace_count")).toBe("10,000 steps");
    expect(queryAll(".o_steward_trace_row").length).toBeLessThan(150);
    await click(".o_steward_trace_scroller");
    queryFirst(".o_steward_trace_scroller").focus();
    await press("End");
    await animationFrame();
    await animationFrame();
    expect(".o_steward_trace_row.o_selected").toHaveCount(1);
    expect(queryText(".o_steward_trace_row.o_selected")).toMatch(/step s9999/);
    expect(queryAll(".o_steward_trace_row").length).toBeLessThan(150);
});

test("keys: down, enter, fold, search, escape", async () => {
    await openTrace();
    queryFirst(".o_steward_trace_scroller").focus();
    await press("ArrowDown");
    await press("ArrowLeft"); // fold a
    await animationFrame();
    expect(queryAll(".o_steward_trace_row")).toHaveLength(2);
    await press("ArrowRight");
    await press("ArrowDown");
    await press("Enter");
    await waitUntil(() => queryFirst(".o_steward_step_content"));
    expect(queryText(".o_steward_step_panel h3")).toBe("step b");
    expect(queryFirst(".o_steward_step_content").textContent).toBe('{\n  "order": 42\n}');
    expect(queryText(".o_steward_step_error")).toBe("It broke");
    await press("Escape");
    await animationFrame();
    expect(".o_steward_step_panel").toHaveCount(0);
    await press("/");
    expect("input[type=search]").toBeFocused();
});

test("filters say how much they show", async () => {
    await openTrace();
    await contains("input[type=search]").edit("gpt", { confirm: false });
    await animationFrame();
    expect(queryText(".o_steward_trace_count")).toBe("1 of 3 steps");
    await contains("input[type=search]").edit("", { confirm: false });
    await click(".o_steward_trace_failed");
    await animationFrame();
    expect(queryText(".o_steward_trace_count")).toBe("1 of 3 steps");
    expect(".o_steward_trace_row.opacity-50").toHaveCount(1, { message: "what it is below" });
    await click(".o_steward_trace_failed");
    await contains("select").select("llm_inference");
    await animationFrame();
    expect(queryAll(".o_steward_trace_row")).toHaveLength(1);
    await contains("input[type=search]").edit("nothing like it", { confirm: false });
    await animationFrame();
    expect(".o_steward_trace_empty").toHaveCount(1);
});

test("a run that goes on is looked at again, for what is new only", async () => {
    await openTrace();
    rows.push([4, "d"]);
    await advanceTime(POLL_EVERY);
    await animationFrame();
    expect(asked).toEqual([0, 3]);
    expect(queryAll(".o_steward_trace_row")).toHaveLength(4);
    run = { ...run, state: "completed", is_over: true };
    await advanceTime(POLL_EVERY);
    await advanceTime(10 * POLL_EVERY);
    expect(asked).toEqual([0, 3, 4], { message: "what is over is left alone" });
});

test("news show soon, however many there are; those of other runs ask for nothing", async () => {
    await openTrace();
    await waitForChannels(["steward.run_7"]);
    asked = [];
    rows.push([4, "d"]);
    const send = (id) =>
        MockServer.env["bus.bus"]._sendone("steward.run_7", CHANGED, { id });
    send(8);
    await advanceTime(900);
    expect(asked).toEqual([]);
    for (let number = 0; number < 9; number++) {
        send(7);
        await advanceTime(100); // less than the pause between two questions
    }
    await animationFrame();
    expect(asked.length).toBeWithin(1, 5);
    expect(queryAll(".o_steward_trace_row")).toHaveLength(4);
});

test("steps whose ids began anew are found", async () => {
    rows = [
        [5, "a"],
        [6, "b"],
    ];
    await openTrace();
    rows.push([1, "c"]);
    await advanceTime(POLL_EVERY);
    await animationFrame();
    expect(queryAll(".o_steward_trace_row")).toHaveLength(3);
    expect(asked).toEqual([0, 6, 0]);
    await advanceTime(POLL_EVERY);
    expect(asked).toEqual([0, 6, 0, 6], { message: "and not again and again" });
});

test("an error says so, and can be tried again", async () => {
    broken = "No such run";
    await mountWithCleanup(Trace, { props: { runId: 7 } });
    await waitUntil(() => queryFirst(".alert-warning"));
    expect(queryText(".alert-warning")).toMatch(/could not be loaded. No such run/);
    broken = undefined;
    await click(".alert-warning button");
    await waitUntil(() => queryFirst(".o_steward_trace_row"));
    expect(".alert-warning").toHaveCount(0);
});

test("a step is copied as JSON", async () => {
    patchWithCleanup(browser.navigator.clipboard, {
        writeText: (text) => expect.step(JSON.parse(text).span_id),
    });
    await openTrace();
    await click(".o_steward_trace_row:eq(1)");
    await waitUntil(() => queryFirst(".o_steward_step_copy:enabled"));
    await click(".o_steward_step_copy");
    await animationFrame();
    expect.verifySteps(["b"]);
});
