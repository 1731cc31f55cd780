import { beforeEach, describe, expect, test } from "@odoo/hoot";
import { click, queryAllTexts, queryText, setInputFiles, waitFor } from "@odoo/hoot-dom";
import { animationFrame, Deferred } from "@odoo/hoot-mock";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { makeServerError, mountWithCleanup, onRpc } from "@web/../tests/web_test_helpers";
import { batches, Upload } from "@steward_knowledge/upload/upload";

defineMailModels();
describe.current.tags("desktop");

const MB = 1024 * 1024;
const LABELS = "li .ms-auto";
let calls, answer;

beforeEach(() => {
    calls = [];
    answer = (files) => files.map(() => ({ state: "accepted" }));
    onRpc("steward.source", "upload", ({ args: [ids, files] }) => {
        calls.push([ids, files.map(({ name, content }) => [name, atob(content)])]);
        return answer(files);
    });
});

async function choose(...files) {
    await mountWithCleanup(Upload, {
        props: { action: { params: { source_id: 7, largest: 20 } } },
    });
    await click("button:contains(Choose files)");
    await setInputFiles(files);
}

test("each file tells what became of it", async () => {
    answer = () => [
        { state: "accepted" },
        { state: "unchanged" },
        { state: "refused", reason: "It is no text." },
    ];
    await choose(new File(["# Tea"], "tea.md"), new File(["x"], "b.md"), new File(["\0"], "c.md"));
    await waitFor("li:contains(It is no text.)");
    expect(calls).toEqual([
        [[7], [["tea.md", "# Tea"], ["b.md", "x"], ["c.md", "\0"]]],
    ]);
    expect(queryAllTexts(LABELS)).toEqual(["Accepted", "Is here already", "It is no text."]);
    expect(queryText(".small.text-muted.mb-2")).toBe("3 of 3 files");
});

test("what is too large is not sent", async () => {
    await choose(new File(["x".repeat(21)], "large.md"), new File(["x"], "small.md"));
    await waitFor("li:contains(Accepted)");
    expect(calls).toEqual([[[7], [["small.md", "x"]]]]);
    expect(queryAllTexts(LABELS)).toEqual(["It is too large.", "Accepted"]);
});

test("one cannot leave while files are sent", async () => {
    const sent = new Deferred();
    answer = async (files) => {
        await sent;
        return files.map(() => ({ state: "accepted" }));
    };
    await choose(new File(["x"], "a.md"));
    await waitFor("li:contains(Being sent)");
    expect("button:contains(Close)").not.toBeEnabled();
    sent.resolve();
    await waitFor("li:contains(Accepted)");
    await animationFrame();
    expect("button:contains(Close)").toBeEnabled();
});

test("a server that refuses", async () => {
    answer = () => {
        throw makeServerError({ message: "Only Operators add files." });
    };
    await choose(new File(["x"], "a.md"));
    await waitFor("li:contains(Only Operators add files.)");
    expect("button:contains(Close)").toBeEnabled();
});

test("files are sent in calls that are neither large nor many", () => {
    const sizes = (files) => batches(files).map((batch) => batch.map(({ size }) => size / MB));
    expect(sizes([])).toEqual([]);
    expect(sizes([3, 3, 1, 9, 1].map((size) => ({ size: size * MB })))).toEqual([
        [3],
        [3, 1],
        [9],
        [1],
    ]);
    expect(batches(Array(120).fill({ size: 1 })).map((batch) => batch.length)).toEqual([
        50, 50, 20,
    ]);
});
