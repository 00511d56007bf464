// What all tabs of the page share: elements, calls of the admin API, notices.

export const $ = (id) => document.getElementById(id);
export const state = {tab: "inbox", mail: null, template: null, offset: 0, kinds: {}};

/** An element with attributes, listeners (onclick: …) and children; text is never read as HTML. */
export function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) {
            element.addEventListener(name.slice(2), value);
        } else if (value === true) {
            element.setAttribute(name, "");
        } else if (value !== false && value !== null && value !== undefined) {
            element.setAttribute(name, value);
        }
    }
    element.append(
        ...children.filter((child) => child !== null && child !== undefined)
    );
    return element;
}

export async function api(path, method = "GET", data) {
    const answer = await fetch(
        path,
        data === undefined
            ? {method}
            : {
                  method,
                  body: JSON.stringify(data),
                  headers: {"Content-Type": "application/json"},
              }
    );
    const body = await answer.json();
    if (!answer.ok) {
        throw new Error(body.error || answer.statusText);
    }
    return body;
}

export function notice(text) {
    $("notice").textContent = text;
    $("notice").hidden = false;
    clearTimeout(notice.timer);
    notice.timer = setTimeout(() => {
        $("notice").hidden = true;
    }, 4000);
}

/** Runs something that a person asked for and shows what went wrong. */
export const act = (work) => async (event) => {
    if (event) {
        event.preventDefault();
    }
    try {
        await work(event);
    } catch (error) {
        notice(error.message);
    }
};

export const time = (seconds) =>
    new Date(seconds * 1000).toLocaleString(undefined, {
        month: "short",
        day: "numeric",
        hour: "2-digit",
        minute: "2-digit",
        second: "2-digit",
    });
const OUTCOMES = {
    delivered: "good",
    waiting: "wait",
    invalid: "bad",
    spam: "bad",
    failed: "bad",
};
export const outcome = (name) =>
    make("span", {class: `state ${OUTCOMES[name] || ""}`}, name);
export const query = (values) =>
    new URLSearchParams(
        Object.entries(values).filter(([, value]) => value !== "")
    ).toString();
export const pair = (name, value) =>
    value === "" || value === null || value === undefined
        ? []
        : [make("dt", {}, name), make("dd", {}, value)];

// Keeps the list from being rebuilt under a pointer or a keyboard when nothing has changed.
const shown = {};
export function changed(name, data) {
    const text = JSON.stringify(data);
    if (shown[name] === text) {
        return false;
    }
    shown[name] = text;
    return true;
}

/** Rebuild every list when it is shown next. */
export function forget() {
    for (const name of Object.keys(shown)) {
        delete shown[name];
    }
}

export function badge(id, number) {
    $(id).textContent = number;
    $(id).hidden = !number;
}
