import {Component, useEffect, useExternalListener, useRef, useState} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {user} from "@web/core/user";
import {formatInteger} from "@web/views/fields/formatters";
import {getPosition, getStep, getValue, snap} from "./threshold_scale";

const COLOR = "#01767c";
const TICKS = 4;
const PAGE = 10;

/** A histogram of one measure with two thresholds, moved by the pointer or by keys. */
export class ThresholdHistogram extends Component {
    static template = "email_marketing_dm.ThresholdHistogram";
    static props = {
        title: String,
        edges: Array,
        people: Array,
        whole: Boolean,
        // From left to right: {name, score, label, value, min, max, text}
        lines: Array,
        // The same of one line, also between a change and the next rendering
        getLine: Function,
        // Numbers of customers with score 1, 2 and 3, if they are known
        scores: {type: Array, optional: true},
        format: Function,
        formatShort: Function,
        onMove: Function,
        onMoved: Function,
    };

    setup() {
        this.area = useRef("area");
        this.canvas = useRef("canvas");
        this.state = useState({dragged: null});
        useEffect(
            () => this.draw(),
            () => [this.props.edges, this.props.people]
        );
        // Listened for on the window: a finger may leave the line while it moves it.
        useExternalListener(window, "pointermove", (event) =>
            this.onPointermove(event)
        );
        useExternalListener(window, "pointerup", () => this.drop());
        useExternalListener(window, "pointercancel", () => this.drop());
    }

    // === WHAT IS SHOWN === //

    /** No axes in the chart: its bars fill the whole area, so that lines can be placed on it. */
    draw() {
        const {people} = this.props;
        // eslint-disable-next-line no-undef
        const chart = new Chart(this.canvas.el, {
            type: "bar",
            data: {
                labels: people.map((_people, bar) => this.range(bar)),
                datasets: [
                    {
                        label: _t("Customers"),
                        // A single customer can be seen, too; no customer is no bar.
                        data: people.map((number) => number || null),
                        minBarLength: 2,
                        backgroundColor: COLOR,
                        barPercentage: 0.9,
                        categoryPercentage: 1,
                    },
                ],
            },
            options: {
                locale: user.lang,
                maintainAspectRatio: false,
                animation: false,
                layout: {padding: 0},
                interaction: {mode: "index", intersect: false},
                scales: {
                    x: {display: false},
                    y: {display: false, beginAtZero: true},
                },
                plugins: {legend: {display: false}},
            },
        });
        return () => chart.destroy();
    }

    range(bar) {
        const {edges, whole, format} = this.props;
        const [low, next] = [edges[bar], edges[bar + 1]];
        if (whole && next - low === 1) {
            return format(low);
        }
        return whole
            ? _t("%(low)s to %(high)s", {low: format(low), high: format(next - 1)})
            : _t("%(low)s to less than %(high)s", {
                  low: format(low),
                  high: format(next),
              });
    }

    get ticks() {
        const {edges, formatShort} = this.props;
        const bars = edges.length - 1;
        const every = Math.ceil(bars / TICKS);
        return edges
            .map((edge, number) => ({number, text: formatShort(edge)}))
            .filter(({number}) => number % every === 0 && number < bars)
            .map((tick) => ({...tick, left: (100 * tick.number) / bars}));
    }

    get rows() {
        return this.props.people.map((people, bar) => ({
            range: this.range(bar),
            people: formatInteger(people),
        }));
    }

    get scoreTexts() {
        return [...this.props.scores.keys()].reverse().map((place) => ({
            score: place + 1,
            text: _t("Score %(score)s: %(people)s", {
                score: place + 1,
                people: formatInteger(this.props.scores[place]),
            }),
        }));
    }

    left(line) {
        return 100 * getPosition(this.props.edges, line.value);
    }

    // === MOVING LINES === //

    move(name, wanted) {
        const line = this.props.getLine(name);
        const {edges, whole} = this.props;
        const value = snap(edges, {...line, whole}, wanted);
        if (value !== line.value) {
            this.props.onMove(name, value);
        }
    }

    onPointerdown(event, {name}) {
        if (event.button === 0) {
            this.state.dragged = name;
            event.currentTarget.focus();
            event.preventDefault();
        }
    }

    onPointermove(event) {
        if (this.state.dragged) {
            const {left, width} = this.area.el.getBoundingClientRect();
            const position = (event.clientX - left) / width;
            this.move(this.state.dragged, getValue(this.props.edges, position));
        }
    }

    drop() {
        if (this.state.dragged) {
            this.state.dragged = null;
            this.props.onMoved();
        }
    }

    onKeydown(event, {name}) {
        const {value, min, max} = this.props.getLine(name);
        const {edges, whole} = this.props;
        const step = getStep(edges, value, whole);
        // At an edge, the bar on the left may have longer steps, to which `snap` rounds.
        const back = Math.max(step, getStep(edges, value - step, whole));
        const wanted = {
            ArrowLeft: value - back,
            ArrowDown: value - back,
            ArrowRight: value + step,
            ArrowUp: value + step,
            PageDown: value - PAGE * back,
            PageUp: value + PAGE * step,
            Home: min,
            End: max,
        }[event.key];
        if (wanted !== undefined) {
            event.preventDefault();
            this.move(name, wanted);
            this.props.onMoved();
        }
    }
}
