import { Component, onMounted, onWillUnmount, useEffect, useRef, useState } from "@odoo/owl";
import { loadBundle } from "@web/core/assets";
import { getColor } from "@web/core/colors/colors";
import { deserializeDateTime, formatDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";
import { formatFloat } from "@web/core/utils/numbers";

// the same colour and icon for the same meaning everywhere; never colour alone
const LOOKS = {
    ok: { icon: "fa-check-circle", color: "text-success", word: _t("Works") },
    degraded: { icon: "fa-exclamation-triangle", color: "text-warning", word: _t("Look at it") },
    failed: { icon: "fa-times-circle", color: "text-danger", word: _t("Failed") },
    unknown: { icon: "fa-question-circle", color: "text-muted", word: _t("Unknown") },
};

export function lookOf(status) {
    return LOOKS[status] || LOOKS.unknown;
}

/**
 * @param {number} value
 * @param {number} [digits] after the point, at most
 */
export function formatNumber(value, digits = 1) {
    const humanReadable = Math.abs(value) >= 100_000;
    const options = { digits: [16, digits], decimals: 1, trailingZeros: false, humanReadable };
    return formatFloat(value, options);
}

/**
 * How many digits after the point tell the lines of a scale apart.
 *
 * @param {{value: number}[]} ticks
 */
export function digitsOf(ticks) {
    const step = ticks.length > 1 ? Math.abs(ticks[1].value - ticks[0].value) : 1;
    return Math.max(1, Math.ceil(-Math.log10(step)));
}

/**
 * What became of a number since the period before; null when that is not known.
 *
 * @param {{value?: number, before?: number}} data
 * @param {"up" | "down"} [better] which way is good, if one is
 */
export function trendOf({ value, before }, better) {
    if (typeof value !== "number" || typeof before !== "number") {
        return null;
    }
    if (value === before) {
        return { icon: "fa-arrow-right", color: "text-muted", text: _t("unchanged"), word: "" };
    }
    const up = value > before;
    const share = before ? Math.abs((value - before) / before) * 100 : 0;
    const trend = {
        icon: up ? "fa-arrow-up" : "fa-arrow-down",
        text: share ? _t("%s %", formatNumber(share, share < 10 ? 1 : 0)) : "",
        color: "text-muted",
        word: up ? _t("more") : _t("less"),
    };
    if (better) {
        const good = up === (better === "up");
        trend.color = good ? "text-success" : "text-danger";
        trend.word = good ? _t("better") : _t("worse");
    }
    return trend;
}

const bodyProps = { card: Object, data: Object, open: Function };

class NumberBody extends Component {
    static template = "steward.NumberBody";
    static props = { ...bodyProps, period: { type: Object, optional: true } };

    get known() {
        return typeof this.props.data.value === "number";
    }
    get trend() {
        return trendOf(this.props.data, this.props.card.better);
    }
    get unit() {
        return String(this.props.data.unit || this.props.card.unit || "");
    }
    format(value) {
        return formatNumber(value, this.props.card.digits);
    }
}

class StatusBody extends Component {
    static template = "steward.StatusBody";
    static props = { ...bodyProps, period: { type: Object, optional: true } };
    look = lookOf;

    format(value) {
        return typeof value === "number" ? formatNumber(value) : value;
    }
}

class TableBody extends Component {
    static template = "steward.TableBody";
    static props = { ...bodyProps, period: { type: Object, optional: true } };
    look = lookOf;

    cellClass(column) {
        return {
            "text-end": column.kind === "number",
            "d-none d-md-table-cell": column.secondary,
        };
    }
    get more() {
        return (this.props.data.total || 0) - this.props.data.rows.length;
    }
    format(value, column) {
        if (value === undefined || value === false) {
            return "";
        }
        if (column.kind === "moment") {
            return deserializeDateTime(value).toRelative();
        }
        return column.kind === "number" ? formatNumber(value, column.digits) : value;
    }
}

class ChartBody extends Component {
    static template = "steward.ChartBody";
    static props = { ...bodyProps, period: { type: Object, optional: true } };

    setup() {
        this.canvas = useRef("canvas");
        this.legend = useRef("legend");
        this.state = useState({ ready: false });
        // the numbers around need not wait for the library
        onMounted(async () => {
            await loadBundle("web.chartjs_lib");
            this.state.ready = true;
        });
        useEffect(
            (ready) => ready && this.draw(),
            () => [this.state.ready, this.props.data]
        );
        onWillUnmount(() => this.chart?.destroy());
    }

    /** A value of the chart, a digit more exact than its scale. */
    format({ raw, chart }) {
        return formatNumber(raw, digitsOf(chart.scales.y.ticks) + 1);
    }

    get unit() {
        return String(this.props.data.unit || this.props.card.unit || "");
    }
    get description() {
        return this.props.data.series.map((serie) => serie.name).join(", ");
    }

    look(serie, index) {
        return serie.status
            ? { class: lookOf(serie.status).color, style: "" }
            : { class: "", style: `color: ${getColor(index, "", "sm")}` };
    }

    label(moment) {
        const day = this.props.period?.step > 3600; // of days, the date says more
        return deserializeDateTime(moment).toLocaleString(
            day ? { day: "numeric", month: "short" } : { hour: "numeric", minute: "2-digit" }
        );
    }

    /** Draw, or change in place what is drawn: a gap stays a gap. */
    draw() {
        // colours come from the page, which knows whether it is dark
        const colors = [...this.legend.el.querySelectorAll("i")].map(
            (icon) => getComputedStyle(icon).color
        );
        const { labels, series } = this.props.data;
        const datasets = series.map((serie, index) => ({
            label: serie.name,
            data: serie.values.map((value) => (value === false ? null : value)),
            backgroundColor: colors[index],
            borderColor: colors[index],
        }));
        this.moments = labels;
        const data = { labels: labels.map((moment) => this.label(moment)), datasets };
        if (this.chart?.data.datasets.length === datasets.length) {
            this.chart.data.labels = data.labels;
            datasets.forEach((set, index) => Object.assign(this.chart.data.datasets[index], set));
            this.chart.update("none");
            return;
        }
        this.chart?.destroy();
        this.chart = new Chart(this.canvas.el, this.config(data));
    }

    config(data) {
        const { color } = getComputedStyle(this.canvas.el);
        const line = getComputedStyle(this.canvas.el.closest(".card")).borderTopColor;
        const stacked = Boolean(this.props.card.stacked);
        return {
            type: this.props.card.chart || "bar",
            data,
            options: {
                animation: false,
                maintainAspectRatio: false,
                spanGaps: false,
                borderWidth: this.props.card.chart === "line" ? 2 : 0,
                interaction: { mode: "index", intersect: false },
                elements: { point: { radius: 2 } },
                scales: {
                    x: {
                        stacked,
                        grid: { display: false },
                        border: { color: line },
                        ticks: { color, maxRotation: 0, autoSkipPadding: 12 },
                    },
                    y: {
                        stacked,
                        beginAtZero: true,
                        grid: { color: line },
                        border: { display: false },
                        ticks: {
                            color,
                            maxTicksLimit: 5,
                            callback: (tick, _index, all) => formatNumber(tick, digitsOf(all)),
                        },
                    },
                },
                plugins: {
                    legend: { display: false }, // ours is above, in words
                    tooltip: {
                        callbacks: {
                            title: ([item]) =>
                                formatDateTime(deserializeDateTime(this.moments[item.dataIndex])),
                            label: (item) =>
                                `${item.dataset.label}: ${this.format(item)} ${this.unit}`,
                        },
                    },
                },
            },
        };
    }
}

const BODIES = { number: NumberBody, chart: ChartBody, table: TableBody, status: StatusBody };
const EMPTY = {
    number: () => false, // an unknown number says so itself
    chart: ({ series }) => !series.some((serie) => serie.values.some(Boolean)),
    table: ({ rows }) => !rows.length,
    status: ({ parts }) => !parts.length,
};

/** The frame of a card: title, and what becomes of it: skeleton, error, nothing, or all. */
export class Card extends Component {
    static template = "steward.Card";
    static props = {
        card: Object,
        data: { type: Object, optional: true }, // none: not there yet
        period: { type: Object, optional: true },
        retry: Function,
    };

    setup() {
        this.action = useService("action");
        this.open = this.open.bind(this);
    }

    emptyText = _t("There is nothing to show for this period.");

    get body() {
        return BODIES[this.props.card.kind];
    }
    get isEmpty() {
        return EMPTY[this.props.card.kind](this.props.data);
    }
    get titleAction() {
        return this.props.data?.action || this.props.card.action;
    }

    /** @param {string | {ref: string, domain?: Array, res_id?: number, context?: Object}} target */
    async open(target) {
        if (typeof target === "string") {
            return this.action.doAction(target);
        }
        const { ref, domain, res_id: resId, context = {} } = target;
        const action = await this.action.loadAction(ref, context);
        if (domain) {
            // the records behind the number, whatever the action filters by default
            Object.assign(action, { domain, context });
        }
        const options = resId ? { viewType: "form", props: { resId } } : {};
        return this.action.doAction(action, options);
    }
}
