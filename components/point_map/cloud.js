// The points of a map as packing.py wrote them: a header in JSON, then arrays as they stand in memory.

const STORED = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array };
const SAMPLED = 30_000; // coordinates

function headerOf(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const text = new TextDecoder().decode(bytes.subarray(4, 4 + length));
  return { ...JSON.parse(text), start: 4 + length };
}

class Cloud {
  #arrays = new Map();
  #labels = null;

  constructor(bytes, { map, content, start }) {
    Object.assign(this, map);
    this.content = content;
    const body = bytes.slice(start); // a copy, so that arrays are aligned and the message can go
    for (const [name, [kind, offset, length]] of Object.entries(map.arrays)) {
      this.#arrays.set(name, new STORED[kind](body.buffer, body.byteOffset + offset, length));
    }
    this.dimensions = map.axes.length;
    this.frames = this.array("frames");
    this.tint = this.array("tint");
    this.last = this.frames instanceof Float32Array ? 1 : 65_535; // the stored number that says "not drawn"
    this.tintNone = this.tint instanceof Uint8Array ? 255 : 65_535;
    this.extraCount = map.extra?.labels.length ?? 0;
  }

  array(name) {
    return this.#arrays.get(name);
  }

  // The layer sent that is nearest to the one asked for, as a frame.
  frameOf(layer) {
    const gap = (frame) => Math.abs(this.layers[frame] - layer);
    return this.layers.reduce((best, _, frame) => (gap(frame) < gap(best) ? frame : best), 0);
  }

  // A point in units of the bounds, or null where it is not drawn.
  unit(name, frame, point, count = this.count) {
    const values = this.array(name);
    const start = (frame * count + point) * this.dimensions;
    if (values[start] >= this.last) return null;
    const place = [0, 0, 0];
    for (let axis = 0; axis < this.dimensions; axis++) place[axis] = values[start + axis] / this.last;
    return place;
  }

  // The points of one frame for a run over all of them.
  run(frame, name = "frames", count = this.count) {
    const { dimensions, last } = this;
    return { values: this.array(name), start: frame * count * dimensions, count, dimensions, last };
  }

  // How far points lie from the middle of the bounds along a row of a turn; of many, every so many-th is asked.
  reach(row) {
    const every = this.dimensions * Math.ceil(this.frames.length / SAMPLED);
    let most = 1e-9;
    for (let at = 0; at < this.frames.length; at += every) {
      if (this.frames[at] >= this.last) continue;
      const away = row.reduce((sum, part, axis) => sum + part * (this.frames[at + axis] / this.last - 0.5), 0);
      most = Math.max(most, Math.abs(away));
    }
    return most;
  }

  label(point) {
    const text = this.array("labels");
    if (!text) return `#${point}`;
    this.#labels ??= new TextDecoder().decode(text).split("\n");
    return this.#labels[this.array("labelCodes")?.[point] ?? point];
  }

  get named() {
    return this.#arrays.has("labels");
  }

  // Which category, -1 for none; only of a map with categories.
  category(point) {
    const code = this.tint[point];
    return code === this.tintNone ? -1 : code;
  }

  // The number behind the colour, or null; only of a map with a scale.
  value(frame, point) {
    const step = this.tint[this.#tintStart(frame) + point];
    return step === this.tintNone ? null : this.color.least + (step * this.color.span) / (this.tintNone - 1);
  }

  // What stands beside a colour in words.
  meaning(frame, point) {
    if (this.color.kind === "categories") return this.color.names[this.category(point)] ?? "none";
    const value = this.value(frame, point);
    const number = value === null ? "not defined" : spell(value);
    return [number, value !== null && this.color.unit].filter(Boolean).join(" ");
  }

  tintOffset(frame) {
    return this.#tintStart(frame) * this.tint.BYTES_PER_ELEMENT;
  }

  #tintStart(frame) {
    return this.color.perLayer ? frame * this.count : 0;
  }
}
