// The small marks everything is made of: elements, numbers in words, light or dark.

function make(tag, className = "", attributes = {}, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  setAttributes(element, attributes);
  if (text) element.textContent = text;
  return element;
}

function makeRow(ariaRow, className, header) {
  const row = make("div", className, { role: "row", "aria-rowindex": ariaRow });
  row.append(header);
  return row;
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

function clamp(value, least, most) {
  return Math.max(least, Math.min(value, most));
}

function same(one, other) {
  return one?.position === other?.position && one?.layer === other?.layer;
}

function percent(probability) {
  const share = 100 * (probability ?? NaN);
  if (Number.isNaN(share)) return "–";
  if (share > 0 && share < 0.1) return "<0.1 %";
  return `${share >= 9.95 ? share.toFixed(0) : share.toFixed(1)} %`;
}

function spell(value, kind) {
  if (value === null) return "not defined";
  if (kind === "binary") return value >= 0.5 ? "yes" : "no";
  if (Number.isInteger(value)) return `${value}`.replace("-", "−");
  return `${Number(value.toPrecision(3))}`.replace("-", "−");
}

// The theme is whatever the page's background says, so custom themes work too.
function isDark(style) {
  const probe = new OffscreenCanvas(1, 1).getContext("2d");
  probe.fillStyle = style.getPropertyValue("--st-background-color").trim() || "white";
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}
