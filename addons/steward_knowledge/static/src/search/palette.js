import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { openSearch } from "./quick_search";
import { hrefOf, openResult } from "./searcher";

const SIGN = "?";
const FIRST = 8;

registry.category("command_setup").add(SIGN, {
    debounceDelay: 200,
    emptyMessage: _t("Ask in your own words."),
    name: _t("knowledge"),
    placeholder: _t("Search knowledge..."),
});
registry.category("command_provider").add("steward_knowledge", {
    namespace: SIGN,
    async provide(env, { searchValue }) {
        if (!searchValue?.trim()) {
            return [];
        }
        const { action, orm } = env.services;
        const { results } = await orm.silent.call(
            "steward.document",
            "search_page",
            [searchValue],
            { limit: FIRST, live: true }
        );
        return [
            ...results.map((result) => ({
                name: `${result.title} (${result.source})`,
                href: hrefOf(result),
                action: () => openResult(action, result),
            })),
            {
                name: _t("Search for “%s”", searchValue),
                action: () => openSearch(action, searchValue),
            },
        ];
    },
});
