import {beforeEach, expect, test} from "@odoo/hoot";
import {patchWithCleanup} from "@web/../tests/web_test_helpers";
import {localization} from "@web/core/l10n/localization";
import {user} from "@web/core/user";
import {formatPercent} from "@email_marketing_dm/percent/percent";

function read(lang, decimalPoint, thousandsSep) {
    patchWithCleanup(localization, {decimalPoint, thousandsSep, grouping: [3, 0]});
    patchWithCleanup(user, {
        get lang() {
            return lang;
        },
    });
}

beforeEach(() => read("en-US", ".", ","));

test("a percentage is written as in the user's language", () => {
    expect(formatPercent(0.038)).toBe("3.8%");
    read("zh-CN", ".", ",");
    expect(formatPercent(0.038)).toBe("3.8%");
    read("de-DE", ",", ".");
    expect(formatPercent(0.038)).toBe("3,8\u00a0%");
});

test("a percentage has as many digits as are asked for", () => {
    expect(formatPercent(0)).toBe("0.0%");
    expect(formatPercent(0.00123, 2)).toBe("0.12%");
    expect(formatPercent(1.25, 0)).toBe("125%");
});
