// Under the map: what colours, shapes and lines mean. What can be hidden is a button.

const LISTED = 13; // names that stand in the legend

class MapLegend {
  #onToggle;

  constructor(onToggle) {
    this.element = make("div", "legend", { role: "group", "aria-label": "legend" });
    this.#onToggle = onToggle;
  }

  draw(cloud, colors, hidden) {
    const { color } = cloud;
    const meaning = color.kind === "categories" ? this.#categories(cloud, colors, hidden) : [scaleKey(color, colors)];
    this.element.replaceChildren(...meaning, ...this.#layersOf(cloud, colors, hidden));
  }

  #categories({ color, shapes }, colors, hidden) {
    const worn = Math.min(color.worn, color.names.length);
    const items = color.names.slice(0, worn).map((name, code) =>
      this.#toggle(`category ${code}`, name, shapeIcon(shapes[code % shapes.length], categoryColor(colors, code)), hidden,
        count(color.counts[code])),
    );
    const others = color.names.length - worn;
    if (others > 0) {
      const icon = shapeIcon("circle", colors.other);
      const sum = color.counts.slice(worn).reduce((total, one) => total + one, 0);
      items.push(this.#toggle("category other", `${others} others`, icon, hidden, count(sum)));
    }
    if (color.none) items.push(this.#toggle("category none", "none", shapeIcon("circle", colors.other), hidden, count(color.none)));
    return color.title ? [make("span", "legend-title", {}, color.title), ...items.slice(0, LISTED + 1)] : items;
  }

  #layersOf({ overlays, extra, trails, layers }, colors, hidden) {
    const items = [];
    if (trails === "all" && layers.length > 1) {
      items.push(this.#toggle("trails", "trails", lineIcon("currentColor"), hidden));
    }
    for (const kind of ["edited", "null"]) {
      const runs = overlays.filter((overlay) => overlay.kind === kind);
      if (!runs.length) continue;
      const name = runs.length === 1 ? runs[0].name : `${runs.length} ${runs[0].name}s`;
      const icon = shapeIcon(kind === "edited" ? "diamond" : "null", colors[kind]);
      items.push(this.#toggle(kind, kind === "edited" ? `→ ${name}` : name, icon, hidden));
    }
    if (extra) items.push(this.#toggle("extra", extra.name, shapeIcon("diamond", colors.extra), hidden));
    if (items.length) items.unshift(make("span", "divider"));
    return items;
  }

  #toggle(what, name, icon, hidden, note = "") {
    const button = make("button", "key", { type: "button", "aria-pressed": !hidden.has(what) });
    button.dataset.what = what;
    button.title = hidden.has(what) ? "show again" : "hide";
    button.append(icon, make("bdi", "key-name", { dir: "auto" }, name));
    if (note) button.append(make("span", "key-note", {}, note));
    button.onclick = () => this.#onToggle(what);
    return button;
  }
}

function scaleKey({ title, unit, low, high, diverging, undefined: none }, colors) {
  const key = make("span", "scale", { role: "img", "aria-label": `${title}: colours from ${spell(low)} to ${spell(high)} ${unit}` });
  const bar = make("span", "ramp");
  bar.style.background = `linear-gradient(to right, ${colors.stops.join(", ")})`;
  const numbers = make("span", "numbers");
  const shown = diverging ? [low, (low + high) / 2, high] : [low, high];
  numbers.append(...shown.map((number) => make("span", "", {}, spell(number))));
  const column = make("span", "ramp-column");
  column.append(bar, numbers);
  key.append(make("bdi", "legend-title", { dir: "auto" }, unit ? `${title} (${unit})` : title), column);
  if (none) key.append(shapeIcon("circle", colors.other), make("span", "key-note", {}, `${count(none)} not defined`));
  return key;
}

function categoryColor(colors, code) {
  return colors.categories[code % colors.categories.length];
}

function count(number) {
  return number.toLocaleString("en");
}

const OUTLINES = {
  circle: "M12 8a4 4 0 1 1-8 0a4 4 0 1 1 8 0z",
  square: "M4.5 4.5h7v7h-7z",
  triangle: "M8 3.4l4.8 8.4H3.2z",
  diamond: "M8 2.8l5.2 5.2L8 13.2 2.8 8z",
  plus: "M6.4 3h3.2v3.4H13v3.2H9.6V13H6.4V9.6H3V6.4h3.4z",
  cross: "M4.4 2.9 8 6.5l3.6-3.6 1.5 1.5L9.5 8l3.6 3.6-1.5 1.5L8 9.5l-3.6 3.6-1.5-1.5L6.5 8 2.9 4.4z",
  null: "M8 3.4l4.8 8.4H3.2z",
};

function shapeIcon(shape, color) {
  const path = drawing("path", { d: OUTLINES[shape], fill: shape === "null" ? "none" : color, stroke: shape === "null" ? color : "none", "stroke-width": 1.6 });
  return icon([path]);
}

function lineIcon(color) {
  return icon([drawing("path", { d: "M1.5 11 6 6l4 3.5L14.5 4", fill: "none", stroke: color, "stroke-width": 1.6, opacity: 0.7 })]);
}

function icon(parts) {
  const svg = drawing("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": true });
  svg.append(...parts);
  return svg;
}

function drawing(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(element, attributes);
  return element;
}
