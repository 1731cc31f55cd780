import { onMounted, onWillUnmount, useExternalListener } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { useService } from "@web/core/utils/hooks";

export const CHANGED = "steward.run"; // the bus's messages, as on the server
export const POLL_EVERY = 5_000; // ms, while a run goes on: no message is not no news
const PAUSE = 200; // ms between two questions at least

/**
 * Load the steps of a run, and then what is new of it as soon as there is something.
 *
 * @param {number} runId
 * @param {import("./steps").Steps} steps filled by this
 * @param {{onRun: (run: Object) => void, onError: (error: Error) => void}} listener
 *  called with each answer, after its steps were added
 * @returns {() => Promise<void>} look now
 */
export function useFeed(runId, steps, { onRun, onError }) {
    const orm = useService("orm");
    const bus = useService("bus_service");
    const channel = `steward.run_${runId}`;
    let alive = true;
    let loading = false;
    let again = false; // there was news while we asked
    let over = false;
    let counted = 0; // steps that the server told of when we last began anew
    let timer;
    let dueAt = Infinity; // when it rings

    async function load() {
        if (loading) {
            again = true;
            return;
        }
        loading = true;
        again = false;
        browser.clearTimeout(timer);
        dueAt = Infinity;
        try {
            await loadNew();
        } catch (error) {
            if (alive) {
                onError(error);
            }
        } finally {
            loading = false;
            if (again || !over) {
                plan(again ? PAUSE : POLL_EVERY);
            }
        }
    }

    async function loadNew() {
        const whole = !steps.last;
        let told;
        do {
            told = await orm.silent.call("steward.run", "trace", [runId, steps.last]);
            if (!alive) {
                return;
            }
            steps.add(told.columns);
            over = told.run.is_over;
            onRun(told.run, told.more);
        } while (told.more);
        // ids grow, but may begin anew after two thousand millions
        if (!whole && steps.all.length < told.run.steps && counted !== told.run.steps) {
            counted = told.run.steps;
            steps.clear();
            await loadNew();
        }
    }

    /** Look after a while, or earlier if that is planned already: news do not put it off. */
    function plan(wait) {
        const at = Date.now() + wait;
        if (alive && at < dueAt) {
            browser.clearTimeout(timer);
            dueAt = at;
            timer = browser.setTimeout(look, wait);
        }
    }
    function look() {
        dueAt = Infinity;
        if (document.visibilityState === "hidden") {
            again = true; // as soon as it is seen
        } else {
            return load();
        }
    }
    function onNews({ id }) {
        if (id === runId) {
            again = true;
            if (!loading) {
                plan(PAUSE);
            }
        }
    }

    useExternalListener(document, "visibilitychange", () => {
        if (document.visibilityState !== "hidden" && again) {
            return load();
        }
    });
    onMounted(() => {
        bus.addChannel(channel);
        bus.subscribe(CHANGED, onNews);
        load();
    });
    onWillUnmount(() => {
        alive = false;
        browser.clearTimeout(timer);
        bus.unsubscribe(CHANGED, onNews);
        bus.deleteChannel(channel);
    });
    return load;
}
