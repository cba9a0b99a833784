// The small controls: how a drag is read, a way back to the whole map, and the player of layers.

const ICONS = {
  lasso: "M8 2.5c3.3 0 6 1.7 6 4s-2.7 4-6 4c-.8 0-1.6-.1-2.3-.3M3.4 9.2C2.500 8.500 2 7.500 2 6.500c0-2.300 2.700-4 6-4M5.700 10.200a1.500 1.500 0 1 1-2.300-1c.9-.4 2 .1 2.300 1zc.2 1.400-.5 2.500-1.900 3.300",
  box: "M2.500 4.500v-2h2M11.500 2.500h2v2M13.500 11.500v2h-2M4.500 13.500h-2v-2M7 2.500h2M7 13.500h2M2.500 7v2M13.500 7v2",
  reset: "M2.500 6V2.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10",
  closer: "M8 3.500v9M3.500 8h9",
  away: "M3.500 8h9",
  labels: "M3 4.500V3h10v1.500M8 3v10M6.200 13h3.600",
};

class Tools {
  constructor(on) {
    this.element = make("div", "tools", { role: "toolbar", "aria-label": "view of the map" });
    this.buttons = {
      lasso: this.#button("lasso", "Lasso: draw a loop round points (or Shift and drag)", on.lasso),
      box: this.#button("box", "Box: drag over points (or Alt and drag)", on.box),
      labels: this.#button("labels", "Labels", on.labels),
      closer: this.#button("closer", "Closer (+)", on.closer),
      away: this.#button("away", "Further away (−)", on.away),
      reset: this.#button("reset", "The whole map (0)", on.reset),
    };
    this.element.append(...Object.values(this.buttons));
  }

  press({ lasso, box, labels }) {
    const pressed = { lasso, box, labels };
    for (const [name, value] of Object.entries(pressed)) this.buttons[name].setAttribute("aria-pressed", value);
  }

  #button(name, title, onclick) {
    const button = make("button", "tool", { type: "button", title, "aria-label": title });
    button.dataset.tool = name;
    button.append(icon([drawing("path", { d: ICONS[name], fill: "none", stroke: "currentColor", "stroke-width": 1.5, "stroke-linecap": "round", "stroke-linejoin": "round" })]));
    button.onclick = onclick;
    return button;
  }
}

class Player {
  constructor(on) {
    this.element = make("div", "player", { role: "group", "aria-label": "layers" });
    this.button = make("button", "tool play", { type: "button" });
    this.button.onclick = on.play;
    this.range = make("input", "range", { type: "range", min: 0, step: 1, "aria-label": "layer" });
    this.range.oninput = () => on.scrub(Number(this.range.value));
    this.name = make("output", "layer-name");
    this.element.append(this.button, this.range, this.name);
    this.#icon(false);
  }

  draw(layers, frame, playing) {
    this.element.hidden = layers.length < 2;
    this.range.max = layers.length - 1;
    this.range.value = frame;
    this.range.style.setProperty("--share", frame / Math.max(layers.length - 1, 1));
    this.range.setAttribute("aria-valuetext", layerName(layers, frame));
    this.name.textContent = layerName(layers, frame);
    if (playing !== this.playing) this.#icon(playing);
  }

  #icon(playing) {
    this.playing = playing;
    const d = playing ? "M4.500 3h2.500v10H4.500zM9 3h2.500v10H9z" : "M4.500 2.800 13 8l-8.500 5.200z";
    this.button.replaceChildren(icon([drawing("path", { d, fill: "currentColor" })]));
    const title = playing ? "Pause (space)" : "Play through the layers (space)";
    setAttributes(this.button, { title, "aria-label": title });
  }
}

function layerName(layers, frame) {
  const layer = layers[frame];
  return layer === 0 ? "layer 0, embedding" : `layer ${layer}`;
}
