import { expect, test } from "@odoo/hoot";
import { click, queryAllTexts } from "@odoo/hoot-dom";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import {
    getService,
    mountWithCleanup,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import { registry } from "@web/core/registry";
import { WebClient } from "@web/webclient/webclient";

defineMailModels();

async function openDashboard() {
    await mountWithCleanup(WebClient);
    await getService("action").doAction({
        type: "ir.actions.client",
        tag: "steward.dashboard",
    });
}

test("first steps are shown in order, and open what they say", async () => {
    patchWithCleanup(registry.category("steward.first_steps"), {
        getAll: () => [
            { title: "First", text: "a", icon: "fa-star", label: "Go", action: "x.one" },
            { title: "Second", text: "b", icon: "fa-star", label: "On", action: "x.two" },
        ],
    });
    await openDashboard();
    expect(queryAllTexts(".o_steward_step h2")).toEqual(["First", "Second"]);
    patchWithCleanup(getService("action"), {
        doAction: (action) => expect.step(action),
    });
    await click(".o_steward_step:eq(1) button");
    expect.verifySteps(["x.two"]);
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
