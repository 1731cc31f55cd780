import { expect, test } from "@odoo/hoot";
import {
    clickSave,
    contains,
    defineModels,
    fields,
    models,
    mountView,
    onRpc,
} from "@web/../tests/web_test_helpers";

class Price extends models.Model {
    _name = "price";
    free = fields.Float();
    small = fields.Float();
    unknown = fields.Float();
    _records = [{ id: 1, free: 0, small: 0.0375, unknown: false }];
}

defineModels([Price]);

const arch = ["free", "small", "unknown"]
    .map((name) => `<field name="${name}" widget="steward_amount"/>`)
    .join("");

test("nothing, zero and small amounts look different", async () => {
    await mountView({ type: "form", resModel: "price", resId: 1, arch: `<form>${arch}</form>` });
    expect("[name=free] input").toHaveValue("0.00");
    expect("[name=small] input").toHaveValue("0.0375");
    expect("[name=unknown] input").toHaveValue("");
});

test("what is emptied is unknown, not zero", async () => {
    onRpc("web_save", ({ args }) => {
        expect.step(args[1]);
    });
    await mountView({ type: "form", resModel: "price", resId: 1, arch: `<form>${arch}</form>` });
    await contains("[name=free] input").edit("");
    await contains("[name=small] input").edit("1.5");
    await clickSave();
    expect.verifySteps([{ free: false, small: 1.5 }]);
});
