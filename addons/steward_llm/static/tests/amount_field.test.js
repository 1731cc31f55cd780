import { expect, test } from "@odoo/hoot";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
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

defineMailModels();
defineModels([Price]);
// the mock server makes 0 of false, the real one does not
onRpc("price", "web_read", () => [{ id: 1, free: 0, small: 0.0375, unknown: false }]);

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
    await contains("[name=small] input").edit("", { confirm: "blur" });
    await contains("[name=unknown] input").edit("0", { confirm: "blur" });
    await clickSave();
    expect.verifySteps([{ small: false, unknown: 0 }]);
});

test("pivots show no more places than say something", async () => {
    await mountView({
        type: "pivot",
        resModel: "price",
        arch: `<pivot><field name="small" type="measure" widget="steward_amount"/></pivot>`,
    });
    expect(".o_pivot_cell_value").toHaveText("0.0375");
});
