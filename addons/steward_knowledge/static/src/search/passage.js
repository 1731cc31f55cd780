const SIZE = 340; // characters of a passage that are shown of a result

// signs of Markdown that only disturb in a few lines of text
const SIGNS = [
    /^[ \t]*(?:```|~~~)[^\n]{0,40}$/gm, // around code
    /^[ \t]*#{1,6}[ \t]+/gm, // before headings
    /^[ \t]*\|?(?:[ \t]*:?-{2,}:?[ \t]*\|?)+[ \t]*$/gm, // below a table's head
    /\*\*|__|`+/g,
    /!?\[(?=[^[\]\n]{0,400}\]\()/g, // around the words of links
    /\]\([^()\s]{0,2000}\)/g,
];

/**
 * A few lines of a passage around the words that were found, cut into pieces.
 *
 * Pieces are plain text: a passage may hold any markup, and none of it is ours.
 *
 * @param {string} text
 * @param {[number, number][]} [highlights] from and to, in characters
 * @param {number} [size]
 * @returns {{text: string, found: boolean}[]}
 */
export function piecesOf(text, highlights = [], size = SIZE) {
    const hidden = new Uint8Array(text.length);
    for (const sign of SIGNS) {
        for (const match of text.matchAll(sign)) {
            hidden.fill(1, match.index, match.index + match[0].length);
        }
    }
    const marked = new Uint8Array(text.length);
    for (const [from, to] of highlights) {
        marked.fill(1, Math.max(0, from), Math.max(0, to));
    }
    const [start, end] = windowOf(text, highlights, size);
    const pieces = [];
    const add = (found, words) => {
        const last = pieces.at(-1);
        if (last?.found === found) {
            last.text += words;
        } else {
            pieces.push({ text: words, found });
        }
    };
    if (start > 0) {
        add(false, "… ");
    }
    for (let from = start; from < end; ) {
        let to = from + 1;
        while (to < end && marked[to] === marked[from] && hidden[to] === hidden[from]) {
            to++;
        }
        if (!hidden[from]) {
            add(Boolean(marked[from]), text.slice(from, to));
        }
        from = to;
    }
    if (end < text.length) {
        add(false, " …");
    }
    return pieces;
}

/** From where to where most of what was found stands, at whole words. */
function windowOf(text, highlights, size) {
    if (text.length <= size * 1.2) {
        return [0, text.length];
    }
    const starts = highlights.map(([from]) => from).sort((a, b) => a - b);
    let best = 0;
    let most = 0;
    starts.forEach((from, index) => {
        const count = starts.slice(index).filter((other) => other < from + size * 0.8).length;
        if (count > most) {
            [best, most] = [from, count];
        }
    });
    let start = Math.max(0, Math.min(best - Math.round(size / 6), text.length - size));
    if (start) {
        const space = text.slice(start, best || undefined).search(/\s\S/);
        start += space < 0 ? 0 : space + 1;
    }
    let end = Math.min(text.length, start + size);
    if (end < text.length) {
        const space = text.slice(start, end).search(/\s\S*$/);
        end = space > 0 ? start + space : end;
    }
    return [start, end];
}
