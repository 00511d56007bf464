import {user} from "@web/core/user";
import {formatFloat} from "@web/views/fields/formatters";

/**
 * Return a share as a percentage as the user's language writes it: 3.8%, in German 3,8 %.
 *
 * @param {Number} share 0.038 for 3.8%
 * @param {Number} [digits] after the decimal point
 */
export function formatPercent(share, digits = 1) {
    const number = formatFloat(share * 100, {
        digits: [16, digits],
        trailingZeros: true,
    });
    const parts = new Intl.NumberFormat(user.lang, {style: "percent"}).formatToParts(1);
    return parts.map(({type, value}) => (type === "integer" ? number : value)).join("");
}
