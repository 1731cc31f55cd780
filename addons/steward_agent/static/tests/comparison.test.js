import { expect, test } from "@odoo/hoot";
import { click, queryAllTexts, queryText, waitFor } from "@odoo/hoot-dom";
import { animationFrame } from "@odoo/hoot-mock";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { contains, getService, makeServerError, mountWithCleanup, onRpc } from "@web/../tests/web_test_helpers";
import { WebClient } from "@web/webclient/webclient";
import "@steward_agent/comparison/comparison";

defineMailModels();

const HEAD = {
    agent: "Desk",
    state: "completed",
    word: "Completed",
    started: 0,
    duration: 1200,
    errors: 0,
    tokens_in: 100,
    tokens_out: 20,
    unpriced: 0,
    prompt: "guide@1",
    version: 1,
};
const step = (id, name, more) => ({ id, kind: "tool_call", name, status: "ok", ms: 5, ...more });
const TOLD = {
    runs: [
        { ...HEAD, id: 7, name: "Desk: Count", steps: 2, cost: 0.5, model: "gpt" },
        { ...HEAD, id: 8, name: "Desk: Count again", steps: 3, cost: 0.25, model: "own" },
    ],
    steps: [
        { left: step(1, "count"), right: step(4, "count"), differs: ["output"] },
        { right: step(5, "find", { ms: null }), differs: [] },
        { left: step(2, "say"), right: step(6, "say"), differs: [] },
    ],
    cut: false,
    output: [
        ["gone", "There are 7."],
        ["new", "There are 8."],
        ["same", "<b>That is all.</b>"],
    ],
};

function serve(compare) {
    onRpc("steward.step", "fields_get", () => ({ kind: { selection: [["tool_call", "Tool"]] } }));
    onRpc("steward.run", "compare", compare);
    onRpc("steward.run", "compare_steps", ({ args }) => {
        expect.step(args);
        return { input: [["same", "{}"]], output: [["gone", "7"], ["new", "8"]] };
    });
    onRpc("steward.step", "read", () => [{ id: 5, input: "a\nb", output: false }]);
}
async function open() {
    await mountWithCleanup(WebClient);
    await getService("action").doAction({
        type: "ir.actions.client",
        tag: "steward_compare",
        params: { run: 7, other: 8 },
    });
    await animationFrame();
}

test("two runs side by side", async () => {
    serve(({ args }) => {
        expect.step(args);
        return TOLD;
    });
    await open();
    expect.verifySteps([[7, 8]]);
    expect(queryAllTexts("thead th")).toEqual(["", "Desk: Count", "Desk: Count again", ""]);
    expect(queryAllTexts("tr:contains(Cost) td")).toEqual(["$0.5", "$0.25", "≠"]);
    expect("tr:contains(Model) td.fw-bold").toHaveCount(2);
    expect("tr:contains(Prompt) td.fw-bold").toHaveCount(0);
    expect("tr:contains(Prompt) [aria-label=Differs]").toHaveCount(0);
    expect(queryText(".o_steward_difference")).toBe(
        "− There are 7.\n+ There are 8.\n <b>That is all.</b>"
    );
    expect(queryText(".o_steward_comparison_count")).toBe("2 of 3 differ");
    expect(".o_steward_comparison_row.o_differs").toHaveCount(2);
    expect(queryAllTexts(".o_steward_comparison_what")).toEqual(["output", "only in the second", ""]);
    await contains("#steward_only_differing").click();
    expect(".o_steward_comparison_row").toHaveCount(2);
});

test("a pair of steps opens", async () => {
    serve(() => TOLD);
    await open();
    await click(".o_steward_comparison_row:eq(0)");
    await waitFor(".o_steward_comparison_open pre");
    expect.verifySteps([[1, 4]]);
    expect(queryText(".o_steward_comparison_open")).toMatch(/The same in both/);
    expect(queryText(".o_steward_comparison_open .bg-success-subtle")).toBe("+ 8");
    await click(".o_steward_comparison_row:eq(1)");
    await waitFor(".o_steward_comparison_open .bg-success-subtle:contains(b)");
    expect(".o_steward_comparison_open .bg-success-subtle").toHaveCount(2);
    await click(".o_steward_comparison_row:eq(1)");
    await animationFrame();
    expect(".o_steward_comparison_open").toHaveCount(0);
});

test("an error is a sentence", async () => {
    serve(() => {
        throw makeServerError({ message: "There is no run 8." });
    });
    await open();
    expect(queryText(".alert")).toBe("There is no run 8.");
});
