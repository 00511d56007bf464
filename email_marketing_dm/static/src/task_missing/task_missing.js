import {Component} from "@odoo/owl";
import {Dialog} from "@web/core/dialog/dialog";
import {registry} from "@web/core/registry";

const FORM = ".o_action_manager .o_form_view";
const FOCUSABLE =
    "input:not([type=hidden]):not(:disabled), textarea:not(:disabled), select, button, [contenteditable=true]";

/** What an email task lacks before it can be sent. Each entry leads to its field. */
export class TaskMissingDialog extends Component {
    static template = "email_marketing_dm.TaskMissingDialog";
    static components = {Dialog};
    static props = {
        missing: {
            type: Array,
            element: {type: Object, shape: {field: String, text: String}},
        },
        close: {type: Function},
    };

    async go(field) {
        await this.props.close();
        await focusField(field);
    }
}

/** Wait until the views have been drawn again. */
function drawn() {
    return new Promise((resolve) =>
        requestAnimationFrame(() => requestAnimationFrame(resolve))
    );
}

/** Focus a field of the form; it may be in a page of the notebook that is not open. */
export async function focusField(name) {
    const find = () =>
        document.querySelector(
            `${FORM} :is(.o_field_widget[name="${name}"], [data-field="${name}"])`
        );
    await drawn();
    for (const page of document.querySelectorAll(`${FORM} .o_notebook .nav-link`)) {
        if (find()) {
            break;
        }
        page.click();
        await drawn();
    }
    const field = find();
    field?.scrollIntoView({block: "center"});
    field?.querySelector(FOCUSABLE)?.focus();
}

registry.category("actions").add("directmail_task_missing", (env, {params}) => {
    env.services.dialog.add(TaskMissingDialog, {missing: params.missing});
});
