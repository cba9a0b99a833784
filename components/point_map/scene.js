// The map on the graphics card. All frames lie in one buffer; a layer is an offset into it, a change of layer
// a mixture of two offsets, and a trail one instance per point between the offsets of neighbouring layers.

const PASSES = [1, 2, 3, 5, 7, 11, 17, 23, 31, 41]; // into how many parts points may be dealt, strides of 255 bytes at most
const EACH = { first: 0, every: 1, divisor: 1 }; // every point is an instance
const FAINT_VERTICES = 20_000; // points of other layers that are drawn on the trails

class Scene {
  #gl;
  #canvas;
  #programs;
  #buffers = new Map();
  #tints;
  #cloud = null;
  #selecting = false;
  #fence = null;

  // Throws where the browser gives no WebGL2.
  constructor(canvas) {
    this.#canvas = canvas;
    this.#gl = canvas.getContext("webgl2", {
      antialias: false,
      alpha: true,
      depth: true,
      preserveDrawingBuffer: true, // a picture is completed pass by pass
    });
    if (!this.#gl) throw new Error("no WebGL2");
    this.#programs = {
      points: program(this.#gl, POINT_VERTEX, POINT_FRAGMENT),
      lines: program(this.#gl, LINE_VERTEX, LINE_FRAGMENT),
    };
    this.#tints = this.#gl.createTexture();
  }

  load(cloud) {
    const gl = this.#gl;
    this.#cloud = cloud;
    for (const { buffer } of this.#buffers.values()) gl.deleteBuffer(buffer);
    this.#buffers.clear();
    for (const name of ["frames", "tint", ...cloud.overlays.map((_, number) => `overlay${number}`)]) {
      const values = cloud.array(name);
      if (values) this.#store(name, values);
    }
  }

  // The colours of every category or of the scale, 255 of them, then that of "none".
  paint(colors) {
    const gl = this.#gl;
    gl.bindTexture(gl.TEXTURE_2D, this.#tints);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colors);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
    }
  }

  // Emphasise these points; none means all.
  select(points) {
    this.#selecting = points.length > 0;
    if (!this.#selecting) return;
    const marks = new Uint8Array(this.#cloud.count);
    for (const point of points) marks[point] = 255;
    this.#store("selected", marks);
  }

  resize(width, height, ratio) {
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
  }

  // One part of the picture: of `view.passes`, number `view.pass`. The first begins a new picture.
  draw(view) {
    const gl = this.#gl;
    if (view.pass === 0) this.#begin(view);
    this.#inDepth(view);
    this.#points(view, "frames", { dealt: true });
    if (view.pass === view.passes - 1 || view.moving) this.#edited(view);
    gl.deleteSync(this.#fence);
    this.#fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
  }

  // Has the card drawn what it was last told? Asking does not wait.
  get ready() {
    const gl = this.#gl;
    return !this.#fence || gl.isContextLost() || gl.getSyncParameter(this.#fence, gl.SYNC_STATUS) === gl.SIGNALED;
  }

  #begin(view) {
    const gl = this.#gl;
    gl.viewport(0, 0, this.#canvas.width, this.#canvas.height);
    gl.depthMask(true);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.#inDepth(view);
    this.#nulls(view);
    this.#trails(view);
  }

  #inDepth({ turns }) {
    const gl = this.#gl;
    gl.depthFunc(gl.LEQUAL);
    if (turns) gl.enable(gl.DEPTH_TEST);
    else gl.disable(gl.DEPTH_TEST);
  }

  destroy() {
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.#canvas.width = this.#canvas.height = 0;
  }

  // ---- what is drawn

  #nulls(view) {
    this.#cloud.overlays.forEach(({ kind }, number) => {
      if (kind !== "null" || view.hidden.has("null")) return;
      const look = { fixed: view.colors.null, shape: 6, size: view.pointSize * 0.95, alpha: view.nullAlpha };
      this.#points(view, `overlay${number}`, look);
    });
  }

  #trails(view) {
    const { layers, count: points, trails } = this.#cloud;
    if (trails !== "all" || view.hidden.has("trails")) return;
    const frames = layers.length;
    for (let frame = 0; frame + 1 < frames; frame++) {
      const alpha = view.trailAlpha * nearness(frame + 0.5, view);
      this.#lines(view, ["frames", frame, frame], ["frames", frame + 1, frame + 1], { alpha, width: 1.3 });
    }
    if (points * frames > FAINT_VERTICES) return;
    for (let frame = 0; frame < frames; frame++) {
      const alpha = 0.9 * view.trailAlpha * nearness(frame, view);
      this.#points(view, "frames", { from: frame, to: frame, size: view.pointSize * 0.38, alpha, halo: 0, shape: 0 });
    }
  }

  // Arrows are seen through what stands before them.
  #edited(view) {
    this.#gl.disable(this.#gl.DEPTH_TEST);
    this.#cloud.overlays.forEach(({ kind }, number) => {
      if (kind !== "edited" || view.hidden.has("edited")) return;
      const name = `overlay${number}`;
      const arrows = { fixed: view.colors.edited, alpha: view.arrowAlpha, width: 1.6, head: 8, trim: 0.5 * view.pointSize };
      this.#lines(view, ["frames", view.from, view.to], [name, view.from, view.to], arrows);
      this.#points(view, name, { fixed: view.colors.edited, shape: 3, size: view.pointSize * 0.95, alpha: view.editedAlpha });
    });
  }

  // ---- how it is drawn

  #points(view, name, look) {
    const gl = this.#gl;
    const { from = view.from, to = view.to } = look;
    const use = this.#use("points", view, look);
    const part = look.dealt ? { first: view.pass, every: view.passes } : { first: 0, every: 1 };
    this.#position(use.a_from, name, from, part);
    this.#position(use.a_to, name, to, part);
    this.#tint(use.a_tintFrom, from, part);
    this.#tint(use.a_tintTo, to, part);
    this.#chosen(use.a_chosen, part);
    gl.uniform1f(use.u_point, (look.size ?? view.pointSize) * view.ratio);
    gl.uniform1f(use.u_shape, look.shape ?? -1);
    gl.uniform1f(use.u_shapes, this.#cloud.shapes.length);
    gl.uniform1f(use.u_halo, (look.halo ?? view.halo) * view.ratio);
    gl.uniform1f(use.u_fog, view.turns ? 1 : 0);
    gl.uniform3fv(use.u_paper, view.colors.paper.slice(0, 3));
    gl.depthMask(Boolean(look.dealt)); // what is faint hides nothing
    gl.drawArrays(gl.POINTS, 0, Math.ceil((this.#cloud.count - part.first) / part.every));
  }

  // One instance a point, from its place in one pair of frames to its place in another.
  #lines(view, [nameA, fromA, toA], [nameB, fromB, toB], look) {
    const gl = this.#gl;
    const use = this.#use("lines", view, look);
    this.#position(use.a_from, nameA, fromA, EACH);
    this.#position(use.a_to, nameA, toA, EACH);
    this.#position(use.b_from, nameB, fromB, EACH);
    this.#position(use.b_to, nameB, toB, EACH);
    this.#tint(use.a_tintFrom, fromA, EACH);
    this.#chosen(use.a_chosen, EACH);
    gl.uniform1f(use.u_width, look.width);
    gl.uniform1f(use.u_head, look.head ?? 0);
    gl.uniform1f(use.u_trim, look.trim ?? 0);
    gl.depthMask(false);
    gl.drawArraysInstanced(gl.TRIANGLES, 0, look.head ? 9 : 6, this.#cloud.count);
  }

  #use(name, view, look) {
    const gl = this.#gl;
    const use = this.#programs[name];
    const { color, tintNone } = this.#cloud;
    const { rows, shift } = view.matrix;
    gl.useProgram(use.program);
    // the card reads columns
    gl.uniformMatrix3fv(use.u_matrix, false, [0, 1, 2].flatMap((axis) => rows.map((row) => row[axis])));
    gl.uniform3fv(use.u_shift, shift);
    gl.uniform2f(use.u_size, view.width, view.height);
    gl.uniform1f(use.u_depth, view.depth);
    gl.uniform1f(use.u_t, look.from === undefined ? view.t : 0);
    gl.uniform1f(use.u_tintNone, tintNone);
    gl.uniform1i(use.u_byCategory, color.kind === "categories");
    gl.uniform1f(use.u_worn, color.worn ?? 0);
    gl.uniform2fv(use.u_tintMap, tintMap(color, tintNone));
    gl.uniform4fv(use.u_fixed, look.fixed ?? [0, 0, 0, 0]);
    gl.uniform1f(use.u_alpha, look.alpha ?? view.alpha);
    gl.uniform1f(use.u_dimmed, this.#selecting ? view.dimmed : 1);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.#tints);
    gl.uniform1i(use.u_tints, 0);
    return use;
  }

  #position(place, name, frame, part) {
    const { dimensions, count } = this.#cloud;
    const stride = dimensions * this.#buffers.get(name).bytes;
    this.#attribute(place, name, dimensions, true, stride, frame * count * stride, part);
  }

  #tint(place, frame, part) {
    this.#attribute(place, "tint", 1, false, this.#buffers.get("tint").bytes, this.#cloud.tintOffset(frame), part);
  }

  #chosen(place, part) {
    if (this.#selecting) return this.#attribute(place, "selected", 1, true, 1, 0, part);
    if (place < 0) return undefined;
    this.#gl.disableVertexAttribArray(place);
    return this.#gl.vertexAttrib1f(place, 1);
  }

  #attribute(place, name, size, normalised, stride, offset, { first, every, divisor = 0 }) {
    if (place < 0) return;
    const gl = this.#gl;
    const { buffer, type } = this.#buffers.get(name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, type, normalised, stride * every, offset + stride * first);
    gl.vertexAttribDivisor(place, divisor);
  }

  #store(name, values) {
    const gl = this.#gl;
    const buffer = this.#buffers.get(name)?.buffer ?? gl.createBuffer();
    const types = { 1: gl.UNSIGNED_BYTE, 2: gl.UNSIGNED_SHORT, 4: gl.FLOAT };
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    this.#buffers.set(name, { buffer, type: types[values.BYTES_PER_ELEMENT], bytes: values.BYTES_PER_ELEMENT });
  }
}

// 1 at the layer shown, less at layers before and after it.
function nearness(frame, { from, to, t }) {
  return 0.3 + 0.7 * Math.exp(-Math.abs(frame - (from + t * (to - from))) / 3);
}

// share = tint * x + y: from steps between the least and the most value to the two ends of the scale.
function tintMap({ kind, least, span, low, high }, tintNone) {
  if (kind !== "scale") return [0, 0];
  return [span / (tintNone - 1) / (high - low), (least - low) / (high - low)];
}

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(gl.getProgramInfoLog(made) || "a program did not link");
  }
  return { program: made, ...located(gl, made) };
}

function located(gl, made) {
  const places = { a_tintFrom: -1, a_tintTo: -1, a_chosen: -1 };
  const attributes = gl.getProgramParameter(made, gl.ACTIVE_ATTRIBUTES);
  for (let index = 0; index < attributes; index++) {
    const { name } = gl.getActiveAttrib(made, index);
    places[name] = gl.getAttribLocation(made, name);
  }
  const uniforms = gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS);
  for (let index = 0; index < uniforms; index++) {
    const { name } = gl.getActiveUniform(made, index);
    places[name] = gl.getUniformLocation(made, name);
  }
  return places;
}
