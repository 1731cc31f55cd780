import { onMounted, onWillUnmount, useExternalListener } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { useService } from "@web/core/utils/hooks";

export const NEWS = "steward.dashboard"; // the channel and its messages, as on the server
export const NEWS_EVERY = 2000; // ms; changes within this time come with one message
export const POLL_EVERY = 60_000; // ms; what stops sends no message
const SHARE = 10; // of the time at most one tenth is spent asking

/**
 * Call `load` when the server has news, and once a minute without any; never while the
 * tab is hidden (but then at once when it is seen again), and never twice at a time.
 *
 * @param {() => Promise} load
 * @returns {() => Promise} refresh now, as after a click
 */
export function useRefresh(load) {
    const bus = useService("bus_service");
    let timer; // of the next call
    let dueAt = Infinity;
    let took = 0; // ms, of the last call
    let missed = false; // something was due while the tab was hidden
    let loading = 0;
    let alive = false;

    function schedule(wait) {
        const at = Date.now() + wait;
        if (alive && at < dueAt) {
            browser.clearTimeout(timer);
            dueAt = at;
            timer = browser.setTimeout(onDue, wait);
        }
    }
    function onDue() {
        dueAt = Infinity;
        if (document.visibilityState === "hidden") {
            missed = true;
        } else if (loading) {
            schedule(NEWS_EVERY);
        } else {
            return refresh();
        }
    }
    async function refresh() {
        browser.clearTimeout(timer);
        dueAt = Infinity;
        missed = false;
        loading++;
        const began = Date.now();
        try {
            await load();
        } finally {
            loading--;
            took = Date.now() - began;
            schedule(POLL_EVERY);
        }
    }
    function onNews() {
        if (document.visibilityState === "hidden") {
            missed = true;
        } else {
            schedule(Math.max(NEWS_EVERY, SHARE * took));
        }
    }
    function onSeen() {
        if (document.visibilityState !== "hidden" && missed) {
            return onDue();
        }
    }

    useExternalListener(document, "visibilitychange", onSeen);
    onMounted(() => {
        alive = true;
        bus.addChannel(NEWS);
        bus.subscribe(NEWS, onNews);
        onDue();
    });
    onWillUnmount(() => {
        alive = false;
        browser.clearTimeout(timer);
        bus.unsubscribe(NEWS, onNews);
        bus.deleteChannel(NEWS);
    });
    return refresh;
}
