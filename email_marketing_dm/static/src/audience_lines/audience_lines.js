import {onWillUnmount, useEffect, useState, useSubEnv} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {formatInteger} from "@web/views/fields/formatters";
import {X2ManyField, x2ManyField} from "@web/views/fields/x2many/x2many_field";

// Milliseconds without a change until counting begins: the user may still be typing or dragging.
const PAUSE_MS = 400;

/**
 * The lines of an audience, with the number of people that each line finds. The server counts for
 * the form as it is shown, saved or not, one line after the other. The form can be used meanwhile.
 */
export class AudienceLines extends X2ManyField {
    static template = "email_marketing_dm.AudienceLines";

    setup() {
        super.setup();
        this.orm = useService("orm");
        // `whole` is the answer of `count_all`; null until the form as it is shown was counted.
        this.counts = useState({lines: {}, whole: null, first: null});
        useSubEnv({audienceCounts: this.counts});
        this.round = 0;
        useEffect(
            () => this.startCounting(),
            () => [this.fingerprint]
        );
        onWillUnmount(() => {
            this.round++;
            clearTimeout(this.timer);
        });
    }

    get records() {
        return this.props.record.data[this.props.name].records;
    }

    /** A text that changes with everything that can change the figures. */
    get fingerprint() {
        // `_getCommands` is not reactive. Reading the values subscribes this component to them.
        const read = (line) =>
            Object.values(line.data).forEach((value) => value?.records?.forEach(read));
        this.records.forEach(read);
        const order = this.records.map((line) => line.id);
        return JSON.stringify([this.props.record.resId, order, this.commands]);
    }

    /**
     * The lines as commands for the server. They are taken from the list, because the audience's own
     * changes contain a line only after the line's dialog was saved.
     */
    get commands() {
        return this.list._getCommands({withReadonly: true});
    }

    startCounting() {
        clearTimeout(this.timer);
        const round = ++this.round;
        this.counts.first = this.records[0]?.id;
        // The figures were counted before the change.
        this.counts.lines = {};
        this.counts.whole = null;
        this.timer = setTimeout(() => this.count(round), PAUSE_MS);
    }

    /** Ask for one figure after the other, until something changes. */
    async count(round) {
        const {record, readonly} = this.props;
        if (readonly) {
            return;
        }
        const {company_id} = await record.getChanges({withReadonly: true});
        const changes = {[this.props.name]: this.commands};
        if (company_id) {
            changes.company_id = company_id;
        }
        const ask = (method, ...rest) =>
            this.orm.silent.call("directmail.audience", method, [
                record.resId ? [record.resId] : [],
                changes,
                ...rest,
            ]);
        const ids = this.records.map((line) => line.id);
        for (const [number, id] of ids.entries()) {
            const answer = await ask("count_line", number);
            if (round !== this.round) {
                return;
            }
            this.counts.lines[id] = answer;
        }
        const whole = await ask("count_all");
        if (round === this.round) {
            this.counts.whole = whole;
        }
    }

    number(count, about) {
        const text = formatInteger(count);
        return about ? _t("about %s", text) : text;
    }
}

registry.category("fields").add("directmail_audience_lines", {
    ...x2ManyField,
    component: AudienceLines,
});
