import {Component, useState} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {formatInteger} from "@web/views/fields/formatters";
import {
    SelectionField,
    selectionField,
} from "@web/views/fields/selection/selection_field";
import {standardFieldProps} from "@web/views/fields/standard_field_props";

/** The figures counted so far, if the field is in a list of an audience's lines. */
function useAudienceCounts(env) {
    return useState(env.audienceCounts || {lines: {}, first: null});
}

/** A figure of one line, from what the list of lines has counted so far. */
export class LineCount extends Component {
    static template = "email_marketing_dm.LineCount";
    static props = {...standardFieldProps};

    setup() {
        this.counts = useAudienceCounts(this.env);
    }

    get answer() {
        return this.counts.lines[this.props.record.id];
    }

    get text() {
        const count = this.answer[this.props.name === "people" ? "people" : "so_far"];
        if (count === undefined) {
            return "";
        }
        const text = formatInteger(count);
        return this.answer.about ? _t("about %s", text) : text;
    }
}

registry.category("fields").add("directmail_line_count", {
    component: LineCount,
    supportedTypes: ["integer"],
});

/** The operator of a line; the first line shows "start with", because no line is above it. */
export class LineOperator extends SelectionField {
    setup() {
        super.setup();
        this.counts = useAudienceCounts(this.env);
    }

    get string() {
        return this.counts.first === this.props.record.id
            ? _t("start with")
            : super.string;
    }
}

registry.category("fields").add("directmail_line_operator", {
    ...selectionField,
    component: LineOperator,
});
