// Under the grid: what the colours mean, and which keys move the cursor.

function drawLegend(legend, { scale, valueLabel, palette, shade }) {
  const label = make("span", "legend-label", {}, valueLabel);
  const parts = scale.kind === "binary" ? binaryKey() : rampKey(scale, palette.light.length);
  if (shade.includes(-1)) parts.push(swatch("undefined", "not defined"));
  const keys = make("span", "keys", {}, "click or arrow keys · Esc closes the card");
  legend.replaceChildren(label, ...parts, keys);
}

function rampKey({ kind, low, high, reverse, log }, stops) {
  const fills = Array.from({ length: stops }, (_, stop) => `var(--fill-${reverse ? stops - 1 - stop : stop})`);
  const bar = make("span", "ramp");
  bar.style.background = `linear-gradient(to right, ${fills.join(", ")})`;
  const ends = [low, high].map((end) => make("span", "end", {}, spell(end)));
  const note = kind === "diverging" ? " (0 in the middle)" : log ? " (log scale)" : "";
  return [ends[0], bar, ends[1], ...(note ? [make("span", "note", {}, note)] : [])];
}

function binaryKey() {
  return [swatch("no", "no"), swatch("yes", "yes")];
}

function swatch(kind, text) {
  const pair = make("span", "pair");
  pair.append(make("span", `swatch ${kind}`), text);
  return pair;
}
