import { expect, test } from "@odoo/hoot";
import { press, queryAllTexts } from "@odoo/hoot-dom";
import { animationFrame } from "@odoo/hoot-mock";
import {
    contains,
    defineModels,
    fields,
    models,
    mountView,
    onRpc,
} from "@web/../tests/web_test_helpers";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";

const row = (key, title, depth = 0) => ({
    key,
    title,
    depth,
    kind: "tool",
    detail: "",
    line: Number(key[0]),
});

class Playbook extends models.Model {
    _name = "steward.playbook";
    text = fields.Text();
    steps = fields.Json();
    _records = [
        {
            id: 1,
            text: "abc",
            steps: [row("1", "Find"), row("1.1", "Look", 1), row("2", "Tell")],
        },
    ];
    _onChanges = {
        text(record) {
            record.steps = [row("1", "Tell"), row("2", "Find"), row("2.1", "Look", 1)];
        },
    };
}
defineMailModels();
defineModels([Playbook]);

const view = () =>
    mountView({
        type: "form",
        resModel: "steward.playbook",
        resId: 1,
        arch: `<form>
            <field name="text" />
            <field name="steps" widget="steward_playbook_steps" />
        </form>`,
    });

const titles = () => queryAllTexts(".o_steward_step .fw-bold");

test("steps stand with what is below them", async () => {
    await view();
    expect(titles()).toEqual(["Find", "Tell"]);
    expect(".o_steward_step:first-child").toHaveText(/Look/);
});

test("dragging a step rewrites the text", async () => {
    onRpc("steward.playbook", "move_step", ({ args }) => {
        expect.step(args);
        return "moved";
    });
    await view();
    await contains(".o_steward_step:first-child .o_row_handle").dragAndDrop(
        ".o_steward_step:last-child"
    );
    expect.verifySteps([["abc", 0, 1]]);
    expect("[name=text] textarea").toHaveValue("moved");
    expect(titles()).toEqual(["Tell", "Find"]);
});

test("and so does the keyboard", async () => {
    onRpc("steward.playbook", "move_step", ({ args }) => {
        expect.step(args);
        return "moved";
    });
    await view();
    await contains(".o_steward_step:last-child .o_row_handle").focus();
    await press("ArrowUp");
    await animationFrame();
    expect.verifySteps([["abc", 1, 0]]);
});
