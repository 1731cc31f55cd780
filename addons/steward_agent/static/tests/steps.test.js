import { describe, expect, test } from "@odoo/hoot";
import { allowTranslations, patchWithCleanup } from "@web/../tests/web_test_helpers";
import { localization } from "@web/core/l10n/localization";
import { formatCost, formatDuration, formatMoney } from "@steward_agent/fields/format";
import { parsed, stepOf } from "@steward_agent/trace/copy";
import { matcher, Steps } from "@steward_agent/trace/steps";
import { columnsOf } from "./trace_helpers";

describe.current.tags("headless");

const shown = (lines) => lines.map(({ step, depth }) => `${"-".repeat(depth)}${step.span}`);

test("steps hang below their parents, whichever came first", () => {
    const steps = new Steps();
    steps.add(columnsOf([1, "c", "b", 30], [2, "b", "a", 20], [3, "a", "", 10], [4, "d", "", 40]));
    expect(shown(steps.lines())).toEqual(["a", "-b", "--c", "d"]);
    expect(shown(steps.lines(undefined, new Set(["b"])))).toEqual(["a", "-b", "d"]);
    expect([steps.last, steps.origin, steps.end]).toEqual([4, 10, 41]);
});

test("a step is added once", () => {
    const steps = new Steps();
    expect(steps.add(columnsOf([1, "a"], [2, "b"]))).toBe(2);
    expect(steps.add(columnsOf([2, "b"], [3, "c"]))).toBe(1);
    expect(shown(steps.lines())).toEqual(["a", "b", "c"]);
});

test("no parent, a parent of its own, circles: nothing is lost", () => {
    const steps = new Steps();
    steps.add(columnsOf([1, "a", "nobody"], [2, "b", "b"], [3, "c", "d"], [4, "d", "c"]));
    expect(shown(steps.lines()).map((line) => line.replaceAll("-", "")).sort()).toEqual([
        "a",
        "b",
        "c",
        "d",
    ]);
});

test("ten thousand steps within each other need no deep stack", () => {
    const steps = new Steps();
    const rows = Array.from({ length: 10_000 }, (_, i) => [i + 1, `s${i + 1}`, `s${i}`]);
    steps.add(columnsOf(...rows));
    const lines = steps.lines();
    expect(lines).toHaveLength(10_000);
    expect(lines.at(-1).depth).toBe(9_999);
});

test("what is sought is shown with what it is below", () => {
    const steps = new Steps();
    steps.add(
        columnsOf(
            [1, "a"],
            [2, "b", "a", 2, { status: "error", kind: "llm_inference", model: "GPT-x" }],
            [3, "c"]
        )
    );
    const found = (filter) => shown(steps.lines(matcher(filter), new Set(["a"])));
    expect(found({ failed: true })).toEqual(["a", "-b"]);
    expect(found({ kind: "llm_inference" })).toEqual(["a", "-b"]);
    expect(found({ text: " gpt-X step" })).toEqual(["a", "-b"]);
    expect(found({ text: "nothing" })).toEqual([]);
    expect(steps.lines(matcher({ failed: true }))[0].matches).toBe(false);
    expect(matcher({ text: " ", kind: "", failed: false })).toBe(undefined);
});

test("a step is copied as it is reported", () => {
    const steps = new Steps();
    steps.add(columnsOf([1, "a", "", 1795262400123.5, { cost: 0, tokens_in: 3 }]));
    const details = { input: '{"a": 1}', output: "{cut off", error_message: false };
    expect(stepOf("t", steps.all[0], details)).toEqual({
        trace_id: "t",
        span_id: "a",
        kind: "tool_call",
        name: "step a",
        started_at: "2026-11-21T12:00:00.123Z",
        duration_ms: 1,
        status: "ok",
        tokens_in: 3,
        cost: 0,
        input: { a: 1 },
        output: "{cut off",
    });
    expect(parsed({ already: "parsed" })).toEqual({ already: "parsed" });
});

test("durations and money in words", () => {
    allowTranslations();
    patchWithCleanup(localization, { decimalPoint: ".", thousandsSep: ",", grouping: [3, 0] });
    expect([0.25, 999, 1500, 59_000].map((ms) => String(formatDuration(ms)))).toEqual([
        "0.3 ms",
        "999 ms",
        "1.5 s",
        "59 s",
    ]);
    expect(String(formatDuration(61_500))).toBe("1 min 1 s");
    expect(String(formatDuration(3_660_000))).toBe("1 h 1 min");
    expect(String(formatDuration(90_000_000))).toBe("1 d 1 h");
    expect([0, 0.000123456, 0.5, 1234.5].map(formatMoney)).toEqual([
        "$0.00",
        "$0.000123",
        "$0.5",
        "$1,234.50",
    ]);
    expect(String(formatCost(0, 0))).toBe("$0.00");
    expect(String(formatCost(0, 2))).toBe("unknown");
    expect(String(formatCost(0.5, 2))).toBe("at least $0.5");
});
