/**
 * Return the area that two circles have in common.
 *
 * @param {Number} first radius
 * @param {Number} second radius
 * @param {Number} distance of the centers
 */
export function getLens(first, second, distance) {
    const [small, large] = first < second ? [first, second] : [second, first];
    if (distance >= small + large) {
        return 0;
    }
    if (distance <= large - small) {
        return Math.PI * small ** 2;
    }
    const part = (radius, other) => {
        const chord = (distance ** 2 + radius ** 2 - other ** 2) / (2 * distance);
        return (
            radius ** 2 * Math.acos(Math.min(1, Math.max(-1, chord / radius))) -
            chord * Math.sqrt(Math.max(0, radius ** 2 - chord ** 2))
        );
    };
    return part(first, second) + part(second, first);
}

/**
 * Return two circles whose areas, and the area that they have in common, are in proportion to
 * numbers of people.
 *
 * @param {Number} onlyA
 * @param {Number} both
 * @param {Number} onlyB
 * @returns {Object} radii `a` and `b`, and the `distance` of the centers; the larger radius is 1
 */
export function makeVenn(onlyA, both, onlyB) {
    const largest = Math.max(onlyA, onlyB) + both || 1;
    const a = Math.sqrt((onlyA + both) / largest);
    const b = Math.sqrt((onlyB + both) / largest);
    const wanted = (Math.PI * both) / largest;
    let near = Math.abs(a - b);
    let far = a + b;
    for (let step = 0; step < 40; step++) {
        const middle = (near + far) / 2;
        if (getLens(a, b, middle) > wanted) {
            near = middle;
        } else {
            far = middle;
        }
    }
    return {a, b, distance: both ? (near + far) / 2 : a + b};
}
