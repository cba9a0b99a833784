// Behind the points: a faint grid with modest numbers, or in three dimensions a tripod in the corner.

const TICKS = 10; // about
const SIDE = 34; // pixels of the tripod's legs

function drawGround(pen, camera, cloud, ink) {
  pen.clearRect(0, 0, camera.width, camera.height);
  pen.font = `11px ${ink.font}`;
  if (camera.turns) drawTripod(pen, camera, cloud, ink);
  else drawGrid(pen, camera, cloud, ink);
}

function drawGrid(pen, camera, { axes }, ink) {
  const box = {
    left: MARGIN.left,
    right: camera.width - MARGIN.right,
    top: MARGIN.top,
    bottom: camera.height - MARGIN.bottom,
  };
  const [low, high] = [camera.dataAt(box.left, box.bottom), camera.dataAt(box.right, box.top)];
  // one step for both axes: squares show that the scales are equal
  const step = niceStep((Math.max(high[0] - low[0], high[1] - low[1]) / TICKS));
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  for (const value of multiples(low[0], high[0], step)) {
    const x = Math.round(camera.pixelOf(value, 0)[0]) + 0.5;
    rule(pen, x, box.top, x, box.bottom, value === 0 ? ink.zero : ink.grid);
    pen.fillStyle = ink.muted;
    pen.textAlign = "center";
    pen.fillText(tickText(value, step), x, box.bottom + 11);
  }
  for (const value of multiples(low[1], high[1], step)) {
    const y = Math.round(camera.pixelOf(0, value)[1]) + 0.5;
    rule(pen, box.left, y, box.right, y, value === 0 ? ink.zero : ink.grid);
    pen.fillStyle = ink.muted;
    pen.textAlign = "right";
    pen.fillText(tickText(value, step), box.left - 6, y);
  }
  axisTitles(pen, box, axes, ink);
}

function axisTitles(pen, box, [across, up], ink) {
  pen.font = `600 11px ${ink.font}`;
  pen.fillStyle = ink.text;
  pen.textAlign = "right";
  pen.fillText(isolated(`${across} →`), box.right, box.bottom + 27, box.right - box.left);
  pen.save();
  pen.translate(9, box.top);
  pen.rotate(-Math.PI / 2);
  pen.fillText(isolated(`${up} →`), 0, 0, box.bottom - box.top);
  pen.restore();
}

function drawTripod(pen, camera, { axes }, ink) {
  const [x, y] = [SIDE + 52, camera.height - SIDE - 30];
  const legs = camera.directions().map((direction, axis) => ({ direction, title: axes[axis] }));
  legs.sort((one, other) => one.direction[2] - other.direction[2]);
  pen.lineWidth = 1.5;
  pen.textBaseline = "middle";
  for (const { direction: [right, down, near], title } of legs) {
    const tip = [x + SIDE * right, y + SIDE * down];
    pen.globalAlpha = 0.65 + 0.35 * near;
    rule(pen, x, y, ...tip, ink.text);
    pen.fillStyle = ink.text;
    const text = isolated(title);
    const wide = pen.measureText(text).width;
    const begins = tip[0] + 8 * right - (right < -0.25 ? wide : right > 0.25 ? 0 : wide / 2);
    pen.textAlign = "left";
    pen.fillText(text, Math.max(6, begins), tip[1] + (Math.abs(right) > 0.25 ? 5 : 11) * Math.sign(down || 1));
  }
  pen.globalAlpha = 1;
}

function rule(pen, x1, y1, x2, y2, color) {
  pen.strokeStyle = color;
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

// 1, 2 or 5 times a power of ten.
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
}

function multiples(low, high, step) {
  const first = Math.ceil(low / step);
  const count = Math.min(Math.floor(high / step) - first + 1, 100);
  return Array.from({ length: Math.max(count, 0) }, (_, at) => (first + at) * step);
}

function tickText(value, step) {
  const digits = clamp(-Math.floor(Math.log10(step) + 1e-9), 0, 12);
  const large = Math.abs(value) >= 1e6 || (step < 1e-4 && value !== 0);
  return (large ? value.toExponential(1) : value.toFixed(digits)).replace("-", "−");
}

// A direction of its own for text of any script, so that it cannot turn its surroundings round.
function isolated(text) {
  return `\u2068${text}\u2069`;
}
