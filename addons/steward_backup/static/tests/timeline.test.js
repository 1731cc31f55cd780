import { beforeEach, expect, test } from "@odoo/hoot";
import { queryAll, queryAllTexts, queryFirst } from "@odoo/hoot-dom";
import { animationFrame, mockDate } from "@odoo/hoot-mock";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import {
    contains,
    getService,
    mountWithCleanup,
    onRpc,
    patchWithCleanup,
} from "@web/../tests/web_test_helpers";
import { WebClient } from "@web/webclient/webclient";

defineMailModels();

const mark = (id, day, look, more = {}) => ({
    id,
    day,
    time: "02:00",
    look,
    level: "",
    size: 1e6,
    title: `02:00 · ${look}`,
    ...more,
});
let answer, asked, actions, isOperator;

beforeEach(() => {
    mockDate("2026-03-14 12:00:00");
    asked = [];
    actions = [];
    isOperator = true;
    const days = Array.from({ length: 14 }, (_, i) => `2026-03-${String(i + 1).padStart(2, "0")}`);
    answer = {
        days,
        rows: [
            {
                name: "Attic",
                marks: [
                    mark(1, "2026-03-02", "gone"),
                    mark(2, "2026-03-12", "good", { level: "restored", size: 9e6 }),
                    mark(3, "2026-03-13", "failed", { size: 0 }),
                    mark(4, "2026-03-13", "good", { level: "readback", size: 1e6 }),
                ],
            },
        ],
    };
    onRpc("has_group", () => isOperator);
    onRpc("steward.backup", "timeline", ({ args: [count] }) => {
        asked.push(count);
        return answer;
    });
    onRpc("steward.backup", "action_back_up_now", () => ({ res_id: 9 }));
});

async function open() {
    await mountWithCleanup(WebClient);
    await getService("action").doAction({
        type: "ir.actions.client",
        tag: "steward_backup.timeline",
    });
    await animationFrame();
    patchWithCleanup(getService("action"), {
        doAction: (action) => {
            actions.push(action.res_id);
        },
    });
}

test("a mark for each backup, on its day, with a colour and an icon", async () => {
    await open();
    expect(queryAll("tbody td")).toHaveLength(14);
    expect("td[data-day='2026-03-13'] .o_steward_mark").toHaveCount(2);
    expect("td[data-day='2026-03-13'] [data-look='failed'] .fa-times-circle").toHaveCount(1);
    expect("td[data-day='2026-03-13'] [data-look='failed'] .fa").toHaveClass("text-danger");
    expect("td[data-day='2026-03-12'] .fa-certificate").toHaveCount(1);
    expect("td[data-day='2026-03-03'] .o_steward_mark").toHaveCount(0, { message: "a gap" });
    const marks = queryAll("[data-look='good']").map((m) => parseFloat(m.style.fontSize));
    expect(marks[0]).toBeGreaterThan(marks[1]);
    expect(queryFirst("[data-look='gone']").getAttribute("aria-label")).toBe(
        "2026-03-02 02:00 · gone"
    );
    expect(".o_steward_timeline_legend").toHaveText(/Restored for real.*Failed/s);
});

test("a click opens the backup", async () => {
    await open();
    await contains("[data-look='failed']").click();
    expect(actions).toEqual([3]);
});

test("fewer or more days", async () => {
    await open();
    expect(asked).toEqual([30]);
    await contains(".btn-group button:contains('90 days')").click();
    await animationFrame();
    expect(asked).toEqual([30, 90]);
    expect(queryAllTexts(".btn-group .active")).toEqual(["90 days"]);
});

test("without any it says what to do", async () => {
    answer.rows = [];
    await open();
    expect(".o_steward_timeline_empty").toHaveText(/Press “Back up now”/);
    await contains(".o_steward_back_up").click();
    expect(actions).toEqual([9]);
});

test("who may not make backups has no button", async () => {
    isOperator = false;
    await open();
    expect(".o_steward_back_up").toHaveCount(0);
});
