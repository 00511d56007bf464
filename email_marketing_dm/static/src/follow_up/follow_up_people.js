import {onMounted, onWillUnmount, useState} from "@odoo/owl";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {RadioField, radioField} from "@web/views/fields/radio/radio_field";

/**
 * Whom a follow-up is for, with the number of people beside each choice. The server counts one
 * choice after the other; the first one with people is chosen unless the user was faster.
 */
export class FollowUpPeople extends RadioField {
    static template = "email_marketing_dm.FollowUpPeople";

    setup() {
        super.setup();
        this.orm = useService("orm");
        this.counts = useState({});
        onMounted(() => this.count());
        onWillUnmount(() => {
            this.isGone = true;
        });
    }

    async count() {
        const task = this.props.record.data.task_id.id;
        let isChosen = false;
        for (const item of this.items) {
            const answer = await this.orm.silent.call(
                this.props.record.resModel,
                "count_people",
                [task, item[0]]
            );
            if (this.isGone) {
                return;
            }
            this.counts[item[0]] = answer;
            // `value` follows later, once the server has answered to the change.
            if (answer.people && !isChosen && !this.value) {
                isChosen = true;
                this.onChange(item);
            }
        }
    }

    isDisabled(item) {
        return !this.counts[item[0]]?.people;
    }
}

registry.category("fields").add("directmail_follow_up_people", {
    ...radioField,
    component: FollowUpPeople,
});
