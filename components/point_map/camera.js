// Where one looks from. Two dimensions: a centre and a scale, equal on both axes, so that distances mean
// something. Three: the same, after a turn. Everything is in data units; `matrix` takes stored units to pixels.

const MARGIN = { left: 46, right: 14, top: 14, bottom: 38 };
const STEPS = 65_535 / 65_534; // stored units end one step short of 1
const START = { yaw: -0.6, pitch: 0.42 };
const NEAREST = 4_000; // times closer than the whole map

class Camera {
  width = 1;
  height = 1;
  scale = 1;
  centre = [0, 0, 0];
  yaw = START.yaw;
  pitch = START.pitch;
  #cloud;
  #touched = false;

  // Look at another map; the view stays where it was if both have the same bounds.
  look(cloud) {
    const kept = this.#cloud && sameBounds(this.#cloud, cloud);
    this.#cloud = cloud;
    if (!kept) this.reset();
  }

  resize(width, height) {
    if (width === this.width && height === this.height) return;
    this.width = width;
    this.height = height;
    if (this.#touched) this.#limit();
    else this.reset();
  }

  get turns() {
    return this.#cloud?.dimensions === 3;
  }

  get zoom() {
    return this.scale / this.#fitting();
  }

  get touched() {
    return this.#touched;
  }

  reset() {
    this.#touched = false;
    this.yaw = START.yaw;
    this.pitch = START.pitch;
    if (!this.#cloud) return;
    const { low, high } = this.#cloud;
    this.centre = [0, 1, 2].map((axis) => ((low[axis] ?? 0) + (high[axis] ?? 0)) / 2);
    this.scale = this.#fitting();
  }

  #fitting() {
    const wide = Math.max(this.width - MARGIN.left - MARGIN.right, 40);
    const high = Math.max(this.height - MARGIN.top - MARGIN.bottom, 40);
    const [across, up] = this.#extent();
    return 0.94 * Math.min(wide / across, high / up);
  }

  // How wide and how high everything is, as it is seen at first.
  #extent() {
    const spans = this.#cloud.low.map((from, axis) => this.#cloud.high[axis] - from);
    if (!this.turns) return spans;
    return turned(START.yaw, START.pitch).map((row) => 2 * this.#cloud.reach(row.map((part, axis) => part * spans[axis])));
  }

  // The middle of what is free of axes.
  get middle() {
    if (this.turns) return [this.width / 2, this.height / 2];
    return [
      (MARGIN.left + this.width - MARGIN.right) / 2,
      (MARGIN.top + this.height - MARGIN.bottom) / 2,
    ];
  }

  pan(right, down) {
    this.#touched = true;
    const turn = this.#turn();
    // a movement on the screen, back in data units: the turn's rows are orthonormal
    for (let axis = 0; axis < 3; axis++) {
      this.centre[axis] -= (turn[0][axis] * right - turn[1][axis] * down) / this.scale;
    }
  }

  // What lies under (x, y) stays there.
  zoomAt(x, y, factor) {
    const [middleX, middleY] = this.middle;
    const before = this.scale;
    this.scale *= factor;
    this.#limit();
    const grown = this.scale / before;
    this.pan((x - middleX) * (1 - grown), (y - middleY) * (1 - grown));
  }

  #limit() {
    this.#touched = true;
    const fitting = this.#fitting();
    this.scale = clamp(this.scale, fitting / 6, fitting * NEAREST);
  }

  rotate(right, down) {
    this.#touched = true;
    this.yaw += right * 0.008;
    this.pitch = clamp(this.pitch + down * 0.008, -Math.PI / 2, Math.PI / 2);
  }

  // Rows: right, up, towards the eye.
  #turn() {
    if (!this.turns) return [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    return turned(this.yaw, this.pitch);
  }

  // { rows, shift }: stored units -> [pixels from the left, pixels from the top, pixels towards the eye].
  matrix() {
    const { low, high } = this.#cloud;
    const turn = this.#turn();
    const signs = [1, -1, 1];
    const offsets = [...this.middle, 0];
    const rows = turn.map((row, out) =>
      row.map((part, axis) => signs[out] * this.scale * part * ((high[axis] ?? 0) - (low[axis] ?? 0)) * STEPS),
    );
    const shift = turn.map((row, out) => {
      const away = row.reduce((sum, part, axis) => sum + part * ((low[axis] ?? 0) - this.centre[axis]), 0);
      return offsets[out] + signs[out] * this.scale * away;
    });
    return { rows, shift };
  }

  // How many pixels lie between the farthest and the nearest point, at most.
  get depth() {
    const { low, high } = this.#cloud;
    const away = low.map((from, axis) => Math.max(high[axis] - this.centre[axis], this.centre[axis] - from));
    return 2 * this.scale * Math.hypot(...away) + 1;
  }

  // Data units at a pixel; of a flat map only.
  dataAt(x, y) {
    const [middleX, middleY] = this.middle;
    return [this.centre[0] + (x - middleX) / this.scale, this.centre[1] - (y - middleY) / this.scale];
  }

  pixelOf(dataX, dataY) {
    const [middleX, middleY] = this.middle;
    return [middleX + (dataX - this.centre[0]) * this.scale, middleY - (dataY - this.centre[1]) * this.scale];
  }

  // Where the axes point on the screen: one [right, down, towards the eye] per axis.
  directions() {
    const [right, up, near] = this.#turn();
    return [0, 1, 2].map((axis) => [right[axis], -up[axis], near[axis]]);
  }
}

function turned(yaw, pitch) {
  const [cosYaw, sinYaw, cosPitch, sinPitch] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  return [
    [cosYaw, 0, sinYaw],
    [sinPitch * sinYaw, cosPitch, -sinPitch * cosYaw],
    [-cosPitch * sinYaw, sinPitch, cosPitch * cosYaw],
  ];
}

function sameBounds(one, other) {
  const text = ({ low, high, axes }) => JSON.stringify([low, high, axes]);
  return text(one) === text(other);
}

function projected({ rows, shift }, unit) {
  return rows.map((row, out) => shift[out] + row[0] * unit[0] + row[1] * unit[1] + row[2] * unit[2]);
}
