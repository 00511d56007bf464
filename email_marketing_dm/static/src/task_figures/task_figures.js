import {
    Component,
    onWillStart,
    onWillUpdateProps,
    useEffect,
    useRef,
    useState,
} from "@odoo/owl";
import {loadBundle} from "@web/core/assets";
import {useBus, useService} from "@web/core/utils/hooks";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";

/**
 * Figures of an email task with a chart, read again whenever the task is.
 *
 * Subclasses name the `method` of the task that returns the figures, and draw the chart on
 * `this.canvas` in `drawChart()`, which returns a function that removes it.
 */
export class TaskFigures extends Component {
    static props = {...standardWidgetProps};
    static method = "";

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.canvas = useRef("canvas");
        this.state = useState({data: null});
        onWillStart(async () => {
            await Promise.all([
                loadBundle("web.chartjs_lib"),
                this.load(this.props.record.resId),
            ]);
        });
        onWillUpdateProps((props) => this.load(props.record.resId));
        useBus(this.props.record.model.bus, "directmail-task-loaded", () =>
            this.load(this.props.record.resId)
        );
        useEffect(
            () => this.drawChart(),
            () => [this.state.data, this.canvas.el]
        );
    }

    async load(taskId) {
        const {method} = this.constructor;
        this.state.data = taskId
            ? await this.orm.silent.call("directmail.task", method, [[taskId]])
            : null;
    }
}
