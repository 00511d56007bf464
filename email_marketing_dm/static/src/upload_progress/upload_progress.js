import {formatInteger} from "@web/views/fields/formatters";
import {registry} from "@web/core/registry";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";
import {useService} from "@web/core/utils/hooks";
import {
    Component,
    onWillDestroy,
    onWillStart,
    onWillUpdateProps,
    useState,
} from "@odoo/owl";

// Milliseconds between two looks.
const PAUSE = 1500;

/** How far the server is with an upload. When it is done, the form is loaded again. */
export class UploadProgress extends Component {
    static template = "email_marketing_dm.UploadProgress";
    static props = {...standardWidgetProps};

    setup() {
        this.orm = useService("orm");
        this.state = useState({progress: null});
        onWillStart(() => this.follow(this.props.record));
        onWillUpdateProps((props) => this.follow(props.record));
        onWillDestroy(() => this.stop());
    }

    get rows() {
        return formatInteger(this.state.progress.rows);
    }

    stop() {
        clearTimeout(this.timer);
        this.uploadId = null;
    }

    /** Read the progress now, and again every PAUSE milliseconds while the upload is running. */
    async follow(record) {
        this.stop();
        this.state.progress = null;
        if (record.resId && record.data.state === "running") {
            this.uploadId = record.resId;
            await this.look(record, record.resId);
        }
    }

    async look(record, uploadId) {
        let progress = null;
        try {
            progress = await this.orm.silent.call("directmail.upload", "get_progress", [
                [uploadId],
            ]);
        } catch {
            // The server did not answer: the next call tries again.
        }
        if (this.uploadId !== uploadId) {
            return;
        }
        if (progress && progress.state !== "running") {
            this.stop();
            // The loaded record is the same object, so the widget gets no new props.
            this.state.progress = null;
            await record.load();
            return;
        }
        this.state.progress = progress || this.state.progress;
        this.timer = setTimeout(() => this.look(record, uploadId), PAUSE);
    }
}

registry.category("view_widgets").add("directmail_upload_progress", {
    component: UploadProgress,
});
