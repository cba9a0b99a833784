// Which point is meant: the nearest to the pointer, or all inside a loop. A plain run over the typed arrays
// answers in a few milliseconds for a million points, in any projection, and needs no index to keep up to date.

const REACH = 14; // pixels

// The nearest drawn point of one frame within reach: { point, distance }, or null.
function nearest({ values, start, count, dimensions, last }, { rows, shift }, x, y, reach, skip) {
  const [ax, bx, cx] = rows[0].map((part) => part / last);
  const [ay, by, cy] = rows[1].map((part) => part / last);
  const [fromX, fromY] = [shift[0] - x, shift[1] - y];
  let best = -1;
  let least = reach * reach;
  for (let point = 0, at = start; point < count; point++, at += dimensions) {
    const u = values[at];
    const v = values[at + 1];
    const w = dimensions === 3 ? values[at + 2] : 0;
    const right = fromX + ax * u + bx * v + cx * w;
    if (right > reach || right < -reach) continue;
    const down = fromY + ay * u + by * v + cy * w;
    const distance = right * right + down * down;
    // of points at one place, the one drawn last lies on top
    if (distance > least || u >= last || skip?.(point)) continue;
    least = distance;
    best = point;
  }
  return best < 0 ? null : { point: best, distance: Math.sqrt(least) };
}

// All drawn points of one frame inside a closed loop of [x, y] pixels, ascending.
function inside({ values, start, count, dimensions, last }, { rows, shift }, corners, skip) {
  const loop = new Loop(corners);
  const found = [];
  for (let point = 0, at = start; point < count; point++, at += dimensions) {
    const u = values[at] / last;
    const v = values[at + 1] / last;
    const w = dimensions === 3 ? values[at + 2] / last : 0;
    const y = shift[1] + rows[1][0] * u + rows[1][1] * v + rows[1][2] * w;
    if (u >= 1 || skip?.(point)) continue;
    if (loop.encloses(shift[0] + rows[0][0] * u + rows[0][1] * v + rows[0][2] * w, y)) found.push(point);
  }
  return found;
}

// Drawn points of one frame inside the stage, in their order, until there are more than `most`.
function inSight({ values, start, count, dimensions, last }, { rows, shift }, width, height, most, skip) {
  const found = [];
  for (let point = 0, at = start; point < count && found.length <= most; point++, at += dimensions) {
    const u = values[at] / last;
    const v = values[at + 1] / last;
    const w = dimensions === 3 ? values[at + 2] / last : 0;
    const x = shift[0] + rows[0][0] * u + rows[0][1] * v + rows[0][2] * w;
    if (x < 0 || x > width || u >= 1) continue;
    const y = shift[1] + rows[1][0] * u + rows[1][1] * v + rows[1][2] * w;
    if (y >= 0 && y <= height && !skip?.(point)) found.push(point);
  }
  return found;
}

// Even-odd rule: a ray to the right crosses a closed loop an odd number of times. Its sides are kept by rows of
// pixels, so that a point meets only the few sides at its own height.
class Loop {
  #rows = new Map();

  constructor(corners) {
    corners.forEach(([x1, y1], at) => {
      const [x2, y2] = corners.at(at - 1);
      for (let row = Math.floor(Math.min(y1, y2)); row <= Math.max(y1, y2); row++) {
        if (!this.#rows.has(row)) this.#rows.set(row, []);
        this.#rows.get(row).push(x1, y1, x2, y2);
      }
    });
  }

  encloses(x, y) {
    const sides = this.#rows.get(Math.floor(y));
    if (!sides) return false;
    let odd = false;
    for (let at = 0; at < sides.length; at += 4) {
      const y1 = sides[at + 1];
      const y2 = sides[at + 3];
      if (y1 > y !== y2 > y && x < sides[at] + ((sides[at + 2] - sides[at]) * (y - y1)) / (y2 - y1)) odd = !odd;
    }
    return odd;
  }
}

// ---- selections travel as one bit a point; see events.py

function asBits(points) {
  if (!points.length) return { first: 0, bits: "" };
  const first = points[0] >> 3;
  const bytes = new Uint8Array((points.at(-1) >> 3) - first + 1);
  for (const point of points) bytes[(point >> 3) - first] |= 1 << (point & 7);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return { first, bits: btoa(text) };
}

function fromBits({ first, bits }) {
  const text = atob(bits);
  const points = [];
  for (let at = 0; at < text.length; at++) {
    const byte = text.charCodeAt(at);
    for (let bit = 0; byte >> bit; bit++) if ((byte >> bit) & 1) points.push((first + at) * 8 + bit);
  }
  return points;
}
