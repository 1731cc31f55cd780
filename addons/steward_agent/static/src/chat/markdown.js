import { markup } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { escape } from "@web/core/utils/strings";

const LONGEST = 200_000; // characters that are laid out
const DEEPEST = 6; // of lists, quotes and words within words

/**
 * Where a link of an answer may lead: to a page of this Odoo's client, or, in a window of
 * its own, elsewhere. A model writes links, and what it read may have told it which.
 *
 * @param {string} url
 * @returns {{href: string, host: string} | undefined} host: of another site
 */
export function safeLink(url) {
    const { origin } = browser.location;
    let found;
    try {
        found = new URL(url, origin);
    } catch {
        return;
    }
    if (found.username || found.password || !/^https?:$/.test(found.protocol)) {
        return;
    }
    if (found.origin !== origin) {
        return { href: found.href, host: found.host };
    }
    // other addresses of our own do things when they are merely opened
    if (/^\/odoo(\/|$)/.test(found.pathname) && !found.pathname.includes("//")) {
        return { href: found.pathname + found.search + found.hash, host: "" };
    }
}

function anchor(url, label) {
    const link = safeLink(url);
    if (!link) {
        return label;
    }
    const { href, host } = link;
    const elsewhere = host ? ' target="_blank" rel="noopener noreferrer nofollow"' : "";
    const shown = host && !label.includes(escape(host)) ? ` <small>(${escape(host)})</small>` : "";
    return `<a href="${escape(href)}"${elsewhere}>${label}</a>${shown}`;
}

/** @param {Object} source as an answer's sources tell it */
export function sourceLink(source) {
    if (source.model) {
        return { href: `/odoo/${source.model}/${source.id}`, host: "" };
    }
    return safeLink(source.url || "");
}

// no two quantifiers here reach over the same letters: it takes as long as the text is
const INLINE = new RegExp(
    [
        "`{1,3}(?<code>[^`]+)`{1,3}",
        "!?\\[(?<label>[^\\[\\]\\n]{0,300})\\]\\((?<url>[^()\\s]{1,2000})\\)",
        "\\[(?<cite>\\d{1,3})\\]",
        "\\*\\*(?<bold>[^*\\n]+)\\*\\*",
        "(?<![\\w*])\\*(?<star>[^*\\s][^*\\n]*)\\*(?![\\w*])",
        "(?<![\\w_])_(?<line>[^_\\s][^_\\n]*)_(?![\\w_])",
        "~~(?<gone>[^~\\n]+)~~",
        "(?<auto>https?://[^\\s<>()\"'`]{1,2000}[^\\s<>()\"'`.,;:!?])",
    ].join("|"),
    "g"
);

function inline(text, sources, depth = 0) {
    if (depth > DEEPEST) {
        return escape(text);
    }
    const within = (part) => inline(part, sources, depth + 1);
    let html = "";
    let at = 0;
    for (const match of text.matchAll(INLINE)) {
        html += escape(text.slice(at, match.index));
        at = match.index + match[0].length;
        const { code, label, url, cite, bold, star, line, gone, auto } = match.groups;
        if (code !== undefined) {
            html += `<code>${escape(code)}</code>`;
        } else if (url !== undefined) {
            html += anchor(url, escape(label || url));
        } else if (cite !== undefined) {
            html += citation(Number(cite), sources);
        } else if (bold !== undefined) {
            html += `<strong>${within(bold)}</strong>`;
        } else if ((star ?? line) !== undefined) {
            html += `<em>${within(star ?? line)}</em>`;
        } else if (gone !== undefined) {
            html += `<s>${within(gone)}</s>`;
        } else {
            html += anchor(auto, escape(auto));
        }
    }
    return html + escape(text.slice(at));
}

function citation(number, sources) {
    const source = sources.find((one) => one.number === number);
    const link = source && sourceLink(source);
    if (!link) {
        return `[${number}]`;
    }
    const elsewhere = link.host ? ' target="_blank" rel="noopener noreferrer nofollow"' : "";
    return (
        `<a class="o_steward_cite" href="${escape(link.href)}"` +
        ` title="${escape(source.title)}"${elsewhere}>[${number}]</a>`
    );
}

const FENCE = /^\s{0,3}(```+|~~~+)/;
const HEADING = /^\s{0,3}(#{1,6})\s+(\S.*)$/;
const RULE = /^\s{0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^\s{0,3}>\s?/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(\S.*)$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

const isTableRule = (line = "") => line.length < 1000 && TABLE_RULE.test(line);
const cells = (line) =>
    line
        .trim()
        .replace(/^\|/, "")
        .replace(/\|$/, "")
        .split("|")
        .map((cell) => cell.trim());

function blocks(lines, sources, depth = 0) {
    if (depth > DEEPEST) {
        return `<p>${escape(lines.join("\n"))}</p>`;
    }
    const html = [];
    const write = (text) => inline(text, sources);
    let at = 0;
    while (at < lines.length) {
        const line = lines[at];
        const [fence] = FENCE.exec(line)?.slice(1) || [];
        const heading = HEADING.exec(line);
        if (!line.trim()) {
            at++;
        } else if (fence) {
            const from = ++at;
            while (at < lines.length && !lines[at].trim().startsWith(fence)) {
                at++;
            }
            html.push(`<pre><code>${escape(lines.slice(from, at).join("\n"))}</code></pre>`);
            at++;
        } else if (heading) {
            // below the headings of the page around
            const level = Math.min(6, heading[1].length + 3);
            html.push(`<h${level}>${write(heading[2])}</h${level}>`);
            at++;
        } else if (RULE.test(line)) {
            html.push("<hr/>");
            at++;
        } else if (QUOTE.test(line)) {
            const quoted = [];
            while (at < lines.length && QUOTE.test(lines[at])) {
                quoted.push(lines[at++].replace(QUOTE, ""));
            }
            html.push(`<blockquote>${blocks(quoted, sources, depth + 1)}</blockquote>`);
        } else if (ITEM.test(line)) {
            const from = at;
            const indent = ITEM.exec(line)[1].length;
            while (at < lines.length && belongs(lines[at], indent)) {
                at++;
            }
            html.push(list(lines.slice(from, at), sources, depth));
        } else if (line.includes("|") && isTableRule(lines[at + 1])) {
            const row = (text, cell) =>
                `<tr>${cells(text)
                    .map((one) => `<${cell}>${write(one)}</${cell}>`)
                    .join("")}</tr>`;
            const head = row(line, "th");
            const body = [];
            for (at += 2; at < lines.length && lines[at].includes("|"); at++) {
                body.push(row(lines[at], "td"));
            }
            html.push(
                '<div class="table-responsive"><table class="table table-sm">' +
                    `<thead>${head}</thead><tbody>${body.join("")}</tbody></table></div>`
            );
        } else {
            const from = at++;
            while (at < lines.length && lines[at].trim() && !begins(lines[at])) {
                at++;
            }
            html.push(`<p>${lines.slice(from, at).map(write).join("<br/>")}</p>`);
        }
    }
    return html.join("");
}

function begins(line) {
    return [FENCE, HEADING, RULE, QUOTE, ITEM].some((block) => block.test(line));
}
function belongs(line, indent) {
    const item = ITEM.exec(line);
    return item ? item[1].length >= indent : /^\s{2,}\S/.test(line);
}

function list(lines, sources, depth) {
    const [, { length: indent }, sign] = ITEM.exec(lines[0]);
    const items = [];
    for (const line of lines) {
        const item = ITEM.exec(line);
        if (item && item[1].length === indent) {
            items.push([item[3]]);
        } else {
            items.at(-1).push(line);
        }
    }
    const tag = /\d/.test(sign) ? "ol" : "ul";
    const start = tag === "ol" && parseInt(sign) !== 1 ? ` start="${parseInt(sign)}"` : "";
    const inner = items.map(([first, ...rest]) => {
        const below = rest.length ? blocks(rest, sources, depth + 1) : "";
        return `<li>${inline(first, sources)}${below}</li>`;
    });
    return `<${tag}${start}>${inner.join("")}</${tag}>`;
}

/**
 * What a model wrote, laid out. Each letter of it is escaped, each tag is one of ours, and
 * nothing is loaded from anywhere: pictures are shown as links.
 *
 * @param {string} text Markdown
 * @param {Object[]} [sources] what numbers in brackets refer to
 */
export function layOut(text, sources = []) {
    const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
    return markup(blocks(cut.split(/\r\n?|\n/), sources));
}
