import { Component, useRef, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { getDataURLFromFile } from "@web/core/utils/urls";

const TOGETHER = 4 * 1024 * 1024; // bytes of one call
const MOST = 50; // files of one call
const ICONS = {
    waiting: "fa-clock-o text-muted",
    sending: "fa-circle-o-notch fa-spin text-muted",
    accepted: "fa-check text-success",
    unchanged: "fa-minus text-muted",
    refused: "fa-times text-danger",
};

/** Cut files into calls that are neither too large nor too many. */
export function batches(files) {
    const found = [];
    let size = Infinity;
    for (const file of files) {
        const last = found.at(-1);
        if (size + file.size > TOGETHER || last.length === MOST) {
            found.push([file]);
            size = file.size;
        } else {
            last.push(file);
            size += file.size;
        }
    }
    return found;
}

/** Takes files, by drag and drop or from a dialog, and says what became of each. */
export class Upload extends Component {
    static template = "steward_knowledge.Upload";
    static props = ["*"];

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.input = useRef("input");
        this.state = useState({ files: [], over: false, busy: false });
    }

    get params() {
        return this.props.action.params;
    }

    get done() {
        return this.state.files.filter(({ state }) => !["waiting", "sending"].includes(state))
            .length;
    }

    get percent() {
        return this.state.files.length ? (100 * this.done) / this.state.files.length : 0;
    }

    get summary() {
        return _t("%(done)s of %(all)s files", {
            done: this.done,
            all: this.state.files.length,
        });
    }

    icon(file) {
        return `fa fa-fw ${ICONS[file.state]}`;
    }

    label(file) {
        return {
            waiting: _t("Waiting"),
            sending: _t("Being sent"),
            accepted: _t("Accepted"),
            unchanged: _t("Is here already"),
            refused: file.reason,
        }[file.state];
    }

    onDrop(ev) {
        this.state.over = false;
        return this.add([...ev.dataTransfer.files]);
    }

    async onChoose(ev) {
        await this.add([...ev.target.files]);
        ev.target.value = "";
    }

    async add(chosen) {
        const rows = chosen.map((file) => {
            const tooLarge = file.size > this.params.largest;
            return {
                file,
                name: file.webkitRelativePath || file.name,
                size: file.size,
                state: tooLarge ? "refused" : "waiting",
                reason: tooLarge ? _t("It is too large.") : "",
            };
        });
        const start = this.state.files.length;
        this.state.files.push(...rows);
        // through the state, so that what changes in them is shown
        const waiting = this.state.files.slice(start).filter((f) => f.state === "waiting");
        this.state.busy = true;
        for (const batch of batches(waiting)) {
            await this.send(batch);
        }
        this.state.busy = false;
    }

    async send(batch) {
        for (const row of batch) {
            row.state = "sending";
        }
        try {
            const files = await Promise.all(
                batch.map(async ({ name, file }) => ({
                    name,
                    content: (await getDataURLFromFile(file)).split(",")[1] || "",
                }))
            );
            const told = await this.orm.silent.call("steward.source", "upload", [
                [this.params.source_id],
                files,
            ]);
            told.forEach(({ state, reason }, index) =>
                Object.assign(batch[index], { state, reason: reason || "" })
            );
        } catch (error) {
            const reason = error.data?.message || _t("It could not be sent.");
            for (const row of batch) {
                Object.assign(row, { state: "refused", reason });
            }
        }
    }

    close() {
        return this.action.doAction({
            type: "ir.actions.act_window_close",
            infos: { added: this.done },
        });
    }
}

registry.category("actions").add("steward_knowledge.upload", Upload);
