// Above the points: labels where there is room, rings round what is chosen, the loop while it is drawn.

const LABELS = { most: 140, crowd: 420,  };
const LONGEST = 22; // characters of a label on the map

// Words that must be seen come first; then, where few points are in sight, as many as fit.
function drawLabels(pen, view, cloud, wanted, ink) {
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  const taken = new Places();
  for (const { text, at } of wanted) place(pen, taken, view, at, text, ink, "sure");
  if (!cloud.named || view.hidden.has("labels") || (view.moving && cloud.count > 2_000)) return;
  const seen = inSight(cloud.run(view.to), view.matrix, view.width, view.height, LABELS.crowd, view.skip);
  if (seen.length > LABELS.crowd) return;
  let drawn = 0;
  for (const point of seen) {
    const at = between(cloud, view, "frames", point);
    if (!at || wanted.some((one) => one.point === point)) continue;
    drawn += place(pen, taken, view, at, cloud.label(point), ink, "maybe");
    if (drawn >= LABELS.most) break;
  }
}

// Beside the point where nothing stands yet: right, left, above, below.
function place(pen, taken, view, [x, y], label, ink, how) {
  pen.font = `${how === "sure" ? "700 " : ""}11.5px ${ink.mono}`;
  const text = label.length > LONGEST ? `${[...label].slice(0, LONGEST - 1).join("")}…` : label;
  const wide = pen.measureText(text).width;
  const gap = 0.5 * view.pointSize + (how === "sure" ? 8 : 4);
  const spots = [
    [x + gap, y],
    [x - gap - wide, y],
    [x - wide / 2, y - gap - 6],
    [x - wide / 2, y + gap + 6],
  ];
  const free = spots.find(([left, middle]) => taken.free(left, middle - 7, wide, 14, view));
  const spot = free ?? (how === "maybe" ? null : spots[0]);
  if (!spot) return 0;
  taken.take(spot[0], spot[1] - 7, wide, 14);
  pen.lineJoin = "round";
  pen.lineWidth = 3;
  pen.strokeStyle = ink.paper;
  pen.globalAlpha = 0.85;
  pen.strokeText(isolated(text), ...spot);
  pen.globalAlpha = how === "maybe" ? 0.82 : 1;
  pen.fillStyle = ink.text;
  pen.fillText(isolated(text), ...spot);
  pen.globalAlpha = 1;
  return 1;
}

// Rectangles on a coarse grid of cells, so that asking whether one is free stays cheap.
class Places {
  #cells = new Set();

  free(left, top, wide, high, view) {
    if (left < 2 || left + wide > view.width - 2 || top < 2 || top + high > view.height - 2) return false;
    return ![...cellsOf(left, top, wide, high)].some((cell) => this.#cells.has(cell));
  }

  take(left, top, wide, high) {
    for (const cell of cellsOf(left, top, wide, high)) this.#cells.add(cell);
  }
}

function* cellsOf(left, top, wide, high) {
  for (let x = Math.floor(left / 8); x <= (left + wide) / 8; x++) {
    for (let y = Math.floor(top / 7); y < (top + high) / 7; y++) yield x * 100_000 + y;
  }
}

// The way of one point through all layers, strongest near the layer shown.
function drawPath(pen, view, cloud, point, color, strength, ink) {
  const ends = cloud.layers.map((_, frame) => {
    const unit = cloud.unit("frames", frame, point);
    return unit && projected(view.matrix, unit);
  });
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = ink.paper;
  pen.lineWidth = 5;
  pen.globalAlpha = 0.7 * strength;
  pen.beginPath();
  for (const [x, y] of ends.filter(Boolean)) pen.lineTo(x, y);
  pen.stroke();
  pen.strokeStyle = pen.fillStyle = color;
  pen.lineWidth = 2.2;
  ends.forEach((end, frame) => {
    if (!end) return;
    const next = ends[frame + 1];
    pen.globalAlpha = strength * (0.3 + 0.7 * nearness(frame, view));
    if (next) line(pen, end, next);
    dot(pen, end, 2.6);
  });
  pen.globalAlpha = 1;
}

function drawDiamond(pen, [x, y], radius, color, ink) {
  pen.beginPath();
  for (const [right, down] of [[0, -1], [1, 0], [0, 1], [-1, 0]]) pen.lineTo(x + radius * right, y + radius * down);
  pen.closePath();
  pen.lineWidth = 3;
  pen.strokeStyle = ink.paper;
  pen.stroke();
  pen.fillStyle = color;
  pen.fill();
}

function line(pen, [x1, y1], [x2, y2]) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

function dot(pen, [x, y], radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

function drawRing(pen, [x, y], radius, ink, color) {
  pen.lineWidth = 4.5;
  pen.strokeStyle = ink.paper;
  circle(pen, x, y, radius);
  pen.lineWidth = 2.2;
  pen.strokeStyle = color;
  circle(pen, x, y, radius);
}

function circle(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.stroke();
}

function drawLoop(pen, loop, ink) {
  pen.beginPath();
  loop.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
  pen.fillStyle = ink.wash;
  pen.fill();
  pen.strokeStyle = ink.accent;
  pen.lineWidth = 1.5;
  pen.setLineDash([5, 4]);
  pen.stroke();
  pen.setLineDash([]);
}
