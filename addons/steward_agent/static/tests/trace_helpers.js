/** Columns of steps, each given as [id, span, parent, start, more]. */
export function columnsOf(...rows) {
    const columns = {};
    for (const [id, span, parent = "", start = id, more = {}] of rows) {
        const step = {
            id,
            span,
            parent,
            kind: "tool_call",
            name: `step ${span}`,
            status: "ok",
            start,
            duration: 1,
            model: "",
            tokens_in: false,
            tokens_out: false,
            cost: false,
            cost_source: "",
            ...more,
        };
        for (const [name, value] of Object.entries(step)) {
            (columns[name] ||= []).push(value);
        }
    }
    return columns;
}
