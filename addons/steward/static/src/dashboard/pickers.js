import { Component, useState } from "@odoo/owl";
import { CheckboxItem } from "@web/core/dropdown/checkbox_item";
import { DateTimeInput } from "@web/core/datetime/datetime_input";
import { Dropdown } from "@web/core/dropdown/dropdown";
import { DropdownItem } from "@web/core/dropdown/dropdown_item";
import { formatDate } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";

const { DateTime } = luxon;
const PERIODS = [
    ["hour", _t("Last hour")],
    ["day", _t("Last 24 hours")],
    ["week", _t("Last 7 days")],
    ["month", _t("Last 30 days")],
];

/**
 * From the start of one day to the end of another, as the server reads it.
 *
 * @param {DateTime} first
 * @param {DateTime} last
 */
export function intervalOf(first, last) {
    const iso = (moment) =>
        moment.toUTC().toISO({ suppressMilliseconds: true, suppressSeconds: true });
    return `${iso(first.startOf("day"))}/${iso(last.startOf("day").plus({ days: 1 }))}`;
}

/** The days of such an interval; today for anything else. */
export function daysOf(period) {
    const [first, last] = period.split("/").map((text) => DateTime.fromISO(text));
    return first?.isValid && last?.isValid
        ? [first, last.minus({ seconds: 1 })]
        : [DateTime.local(), DateTime.local()];
}

export class PeriodPicker extends Component {
    static template = "steward.PeriodPicker";
    static components = { DateTimeInput, Dropdown, DropdownItem };
    static props = { period: String, choose: Function };

    setup() {
        this.periods = PERIODS;
        this.state = useState({ custom: this.props.period.includes("/") });
    }

    get title() {
        const named = PERIODS.find(([name]) => name === this.props.period);
        if (named) {
            return named[1];
        }
        if (!this.props.period.includes("/")) {
            return _t("Choose a period");
        }
        const [first, last] = daysOf(this.props.period).map((day) => formatDate(day));
        return first === last ? first : `${first} – ${last}`;
    }
    get days() {
        return daysOf(this.props.period);
    }
    get today() {
        return DateTime.local();
    }

    chooseNamed(name) {
        this.state.custom = false;
        this.props.choose(name);
    }

    /** @param {0 | 1} which end */
    chooseDay(which, day) {
        if (!day) {
            return;
        }
        const days = this.days;
        days[which] = day;
        if (days[0] > days[1]) {
            days[1 - which] = day; // whoever moves one end past the other means this day
        }
        this.props.choose(intervalOf(...days));
    }
}

export class CompanyPicker extends Component {
    static template = "steward.CompanyPicker";
    static components = { CheckboxItem, Dropdown };
    static props = { companies: Array, chosen: Array, choose: Function };

    get title() {
        const chosen = this.props.companies.filter(({ id }) => this.props.chosen.includes(id));
        return chosen.map(({ name }) => name).join(", ") || _t("All companies");
    }

    toggle(id) {
        const chosen = this.props.chosen.includes(id)
            ? this.props.chosen.filter((other) => other !== id)
            : [...this.props.chosen, id];
        // all of them is the same as none in particular
        this.props.choose(chosen.length === this.props.companies.length ? [] : chosen);
    }
}
