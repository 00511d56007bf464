// All bars of a histogram have the same width, whatever their edges are.

/** Where a value is between the outer edges, from 0 to 1. */
export function getPosition(edges, value) {
    const bars = edges.length - 1;
    const next = edges.findIndex((edge) => value < edge);
    if (next <= 0) {
        return next ? 1 : 0;
    }
    const [low, high] = [edges[next - 1], edges[next]];
    return (next - 1 + (value - low) / (high - low)) / bars;
}

/** The value at a position from 0 to 1. */
export function getValue(edges, position) {
    const bars = edges.length - 1;
    const place = Math.min(Math.max(position, 0), 1) * bars;
    const bar = Math.min(Math.floor(place), bars - 1);
    return edges[bar] + (place - bar) * (edges[bar + 1] - edges[bar]);
}

/** The smallest change of a threshold: a power of ten, a tenth of the bar at most. */
export function getStep(edges, value, whole) {
    if (whole) {
        return 1;
    }
    const found = edges.findIndex((edge) => value < edge);
    const next = found < 0 ? edges.length - 1 : Math.max(found, 1);
    return 10 ** Math.floor(Math.log10((edges[next] - edges[next - 1]) / 10));
}

/**
 * The value nearest to one that is wanted: a multiple of the step, between the limits.
 *
 * @param {Number[]} edges
 * @param {{value: Number, min: Number, max: Number, whole: Boolean}} line
 * @param {Number} wanted
 * @returns {Number}
 */
export function snap(edges, {min, max, whole}, wanted) {
    const step = getStep(edges, wanted, whole);
    const round = Number((Math.round(wanted / step) * step).toPrecision(12));
    return Math.max(min, Math.min(max, round));
}
