import { beforeEach, describe, expect, test } from "@odoo/hoot";
import { queryFirst } from "@odoo/hoot-dom";
import { advanceTime, animationFrame } from "@odoo/hoot-mock";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import {
    allowTranslations,
    contains,
    defineModels,
    fields,
    makeServerError,
    MockServer,
    models,
    mountView,
    onRpc,
} from "@web/../tests/web_test_helpers";
import { waitForChannels } from "@bus/../tests/bus_test_helpers";
import { CHANGED, formatTime, POLL_EVERY } from "@steward/progress/progress";
import { formatBytes, formatSeconds } from "@steward/units/units";

defineMailModels();

class Operation extends models.Model {
    _name = "steward.operation";
    name = fields.Char();
    _records = [
        { id: 5, name: "Backup" },
        { id: 6, name: "Restore" },
    ];
}
class Thing extends models.Model {
    _name = "steward.thing";
    name = fields.Char();
    size = fields.Float();
    is_working = fields.Boolean();
    operation_id = fields.Many2one({ relation: "steward.operation" });
    _records = [
        { id: 1, name: "one", operation_id: 5, size: 1_500_000 },
        { id: 2, name: "two", operation_id: false },
    ];
}
defineModels([Operation, Thing]);

const RUNNING = {
    id: 5,
    title: "Backup",
    state: "running",
    progress: 42.4,
    step: "Read the database",
    elapsed: 63,
    remaining: 90,
    cancel_wanted: false,
    applied: false,
};
let answer, asked, cancelled;

beforeEach(() => {
    answer = { ...RUNNING };
    asked = 0;
    cancelled = [];
    onRpc("has_group", () => true);
    onRpc("steward.operation", "status", ({ args: [ids] }) => {
        asked++;
        if (answer instanceof Error) {
            throw makeServerError({ message: answer.message });
        }
        return answer ? [{ ...answer, id: ids[0] }] : [];
    });
    onRpc("steward.operation", "action_cancel", ({ args: [ids] }) => {
        cancelled.push(...ids);
        answer.cancel_wanted = true;
        return true;
    });
});

async function openForm(resId = 1) {
    await mountView({
        type: "form",
        resModel: "steward.thing",
        resId,
        arch: `<form>
            <field name="name"/>
            <field name="size" widget="steward_bytes" readonly="1"/>
            <field name="is_working" invisible="1"/>
            <field name="operation_id" widget="steward_progress"/>
        </form>`,
    });
    await animationFrame();
}

describe("progress", () => {
    test("percent, step, time and what is left", async () => {
        await openForm();
        expect(".o_steward_progress .progress-bar").toHaveText("42 %");
        expect(".o_steward_progress [role='progressbar']").toHaveAttribute("aria-valuenow", "42");
        expect(".o_steward_progress_step").toHaveText("Read the database");
        expect(".o_steward_progress_time").toHaveText("1:03, about 1:30 left");
        expect(".o_steward_progress_word").toHaveText("At work");
        expect(".o_field_widget[name='size']").toHaveText("1.5 MB");
    });

    test("it asks each second while the work goes on, then not any more", async () => {
        await openForm();
        expect(asked).toBe(1);
        answer.progress = 80;
        await advanceTime(POLL_EVERY);
        await animationFrame();
        expect(".o_steward_progress .progress-bar").toHaveText("80 %");
        answer = { ...answer, state: "done", applied: false, progress: 100 };
        await advanceTime(POLL_EVERY);
        await animationFrame();
        expect(".o_steward_progress_word").toHaveText("Done");
        answer.applied = true;
        MockServer.env["steward.thing"].write([1], { name: "ready" });
        await advanceTime(POLL_EVERY);
        await animationFrame();
        expect(".o_field_widget[name='name'] input").toHaveValue("ready", {
            message: "the record is read anew when the outcome is taken over",
        });
        const before = asked;
        await advanceTime(10 * POLL_EVERY);
        expect(asked).toBe(before);
    });

    test("what has ended is shown without asking on", async () => {
        answer = { ...RUNNING, state: "failed", error: "The disk is full.", applied: true };
        await openForm();
        expect(".o_steward_progress_word").toHaveText("Failed");
        expect(".o_steward_progress_error").toHaveText("The disk is full.");
        expect(".o_steward_progress .progress").toHaveCount(0);
        await advanceTime(10 * POLL_EVERY);
        expect(asked).toBe(1);
    });

    test("what ended before it was asked for the first time is read anew", async () => {
        answer = { ...RUNNING, state: "done", applied: true };
        Thing._records[0].is_working = true;
        onRpc("steward.operation", "status", () => {
            MockServer.env["steward.thing"].write([1], { name: "ready", is_working: false });
        });
        await openForm();
        await animationFrame();
        expect(".o_field_widget[name='name'] input").toHaveValue("ready");
        expect(asked).toBe(1);
    });

    test("the bus tells of the end at once", async () => {
        await openForm();
        await waitForChannels(["steward.operation_5"]);
        answer = { ...RUNNING, state: "done", applied: true };
        MockServer.env["bus.bus"]._sendone("steward.operation_5", CHANGED, { id: 5 });
        await animationFrame();
        await advanceTime(POLL_EVERY / 2);
        await animationFrame();
        expect(".o_steward_progress_word").toHaveText("Done");
    });

    test("it can be cancelled, once", async () => {
        await openForm();
        await contains(".o_steward_progress button").click();
        await animationFrame();
        expect(cancelled).toEqual([5]);
        expect(".o_steward_progress_word").toHaveText("Is being cancelled");
        expect(queryFirst(".o_steward_progress button").disabled).toBe(true);
    });

    test("who may not cancel sees no button", async () => {
        onRpc("has_group", () => false);
        await openForm();
        expect(".o_steward_progress").toHaveCount(1);
        expect(".o_steward_progress button").toHaveCount(0);
    });

    test("nothing is shown without an operation, or of one that is gone", async () => {
        await openForm(2);
        expect(".o_steward_progress").toHaveCount(0);
        expect(asked).toBe(0);
    });

    test("an operation that is gone shows nothing and is not asked for again", async () => {
        answer = null;
        await openForm();
        expect(".o_steward_progress").toHaveCount(0);
        await advanceTime(10 * POLL_EVERY);
        expect(asked).toBe(1);
    });

    test("a server that does not answer is told, and asked again", async () => {
        await openForm();
        answer = new Error("Too much at once.");
        await advanceTime(POLL_EVERY);
        await animationFrame();
        expect(".o_steward_progress [role='alert']").toHaveText(/Too much at once/);
        expect(".o_steward_progress .progress-bar").toHaveText("42 %");
        answer = { ...RUNNING, progress: 50 };
        await advanceTime(POLL_EVERY);
        await animationFrame();
        expect(".o_steward_progress [role='alert']").toHaveCount(0);
        expect(".o_steward_progress .progress-bar").toHaveText("50 %");
    });
});

describe("units", () => {
    beforeEach(allowTranslations);

    test("times of a clock", () => {
        expect([0, 59.6, 3599, 3600, 36_061].map(formatTime)).toEqual([
            "0:00",
            "1:00",
            "59:59",
            "1:00:00",
            "10:01:01",
        ]);
    });
    test("sizes as the server says them", () => {
        expect([0, 999, 1500, 999_999, 12_345_678, 3e18].map(formatBytes)).toEqual([
            "0 B",
            "999 B",
            "1.5 kB",
            "1 MB",
            "12.3 MB",
            "3,000 PB",
        ]);
    });
    test("durations", () => {
        expect([1.25, 59, 90, 7200, 864_000].map((s) => String(formatSeconds(s)))).toEqual([
            "1.3 s",
            "59 s",
            "2 min",
            "2 h",
            "10 d",
        ]);
    });
});
