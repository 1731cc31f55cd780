import { Component, onWillStart, onWillUpdateProps, useEffect, useRef, useState } from "@odoo/owl";
import { router } from "@web/core/browser/router";
import { deserializeDateTime, formatDateTime } from "@web/core/l10n/dates";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { KeepLast } from "@web/core/utils/concurrency";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";
import { hrefOf, isForBrowser, languageOf, openResult } from "../search/searcher";

/** Words that look alike: text and nothing else, whatever was written in them. */
export class Words extends Component {
    static template = "steward_knowledge.Words";
    static props = { spans: Array };
    tagOf(look) {
        return { bold: "strong", italic: "em", code: "code", image: "em" }[look] || "span";
    }
}

/** A document as one reads it, at the passage that was found. */
export class ReadingPage extends Component {
    static template = "steward_knowledge.ReadingPage";
    static components = { Layout, Words };
    static props = {
        ...standardActionServiceProps,
        passage: { type: Number, optional: true },
    };

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.display = { controlPanel: {} };
        this.keepLast = new KeepLast();
        this.text = useRef("text");
        this.state = useState({ document: undefined, related: [], error: "" });
        this.documentId = this.props.resId || Number(router.current.resId) || 0;
        this.passage = this.props.passage || Number(router.current.passage) || undefined;
        onWillStart(() => this.load());
        onWillUpdateProps((props) => {
            if (props.resId && props.resId !== this.documentId) {
                this.documentId = props.resId;
                this.passage = props.passage;
                return this.load();
            }
        });
        useEffect(
            (document) => {
                if (document) {
                    this.props.updateActionState?.({
                        resId: this.documentId,
                        passage: this.passage,
                    });
                    this.text.el
                        ?.querySelector(".o_steward_marked")
                        ?.scrollIntoView({ block: "center" });
                }
            },
            () => [this.state.document]
        );
    }

    async load() {
        try {
            const asked = this.orm.silent.call(
                "steward.document",
                "reading",
                [[this.documentId]],
                { passage: this.passage || null }
            );
            const document = await this.keepLast.add(asked);
            Object.assign(this.state, { document, error: "" });
            this.env.config?.setDisplayName?.(document.title);
            this.loadRelated();
        } catch (error) {
            this.state.error = error.data?.message || _t("Odoo does not answer.");
        }
    }
    async loadRelated() {
        try {
            this.state.related = await this.orm.silent.call("steward.document", "related", [
                [this.documentId],
            ]);
        } catch {
            this.state.related = []; // what was asked for is there
        }
    }

    get document() {
        return this.state.document;
    }
    get date() {
        const { date } = this.document;
        return date ? formatDateTime(deserializeDateTime(date)) : "";
    }
    get language() {
        return languageOf(this.document.language);
    }
    isMarked(index) {
        return this.document.marked?.includes(index);
    }
    headingOf(block) {
        return `h${Math.min(6, block.level + 1)}`; // the page's title is the first
    }
    hrefOf = hrefOf;
    open(ev, result) {
        if (!isForBrowser(ev)) {
            ev.preventDefault();
            return openResult(this.action, result);
        }
    }
    search() {
        return this.action.doAction("steward_knowledge.action_search");
    }
}

registry.category("actions").add("steward.knowledge_read", ReadingPage);
