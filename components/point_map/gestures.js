// What a pointer does on the stage: hover, click, drag (pan, turn, lasso, box), wheel and pinch.

const STILL = 4; // pixels a press may move and still be a click
const LOOP_STEP = 3; // pixels between corners of a loop

class Gestures {
  #stage;
  #on;
  #pointers = new Map();
  #press = null;

  // `on`: hover(x, y), leave, click(x, y), pan, turn, zoom(x, y, factor), loop(corners), looped(corners),
  // reset, moved; `tool()` is "pan", "lasso" or "box", `turns()` whether a drag turns.
  constructor(stage, on) {
    this.#stage = stage;
    this.#on = on;
    stage.onpointerdown = (event) => this.#down(event);
    stage.onpointermove = (event) => this.#move(event);
    stage.onpointerup = (event) => this.#up(event);
    stage.onpointercancel = (event) => this.#cancel(event);
    stage.onpointerleave = () => this.#press ?? on.leave();
    stage.ondblclick = () => on.reset();
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  // Nothing is held any more, and what was begun is forgotten.
  abandon() {
    this.#press = null;
    this.#on.loop(null);
  }

  #at({ clientX, clientY }) {
    const { left, top } = this.#stage.getBoundingClientRect();
    return [clientX - left, clientY - top];
  }

  #down(event) {
    if (event.button > 1) return;
    this.#stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, this.#at(event));
    const at = this.#at(event);
    this.#press = { begun: at, last: at, dragged: false, does: this.#meaning(event), loop: [at] };
    if (this.#pointers.size > 1) this.#press.does = "pinch";
  }

  #meaning({ shiftKey, altKey, ctrlKey, metaKey, button }) {
    if (button === 1 || ctrlKey || metaKey) return "pan";
    if (shiftKey) return "lasso";
    if (altKey) return "box";
    const tool = this.#on.tool();
    return tool === "pan" && this.#on.turns() ? "turn" : tool;
  }

  #move(event) {
    const at = this.#at(event);
    const press = this.#press;
    if (!press) return this.#on.hover(...at);
    const before = this.#pointers.get(event.pointerId) ?? press.last;
    if (press.does === "pinch") return this.#pinch(event.pointerId, at);
    this.#pointers.set(event.pointerId, at);
    press.dragged ||= Math.hypot(at[0] - press.begun[0], at[1] - press.begun[1]) > STILL;
    if (!press.dragged) return undefined;
    press.last = at;
    if (press.does === "pan") this.#on.pan(at[0] - before[0], at[1] - before[1]);
    else if (press.does === "turn") this.#on.turn(at[0] - before[0], at[1] - before[1]);
    else this.#grow(press, at);
    return undefined;
  }

  #grow(press, at) {
    if (press.does === "box") press.loop = corners(press.begun, at);
    else if (Math.hypot(at[0] - press.loop.at(-1)[0], at[1] - press.loop.at(-1)[1]) >= LOOP_STEP) press.loop.push(at);
    this.#on.loop(press.loop);
  }

  #pinch(id, at) {
    const others = [...this.#pointers].filter(([other]) => other !== id).map(([, place]) => place);
    const before = this.#pointers.get(id);
    this.#pointers.set(id, at);
    if (!others.length || !before) return;
    const [other] = others;
    const spread = (place) => Math.max(Math.hypot(place[0] - other[0], place[1] - other[1]), 1);
    this.#on.zoom((at[0] + other[0]) / 2, (at[1] + other[1]) / 2, spread(at) / spread(before));
    this.#on.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
    const press = this.#press;
    if (this.#pointers.size || !press) return;
    this.#press = null;
    if (press.does === "pinch") return;
    if (!press.dragged) this.#on.click(...this.#at(event));
    else if (press.does === "lasso" || press.does === "box") this.#on.looped(press.loop);
    else this.#on.moved();
  }

  #cancel(event) {
    this.#pointers.delete(event.pointerId);
    this.abandon();
  }

  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1;
    const factor = Math.exp(-clamp(event.deltaY * lines, -240, 240) * (event.ctrlKey ? 0.008 : 0.0018));
    this.#on.zoom(...this.#at(event), factor);
  }
}

function corners([x1, y1], [x2, y2]) {
  return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
}
