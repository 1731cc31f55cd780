const { DateTime } = luxon;

const MANY = 1000; // steps of a trace that is copied without inputs and outputs
export const DETAILS = [
    "provider",
    "tokens_cached",
    "input",
    "output",
    "error_type",
    "error_message",
    "category",
    "attributes",
    "attempt",
    "iteration",
    "step_key",
];

/** What was written down, as a value if it is one. */
export function parsed(text) {
    if (typeof text !== "string") {
        return text;
    }
    try {
        return JSON.parse(text);
    } catch {
        return text; // words, or JSON that was cut off
    }
}

// a run's state in the words of a report
const STATUS = {
    completed: "ok",
    failed: "error",
    lost: "error",
    timed_out: "timed_out",
    cancelled: "cancelled",
    terminated: "cancelled",
    paused: "paused",
};

const moment = (ms) => DateTime.fromMillis(ms, { zone: "utc" }).toISO();

/**
 * One step as `steward.run.report` takes it; what is not known is left out.
 *
 * @param {string} traceId
 * @param {import("./steps").Step} step
 * @param {Object} [details] the rest of it
 */
export function stepOf(traceId, step, details = {}) {
    const told = {
        trace_id: traceId,
        span_id: step.span,
        parent_span_id: step.parent,
        kind: step.kind,
        name: step.name,
        started_at: moment(step.start),
        duration_ms: step.duration,
        status: step.status,
        model: step.model,
        tokens_in: step.tokens_in,
        tokens_out: step.tokens_out,
        tokens_cached: details.tokens_cached || false,
        cost: step.cost,
        input: parsed(details.input ?? false),
        output: parsed(details.output ?? false),
        error_type: details.error_type || false,
        error_message: details.error_message || false,
        attributes: details.attributes || false,
    };
    return Object.fromEntries(
        Object.entries(told).filter(([, value]) => value !== false && value !== "")
    );
}

/**
 * A whole trace as `steward.run.report` takes it.
 *
 * @returns {Promise<{batch: Object, whole: boolean}>} whole: with inputs and outputs
 */
export async function batchOf(orm, run, steps) {
    const whole = steps.length <= MANY;
    const details = new Map();
    if (whole && steps.length) {
        const ids = steps.map((step) => step.id);
        for (const row of await orm.read("steward.step", ids, DETAILS)) {
            details.set(row.id, row);
        }
    }
    const [head] = await orm.read(
        "steward.run",
        [run.id],
        ["agent_name", "task", "output", "error", "session"]
    );
    const { agent_name: agent, task, output, error, session } = head;
    const told = {
        trace_id: run.trace_id,
        agent,
        ...(run.start && { started_at: moment(run.start) }),
        ...(run.end && { ended_at: moment(run.end) }),
        status: STATUS[run.state] || "running",
        ...Object.fromEntries(
            Object.entries({ task, output, error, session }).filter(([, value]) => value)
        ),
    };
    return {
        batch: {
            runs: [told],
            steps: steps.map((step) => stepOf(run.trace_id, step, details.get(step.id))),
        },
        whole,
    };
}
