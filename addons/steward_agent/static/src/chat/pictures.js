import { Component } from "@odoo/owl";
import { useFileViewer } from "@web/core/file_viewer/file_viewer_hook";
import { _t } from "@web/core/l10n/translation";
import { getDataURLFromFile } from "@web/core/utils/urls";

// as on the server
export const MOST_PICTURES = 4; // in one message
const MOST_BYTES = 10 * 1024 * 1024; // of one
const SIDE = 1568; // px of the longer side
export const KINDS = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/** Why a file cannot be shown to an agent: a sentence for people. */
export class NoPicture extends Error {}

/**
 * A file as it is sent. What is large is made small here already: a photo of a phone
 * takes a twentieth of the time then.
 *
 * @param {File} file
 * @returns {Promise<{name: string, media_type: string, data: string, src: string}>}
 */
export async function pictureOf(file) {
    if (!KINDS.includes(file.type)) {
        const sentence = _t("%s is no picture that agents see: PNG, JPEG, WebP and GIF are.", file.name);
        throw new NoPicture(sentence);
    }
    const blob = await madeSmall(file);
    if (blob.size > MOST_BYTES) {
        throw new NoPicture(_t("%s is larger than 10 MB.", file.name));
    }
    const src = await getDataURLFromFile(blob);
    return { name: file.name, media_type: blob.type, data: src.split(",")[1], src };
}

async function madeSmall(file) {
    let image;
    try {
        image = await createImageBitmap(file);
    } catch {
        throw new NoPicture(_t("%s cannot be read as a picture.", file.name));
    }
    const scale = SIDE / Math.max(image.width, image.height);
    if (scale >= 1) {
        return file;
    }
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(image.width * scale));
    canvas.height = Math.max(1, Math.round(image.height * scale));
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    // a kind that the browser does not write becomes a PNG, and says so
    return new Promise((resolve) => canvas.toBlob(resolve, file.type, 0.9));
}

/** Pictures of a message, which open large; those not sent yet can be taken back. */
export class Pictures extends Component {
    static template = "steward_agent.Pictures";
    static props = { pictures: Array, remove: { type: Function, optional: true } };

    setup() {
        this.viewer = useFileViewer();
    }
    src({ id, src }) {
        return src || `/web/image/${id}`;
    }
    open(at) {
        const files = this.props.pictures.map((picture) => ({
            name: picture.name,
            isImage: true,
            isViewable: true,
            defaultSource: this.src(picture),
            downloadUrl: this.src(picture),
        }));
        this.viewer.open(files[at], files);
    }
    /** The viewer takes no focus on a touch screen: a key meant for it comes here. */
    onKey(ev) {
        if (ev.key === "Escape" && document.querySelector(".o-FileViewer")) {
            ev.stopPropagation();
            this.viewer.close();
        }
    }
}
