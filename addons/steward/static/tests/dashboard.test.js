import { expect, test } from "@odoo/hoot";
import { click, queryAllTexts } from "@odoo/hoot-dom";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import {
    getService,
    mountWithCleanup,
    onRpc,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import { registry } from "@web/core/registry";
import { WebClient } from "@web/webclient/webclient";

defineMailModels();

const PARTS = [
    { name: "database", status: "ok", reason: "It answers." },
    { name: "jobs", status: "failed", reason: "No job runner is connected." },
];

async function openDashboard(done = {}) {
    onRpc("steward.status", "first_steps", () => done);
    onRpc("steward.status", "health", () => ({ status: "failed", parts: PARTS }));
    await mountWithCleanup(WebClient);
    await getService("action").doAction({
        type: "ir.actions.client",
        tag: "steward.dashboard",
    });
}

test("steps that are not done are shown in order, and open what they say", async () => {
    patchWithCleanup(registry.category("steward.first_steps"), {
        getEntries: () => [
            ["one", { title: "First", text: "a", icon: "fa-star", label: "Go", action: "x.one" }],
            ["two", { title: "Done", text: "b", icon: "fa-star", label: "No", action: "x.two" }],
            ["six", { title: "Third", text: "c", icon: "fa-star", label: "On", action: "x.six" }],
        ],
    });
    await openDashboard({ one: false, two: true });
    expect(queryAllTexts(".o_steward_step h2")).toEqual(["First", "Third"]);
    patchWithCleanup(getService("action"), {
        doAction: (action) => expect.step(action),
    });
    await click(".o_steward_step:eq(1) button");
    expect.verifySteps(["x.six"]);
});

test("health is told in words, not by colour alone", async () => {
    await openDashboard();
    expect(queryAllTexts(".o_steward_part strong")).toEqual(["Database", "Jobs"]);
    expect(queryAllTexts(".o_steward_part span")).toEqual(["Works", "Failed"]);
    expect(".o_steward_part:eq(1) .text-muted").toHaveText("No job runner is connected.");
});

test("the suite's own first steps are complete", async () => {
    await openDashboard();
    const steps = registry.category("steward.first_steps").getAll();
    expect(queryAllTexts(".o_steward_step button").length).toBe(steps.length);
    for (const step of steps) {
        for (const key of ["title", "text", "icon", "label", "action"]) {
            expect(String(step[key] || "")).not.toBe("", { message: key });
        }
    }
});
