import {Component, useEffect, useRef, useState, useSubEnv} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {Mutex} from "@web/core/utils/concurrency";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {X2ManyField, x2ManyField} from "@web/views/fields/x2many/x2many_field";

/** The steps of a series: lets `StepPlace` move them, as dragging does. */
export class SeriesSteps extends X2ManyField {
    setup() {
        super.setup();
        this.mutex = new Mutex();
        useSubEnv({
            seriesSteps: {
                getList: () => this.list,
                isReadonly: () => this.props.readonly,
                move: (id, by) => this.mutex.exec(() => this.move(id, by)),
            },
        });
    }

    /**
     * Move a step in the unsaved form.
     *
     * @param {String} id of the step's record
     * @param {Number} by -1 for up, 1 for down
     */
    async move(id, by) {
        const {records} = this.list;
        const place = records.findIndex((record) => record.id === id) + by;
        if (place < 0 || place >= records.length) {
            return;
        }
        // `resequence` wants the record after which the step comes, null for the first place.
        const previous = by > 0 ? records[place] : records[place - 1];
        await this.list.resequence(id, previous ? previous.id : null);
    }
}

registry.category("fields").add("directmail_series_steps", {
    ...x2ManyField,
    component: SeriesSteps,
});

/** The number of a step, with buttons that move it; in a list of `SeriesSteps`. */
export class StepPlace extends Component {
    static template = "email_marketing_dm.StepPlace";
    static props = {...standardFieldProps};

    setup() {
        this.steps = this.env.seriesSteps;
        this.list = useState(this.steps.getList());
        this.up = useRef("up");
        this.down = useRef("down");
        // The direction of the button that was pressed last, and how many moves are under way.
        this.moved = 0;
        this.moves = 0;
        useEffect(
            () => this.keepFocus(),
            () => [this.index]
        );
    }

    get index() {
        return this.list.records.findIndex(({id}) => id === this.props.record.id);
    }

    get canMove() {
        return !this.steps.isReadonly() && this.list.canResequence();
    }

    /** As in the unsaved form; the server's number follows a moment later. */
    get number() {
        return this.canMove ? this.index + 1 : this.props.record.data.number;
    }

    get isLast() {
        return this.index === this.list.records.length - 1;
    }

    get labels() {
        const {summary} = this.props.record.data;
        return {
            up: _t("Move up: %s", summary),
            down: _t("Move down: %s", summary),
        };
    }

    async move(by) {
        this.moved = by;
        this.moves++;
        try {
            await this.steps.move(this.props.record.id, by);
            // The list may put the row in its place after this component was patched.
            await new Promise((resolve) => requestAnimationFrame(resolve));
            this.keepFocus();
        } finally {
            this.moves--;
        }
    }

    /**
     * Focus the button that was pressed, or the other one if the step can't move further: the page
     * loses the focus when the row moves. What the user has focused meanwhile keeps it.
     */
    keepFocus() {
        const buttons = [this.up.el, this.down.el];
        const focused = document.activeElement;
        if (!this.moves || ![...buttons, document.body, null].includes(focused)) {
            return;
        }
        const [pressed, other] = this.moved < 0 ? buttons : buttons.reverse();
        (pressed?.disabled ? other : pressed)?.focus();
    }

    /** Let Enter press the button: a list would open the step instead. */
    onKeydown(ev) {
        if (ev.key === "Enter") {
            ev.stopPropagation();
        }
    }
}

registry.category("fields").add("directmail_step_place", {
    component: StepPlace,
    supportedTypes: ["integer"],
    listViewWidth: 85,
});
