const GAP = 6;
// Two lines of small text fit into a group, however few people it has.
const GROUP_HEIGHT = 34;
const ROOM_FOR_PEOPLE = 140;
// The picture is stretched to the width that there is: 100 is the right edge.
const WIDTH = 100;

/**
 * Place the groups of two days and the ribbons between them.
 *
 * @param {{before: string|false, after: string|false, people: number}[]} flows
 * @param {(string|false)[]} names all groups, from top to bottom
 * @returns {{height: number, left: Object[], right: Object[], ribbons: Object[]}} groups have
 *      `name`, `people`, `top` and `height`; ribbons are the flows with the `path` of an SVG. Groups
 *      without people are left out.
 */
export function layOut(flows, names) {
    const left = count(flows, names, "before");
    const right = count(flows, names, "after");
    const most = Math.max(left.length, right.length);
    const height = most * (GROUP_HEIGHT + GAP) + ROOM_FOR_PEOPLE;
    place(left, height);
    place(right, height);
    const order = ({before, after}) =>
        names.indexOf(before) * names.length + names.indexOf(after);
    const ribbons = [...flows]
        .sort((one, other) => order(one) - order(other))
        .map((flow) => ({...flow, ends: [take(left, flow.before, flow), 0]}));
    // On the right, ribbons are in the order of where they come from, too.
    for (const ribbon of ribbons) {
        ribbon.ends[1] = take(right, ribbon.after, ribbon);
        ribbon.path = draw(...ribbon.ends);
        delete ribbon.ends;
    }
    return {height, left, right, ribbons};
}

function count(flows, names, side) {
    return names
        .map((name) => ({
            name,
            people: flows
                .filter((flow) => flow[side] === name)
                .reduce((sum, flow) => sum + flow.people, 0),
        }))
        .filter((group) => group.people);
}

/** Heights grow with the people, from `GROUP_HEIGHT` on. */
function place(groups, height) {
    const people = groups.reduce((sum, group) => sum + group.people, 0);
    const free = height - groups.length * (GROUP_HEIGHT + GAP);
    let top = 0;
    for (const group of groups) {
        group.top = top;
        group.height = GROUP_HEIGHT + (free * group.people) / people;
        top += group.height + GAP;
        group.taken = 0;
    }
}

/** The part of a group's edge at which a ribbon ends: [top, bottom]. */
function take(groups, name, flow) {
    const group = groups.find((one) => one.name === name);
    const top = group.top + group.taken;
    const height = (group.height * flow.people) / group.people;
    group.taken += height;
    return [top, top + height];
}

function draw([top, bottom], [endTop, endBottom]) {
    const middle = WIDTH / 2;
    const round = (number) => Math.round(number * 10) / 10;
    const [a, b, c, d] = [top, bottom, endTop, endBottom].map(round);
    return (
        `M0,${a} C${middle},${a} ${middle},${c} ${WIDTH},${c} ` +
        `L${WIDTH},${d} C${middle},${d} ${middle},${b} 0,${b} Z`
    );
}
