// Colours: what a point wears, and what the style sheet says.

// 255 colours and that of "none", red green blue alpha; alpha 0 hides.
function colorTable({ color }, colors, hidden) {
  const table = new Uint8Array(4 * 256);
  const set = (at, rgb, visible = true) => table.set([...rgb, visible ? 255 : 0], 4 * at);
  if (color.kind === "scale") {
    for (let at = 0; at < 255; at++) set(at, alongStops(colors.stops, at / 254));
    set(255, channels(colors.other));
    return table;
  }
  for (let code = 0; code < color.worn; code++) {
    set(code, channels(categoryColor(colors, code)), !hidden.has(`category ${code}`));
  }
  set(color.worn, channels(colors.other), !hidden.has("category other"));
  set(255, channels(colors.other), !hidden.has("category none"));
  return table;
}

// Which of the 256 colours a point wears, as the graphics card looks it up.
function tintAt(cloud, frame, point) {
  const { color } = cloud;
  if (color.kind === "categories") {
    const category = cloud.category(point);
    return category < 0 ? 255 : Math.min(category, color.worn);
  }
  const value = cloud.value(frame, point);
  if (value === null) return 255;
  return Math.round(254 * clamp((value - color.low) / (color.high - color.low), 0, 1));
}

function pointColor(cloud, colors, frame, point) {
  const at = tintAt(cloud, frame, point);
  if (at === 255) return colors.other;
  if (cloud.color.kind === "scale") return css(alongStops(colors.stops, at / 254));
  return at < cloud.color.worn ? categoryColor(colors, at) : colors.other;
}

// Whether a point's category is hidden; null where none is.
function hiddenOf(cloud, colors, hidden) {
  if (![...hidden].some((what) => what.startsWith("category"))) return null;
  const table = colorTable(cloud, colors, hidden);
  return (point) => table[4 * tintAt(cloud, 0, point) + 3] === 0;
}

function inkOf(root, style) {
  const color = (name) => style.getPropertyValue(name).trim();
  const [paper, text, accent] = ["--paper", "--text", "--accent"].map((name) => css(channels(color(name) || "gray")));
  const towards = (share) => css(channels(paper).map((part, at) => Math.round(part + share * (channels(text)[at] - part))));
  return {
    source: color("--paper"),
    paper,
    text,
    accent,
    muted: towards(0.62),
    grid: towards(0.075),
    zero: towards(0.2),
    wash: css(channels(accent)).replace(")", " / 12%)"),
    font: style.fontFamily || "system-ui, sans-serif",
    mono: getComputedStyle(root).getPropertyValue("--mono").trim() || "monospace",
  };
}

const known = new Map();

// Any colour of the style sheets as red, green and blue, 0 to 255.
function channels(text) {
  if (!known.has(text)) {
    const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    probe.fillStyle = text;
    probe.fillRect(0, 0, 1, 1);
    known.set(text, [...probe.getImageData(0, 0, 1, 1).data].slice(0, 3));
  }
  return known.get(text);
}

function css([red, green, blue]) {
  return `rgb(${red} ${green} ${blue})`;
}

function alongStops(stops, share) {
  const at = share * (stops.length - 1);
  const left = Math.min(Math.floor(at), stops.length - 2);
  const [one, other] = [channels(stops[left]), channels(stops[left + 1])];
  return one.map((part, channel) => Math.round(part + (at - left) * (other[channel] - part)));
}
