/**
 * A click that the page would lose. Pressing the mouse takes the focus from a field, what was typed
 * is applied, and notes that appear above move what was pressed away from the pointer. The browser
 * then clicks on whatever holds both places. Here the click goes to what was pressed.
 */

const CLICKABLE =
    "a, button, input, label, summary, [role=button], [role=tab], .o_kanban_record, .o_data_row";
const PAGE = ".modal, .o_action";
const OURS = "[class*='o_directmail'], [class*='o_email_marketing_dm']";
const HELD_STILL = 5; // px that a hand moves while it clicks

let pressed = null; // {target, pointer, x, y} from the press of the left button until its click

function isOurs(target) {
    const page = target.closest(PAGE);
    return Boolean(page && (page.matches(OURS) || page.querySelector(OURS)));
}

function hasMoved({target, x, y}) {
    const place = target.getBoundingClientRect();
    return Math.abs(place.x - x) > 1 || Math.abs(place.y - y) > 1;
}

function onPress(ev) {
    pressed = null;
    if (ev.isTrusted && ev.button === 0 && ev.target instanceof Element) {
        const {x, y} = ev.target.getBoundingClientRect();
        pressed = {target: ev.target, pointer: [ev.clientX, ev.clientY], x, y};
    }
}

function onClick(ev) {
    const press = pressed;
    if (!press || !ev.isTrusted || ev.detail === 0) {
        return; // from the keyboard, or by a program
    }
    pressed = null;
    const {target, pointer} = press;
    const clickable = target.closest(CLICKABLE);
    const [x, y] = pointer;
    const isStill =
        Math.abs(ev.clientX - x) < HELD_STILL && Math.abs(ev.clientY - y) < HELD_STILL;
    if (
        !clickable ||
        clickable.contains(ev.target) ||
        !isStill ||
        !target.isConnected ||
        !hasMoved(press) ||
        !isOurs(target)
    ) {
        return;
    }
    ev.preventDefault();
    ev.stopImmediatePropagation();
    const {ctrlKey, shiftKey, altKey, metaKey, view} = ev;
    target.dispatchEvent(
        new MouseEvent("click", {
            bubbles: true,
            cancelable: true,
            ctrlKey,
            shiftKey,
            altKey,
            metaKey,
            view,
        })
    );
}

window.addEventListener("mousedown", onPress, {capture: true});
window.addEventListener("click", onClick, {capture: true});
