// The map without a graphics card: the same picture, more simply, with the browser's own canvas.

const FLAT_POINTS = 20_000; // more are thinned, and it is said

class FlatScene {
  #canvas;
  #pen;
  #cloud = null;
  #colors = null;
  #selected = null;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d");
  }

  load(cloud) {
    this.#cloud = cloud;
  }

  paint(colors) {
    this.#colors = Array.from({ length: 256 }, (_, at) => {
      const [red, green, blue, alpha] = colors.subarray(4 * at, 4 * at + 4);
      return alpha ? `rgb(${red} ${green} ${blue})` : null;
    });
  }

  select(points) {
    this.#selected = points.length ? new Set(points) : null;
  }

  resize(width, height, ratio) {
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
  }

  draw(view) {
    if (view.pass > 0) return; // it is whole at once
    const pen = this.#pen;
    pen.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
    pen.clearRect(0, 0, view.width, view.height);
    const { overlays, trails, count } = this.#cloud;
    const every = Math.ceil(count / FLAT_POINTS);
    const all = Array.from({ length: Math.ceil(count / every) }, (_, at) => at * every);
    overlays.forEach(({ kind }, number) => {
      if (kind === "null" && !view.hidden.has("null")) this.#fixed(view, `overlay${number}`, all, "null", view.nullAlpha);
    });
    if (trails === "all" && !view.hidden.has("trails")) {
      for (const point of all) this.#way(view, point, view.trailAlpha, 1);
    }
    for (const point of all) this.#point(view, point);
    overlays.forEach(({ kind }, number) => {
      if (kind === "edited" && !view.hidden.has("edited")) this.#arrows(view, `overlay${number}`, all);
    });
    pen.globalAlpha = 1;
  }

  get ready() {
    return true;
  }

  destroy() {
    this.#canvas.width = this.#canvas.height = 0;
  }

  #point(view, point) {
    const at = between(this.#cloud, view, "frames", point);
    const color = this.#color(view.to, point);
    if (!at || !color) return;
    const dimmed = this.#selected && !this.#selected.has(point);
    this.#dot(at, 0.5 * view.pointSize, color, view.alpha * (dimmed ? view.dimmed : 1));
  }

  #fixed(view, name, points, kind, alpha) {
    for (const point of points) {
      const at = between(this.#cloud, view, name, point);
      if (at) this.#dot(at, 0.45 * view.pointSize, view.css[kind], alpha);
    }
  }

  #arrows(view, name, points) {
    for (const point of points) {
      const ends = ["frames", name].map((array) => between(this.#cloud, view, array, point));
      if (ends.every(Boolean)) this.#line(ends, view.css.edited, view.arrowAlpha, 1.6);
    }
    this.#fixed(view, name, points, "edited", view.editedAlpha);
  }

  #way(view, point, alpha, width) {
    const places = this.#cloud.layers.map((_, frame) => this.#cloud.unit("frames", frame, point));
    const ends = places.map((unit) => unit && projected(view.matrix, unit));
    const color = this.#color(view.to, point);
    for (let frame = 0; color && frame + 1 < ends.length; frame++) {
      if (ends[frame] && ends[frame + 1]) this.#line([ends[frame], ends[frame + 1]], color, alpha, width);
    }
  }

  #line([[x1, y1], [x2, y2]], color, alpha, width) {
    const pen = this.#pen;
    pen.globalAlpha = alpha;
    pen.strokeStyle = color;
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
    pen.stroke();
  }

  #dot([x, y], radius, color, alpha) {
    const pen = this.#pen;
    pen.globalAlpha = alpha;
    pen.fillStyle = color;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fill();
  }

  #color(frame, point) {
    return this.#colors[tintAt(this.#cloud, frame, point)];
  }
}

// Where a point stands now, in pixels, between two frames; null where it is not drawn.
function between(cloud, { matrix, from, to, t }, name, point, count) {
  const [a, b] = [cloud.unit(name, from, point, count), cloud.unit(name, to, point, count)];
  if (t >= 1 || from === to) return b && projected(matrix, b);
  if (t <= 0) return a && projected(matrix, a);
  return a && b && projected(matrix, a.map((part, axis) => part + t * (b[axis] - part)));
}
