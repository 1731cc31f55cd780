/**
 * @typedef {Object} Step a step of a run, as `steward.run.trace` tells it
 * @property {number} id
 * @property {string} span
 * @property {string} parent its span; empty: none
 * @property {string} kind
 * @property {string} name
 * @property {string} status
 * @property {number} start ms since 1970
 * @property {number | false} duration ms
 * @property {string} model
 * @property {number | false} tokens_in
 * @property {number | false} tokens_out
 * @property {number | false} cost US dollars; false: none, or not known
 * @property {string} cost_source
 */

/**
 * @typedef {Object} Line a step as it is shown
 * @property {Step} step
 * @property {number} depth
 * @property {boolean} hasChildren
 * @property {boolean} matches false: it is here for the steps below it
 */

/** All steps of a run, and how they hang together. */
export class Steps {
    constructor() {
        this.clear();
    }

    clear() {
        /** @type {Step[]} */
        this.all = [];
        this.byId = new Map();
        this.last = 0; // the highest id
        this.origin = Infinity; // when the first one began
        this.end = -Infinity;
        this.tree = null;
    }

    /**
     * @param {Record<string, Array>} columns the same value of each step, by name
     * @returns {number} how many of them are new
     */
    add(columns) {
        const names = Object.keys(columns);
        const before = this.all.length;
        columns.id.forEach((id, index) => {
            if (this.byId.has(id)) {
                return;
            }
            const step = {};
            for (const name of names) {
                step[name] = columns[name][index];
            }
            this.byId.set(id, step);
            this.all.push(step);
            this.last = Math.max(this.last, id);
            this.origin = Math.min(this.origin, step.start);
            this.end = Math.max(this.end, step.start + (step.duration || 0));
        });
        this.tree = null;
        return this.all.length - before;
    }

    /** Which step is below which; made when it is needed. */
    grow() {
        if (this.tree) {
            return this.tree;
        }
        const steps = [...this.all].sort((a, b) => a.start - b.start || a.id - b.id);
        const bySpan = new Map(steps.map((step) => [step.span, step]));
        const parentOf = new Map();
        const children = new Map();
        const roots = [];
        for (const step of steps) {
            const parent = bySpan.get(step.parent);
            // a parent that was never told of, or a circle: shown at the top
            if (!parent || isAbove(step, parent, parentOf)) {
                roots.push(step);
                continue;
            }
            parentOf.set(step, parent);
            if (!children.has(parent)) {
                children.set(parent, []);
            }
            children.get(parent).push(step);
        }
        this.tree = { roots, children, parentOf };
        return this.tree;
    }

    /**
     * The lines to show, from top to bottom.
     *
     * @param {(step: Step) => boolean} [matches] without: all
     * @param {Set<string>} [folded] spans whose steps are hidden, unless one is sought
     * @returns {Line[]}
     */
    lines(matches, folded = new Set()) {
        const { roots, children, parentOf } = this.grow();
        let kept;
        if (matches) {
            kept = new Set();
            for (const step of this.all.filter(matches)) {
                for (let s = step; s && !kept.has(s); s = parentOf.get(s)) {
                    kept.add(s);
                }
            }
        }
        const lines = [];
        // no recursion: agents may hand over thousands of times
        const stack = roots.map((step) => [step, 0]).reverse();
        while (stack.length) {
            const [step, depth] = stack.pop();
            if (kept && !kept.has(step)) {
                continue;
            }
            const below = children.get(step) || [];
            lines.push({
                step,
                depth,
                hasChildren: below.length > 0,
                matches: !matches || matches(step),
            });
            if (kept || !folded.has(step.span)) {
                for (let index = below.length - 1; index >= 0; index--) {
                    stack.push([below[index], depth + 1]);
                }
            }
        }
        return lines;
    }
}

function isAbove(step, other, parentOf) {
    for (let s = other; s; s = parentOf.get(s)) {
        if (s === step) {
            return true;
        }
    }
    return false;
}

/**
 * What somebody looks for, as a function; undefined: nothing in particular.
 *
 * @param {{kind?: string, failed?: boolean, text?: string}} filter
 */
export function matcher({ kind, failed, text }) {
    const words = (text || "").toLowerCase().split(/\s+/).filter(Boolean);
    if (!kind && !failed && !words.length) {
        return undefined;
    }
    return (step) => {
        if ((kind && step.kind !== kind) || (failed && step.status !== "error")) {
            return false;
        }
        const said = `${step.name} ${step.model}`.toLowerCase();
        return words.every((word) => said.includes(word));
    };
}
