// Odoo's own modules are found by its asset bundles, so imports are not resolved here.
const js = require("@eslint/js");
const globals = require("globals");

module.exports = [
    js.configs.recommended,
    {
        files: ["**/*.js"],
        languageOptions: {
            ecmaVersion: "latest",
            sourceType: "module",
            globals: {...globals.browser, odoo: "readonly", luxon: "readonly"},
        },
        rules: {
            curly: "error",
            eqeqeq: "error",
            "no-shadow": "warn",
            "no-unused-vars": ["error", {args: "after-used"}],
            "no-var": "error",
            "object-shorthand": "error",
            "prefer-const": "error",
        },
    },
];
