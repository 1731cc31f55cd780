import { Component, onWillStart, useState } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { router } from "@web/core/browser/router";
import { registry } from "@web/core/registry";
import { user } from "@web/core/user";
import { KeepLast } from "@web/core/utils/concurrency";
import { useService } from "@web/core/utils/hooks";
import { _t } from "@web/core/l10n/translation";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";
import { Card } from "./card";
import { CompanyPicker, PeriodPicker } from "./pickers";
import { useRefresh } from "./refresh";

const STORED_AS = "steward.dashboard";
const COLUMNS = {
    small: "col-6 col-lg-3",
    medium: "col-12 col-lg-6 flex-grow-1", // to the edge, where it is left alone
    wide: "col-12",
};

/**
 * The first page of the app, which people keep open: what to do first, and cards.
 *
 * Cards come from the registry category "steward.cards", first steps from
 * "steward.first_steps"; what they show comes with one call of `steward.dashboard.data`.
 */
export class StewardDashboard extends Component {
    static template = "steward.Dashboard";
    static components = { Card, CompanyPicker, Layout, PeriodPicker };
    static props = { ...standardActionServiceProps };

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.display = { controlPanel: {} };
        this.companies = user.activeCompanies;
        this.keepLast = new KeepLast();
        this.state = useState({
            ...this.restored(),
            steps: {},
            cards: {},
            span: undefined,
            waiting: false, // for another choice's numbers
            error: "",
        });
        onWillStart(async () => {
            [this.cards, this.steps] = await Promise.all([
                visible("steward.cards"),
                visible("steward.first_steps"),
            ]);
        });
        this.refresh = useRefresh(() => this.load());
    }

    /** What was chosen: in the address, else the last time. */
    restored() {
        let stored = {};
        try {
            stored = JSON.parse(browser.localStorage.getItem(STORED_AS)) || {};
        } catch {
            // somebody else's writing: as if nothing was stored
        }
        const { period, companies } = router.current;
        this.addressed = Boolean(period || companies);
        const ids = companies ? String(companies).split("-").map(Number) : stored.companies;
        const active = new Set(this.companies.map((company) => company.id));
        return {
            period: String(period || stored.period || "day"),
            companyIds: (Array.isArray(ids) ? ids : []).filter((id) => active.has(id)),
        };
    }

    async load() {
        const { period, companyIds } = this.state;
        const asked = this.orm.silent.call("steward.dashboard", "data", [], {
            period,
            company_ids: [...companyIds],
            cards: this.cards.map((card) => card.name),
        });
        try {
            const { cards, steps, period: span } = await this.keepLast.add(asked);
            Object.assign(this.state, { cards, steps, span, error: "", waiting: false });
        } catch (error) {
            this.state.error = error.data?.message || _t("Odoo does not answer.");
            this.state.waiting = false;
        }
        this.keepAddress();
    }

    choose(choice) {
        Object.assign(this.state, choice, { waiting: true });
        const { period, companyIds } = this.state;
        browser.localStorage.setItem(
            STORED_AS,
            JSON.stringify({ period, companies: companyIds })
        );
        this.addressed = true;
        this.keepAddress();
        return this.refresh();
    }

    /** A choice that was made, here or by a link, stays in the address. */
    keepAddress() {
        const { period, companyIds } = this.state;
        if (this.addressed) {
            this.props.updateActionState?.({
                period,
                companies: companyIds.join("-") || undefined,
            });
        }
    }

    get openSteps() {
        return this.steps.filter((step) => this.state.steps[step.name] === false);
    }

    columns(card) {
        return COLUMNS[card.size || "medium"];
    }
}

/** The entries of a registry category that are for this user. */
async function visible(category) {
    const entries = registry.category(category).getEntries();
    const allowed = await Promise.all(
        entries.map(([, entry]) => !entry.groups || user.hasGroup(entry.groups))
    );
    return entries
        .filter((_entry, index) => allowed[index])
        .map(([name, entry]) => ({ name, ...entry }));
}

registry.category("actions").add("steward.dashboard", StewardDashboard);
