import { _t } from "@web/core/l10n/translation";
import { formatFloat } from "@web/core/utils/numbers";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function number(value, digits) {
    return formatFloat(value, { digits: [16, digits], trailingZeros: false });
}

/** @param {number} ms how long something took */
export function formatDuration(ms) {
    if (ms < SECOND) {
        return _t("%s ms", number(ms, ms < 10 ? 1 : 0));
    }
    if (ms < MINUTE) {
        return _t("%s s", number(ms / SECOND, ms < 10 * SECOND ? 2 : 1));
    }
    if (ms < HOUR) {
        return _t("%(minutes)s min %(seconds)s s", {
            minutes: Math.floor(ms / MINUTE),
            seconds: Math.floor((ms % MINUTE) / SECOND),
        });
    }
    if (ms < DAY) {
        return _t("%(hours)s h %(minutes)s min", {
            hours: Math.floor(ms / HOUR),
            minutes: Math.floor((ms % HOUR) / MINUTE),
        });
    }
    return _t("%(days)s d %(hours)s h", {
        days: Math.floor(ms / DAY),
        hours: Math.floor((ms % DAY) / HOUR),
    });
}

/**
 * Prices of steps are tiny: three digits that count, and cents from a dollar on.
 *
 * @param {number} usd
 */
export function formatMoney(usd) {
    const small = usd && Math.abs(usd) < 1;
    const digits = small ? Math.min(9, 2 - Math.floor(Math.log10(Math.abs(usd)))) : 2;
    return `$${formatFloat(usd, { digits: [16, digits], trailingZeros: !small })}`;
}

/**
 * What something cost, of which a part may have no known price.
 *
 * @param {number | false} usd the known part
 * @param {number} unpriced how many calls have no known price
 */
export function formatCost(usd, unpriced) {
    if (!unpriced) {
        return formatMoney(usd || 0);
    }
    return usd ? _t("at least %s", formatMoney(usd)) : _t("unknown");
}
