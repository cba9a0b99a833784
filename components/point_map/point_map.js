// The map: points, one layer at a time, with one cursor and one selection.
//
// `PointMap` draws into any element and knows nothing of Streamlit, so that an exported page can reuse it;
// mount.js makes it a component. Three canvases lie on each other: the ground (axes), the points (WebGL, or a
// simpler drawing where there is none), and the ink (labels, rings). All are drawn only when something changed.

const BUDGET_MS = 30; // of one pass: what a card needs longer for is dealt into several
const REST_MS = 160; // after the last movement the picture is completed
const FRAME_MS = 17; // a card is asked once a frame whether it is ready
const MEASURED = 20_000; // points from which on the time of a pass is taken

export class PointMap {
  #root;
  #report;
  #cloud = null;
  #scene = null;
  #camera = new Camera();
  #time = new Timeline();
  #point = null; // the chosen one
  #meant = null; // under the pointer or the keyboard: { name, frame, point }
  #selected = [];
  #hidden = new Set();
  #tool = "pan";
  #loop = null;
  #mode = "light";
  #ink = null;
  #ratio = 1;
  #frame = 0;
  #stale = { points: true, ink: true };
  #movedAt = -Infinity;
  #passes = 1; // the picture is drawn in so many passes
  #pass = 0; // the next of them
  #began = null; // when the card was given the pass it works on: { at, points }
  #cost = 0; // milliseconds a point
  #pointer = null;
  #told = null; // what both sides know
  #resize;

  constructor(root, report) {
    this.#root = root;
    this.#report = report;
    root.classList.add("point-map");
    root.pointMap = this; // for whoever inspects the page
    this.#build();
    this.#resize = new ResizeObserver(() => this.#onResize());
    this.#resize.observe(this.stage);
  }

  get content() {
    return this.#cloud?.content;
  }

  get fingerprint() {
    return this.#cloud?.fingerprint;
  }

  get view() {
    return { layer: this.#cloud ? this.#cloud.layers[this.#time.to] : null, point: this.#point };
  }

  // Where a point is drawn, in pixels of the stage; null where it is not.
  where(point, layer = this.view.layer, name = "frames") {
    const unit = this.#cloud.unit(name, this.#cloud.frameOf(layer), point, name === "extra" ? this.#cloud.extraCount : undefined);
    return unit && projected(this.#camera.matrix(), unit).slice(0, 2);
  }

  // Show another map.
  update(cloud, view) {
    this.#cloud = cloud;
    this.#meant = null;
    this.#selected = this.#selected.filter((point) => point < cloud.count);
    this.#camera.look(cloud);
    this.#time.reset(cloud.frameOf(view?.layer ?? cloud.layers.at(-1)), cloud.layers.length);
    this.#point = within(view?.point, cloud.count);
    this.#told = this.view;
    this.#open();
    this.#describe();
    this.retheme(true);
    this.#scene.select(this.#selected);
    this.#changed();
  }

  // Move the cursor without telling anybody.
  place({ layer, point }) {
    this.#point = within(point, this.#cloud.count);
    this.#time.stop();
    this.#time.go(this.#cloud.frameOf(layer), performance.now());
    this.#told = this.view;
    this.#changed();
  }

  // Show points as selected without telling anybody.
  select(points) {
    this.#selected = points.filter((point) => point < this.#cloud.count);
    this.#scene.select(this.#selected);
    this.#changed();
  }

  // Read the theme again.
  retheme(anew = false) {
    const style = getComputedStyle(this.#root);
    const mode = isDark(style) ? "dark" : "light";
    const paper = style.getPropertyValue("--paper").trim();
    if (!this.#cloud || (!anew && mode === this.#mode && this.#ink?.source === paper)) return;
    this.#mode = mode;
    this.#root.dataset.mode = mode;
    this.#ink = inkOf(this.#root, style);
    this.#scene.paint(this.#colorTable());
    this.#legend.draw(this.#cloud, this.#colors, this.#hidden);
    this.#changed();
  }

  destroy() {
    cancelAnimationFrame(this.#frame);
    this.#resize.disconnect();
    this.#scene?.destroy();
    for (const canvas of [this.ground, this.inkCanvas]) canvas.width = canvas.height = 0;
    this.#root.replaceChildren();
    delete this.#root.pointMap;
  }

  // ---- structure

  #build() {
    this.stage = make("div", "stage", { tabindex: "0", role: "application", "aria-roledescription": "map of points" });
    this.ground = make("canvas", "ground", { "aria-hidden": true });
    this.points = make("canvas", "points", { "aria-hidden": true });
    this.inkCanvas = make("canvas", "ink", { "aria-hidden": true });
    this.notice = make("p", "notice", { role: "status" });
    this.notice.hidden = true;
    this.live = make("div", "live", { "aria-live": "polite" });
    this.card = new HoverCard();
    this.stage.append(this.ground, this.points, this.inkCanvas, this.card.element, this.notice, this.live);
    this.#legend = new MapLegend((what) => this.#toggle(what));
    this.tools = new Tools({
      lasso: () => this.#take("lasso"),
      box: () => this.#take("box"),
      labels: () => this.#toggle("labels"),
      closer: () => this.#zoom(1.5),
      away: () => this.#zoom(1 / 1.5),
      reset: () => this.#reset(),
    });
    this.player = new Player({ play: () => this.#togglePlay(), scrub: (frame) => this.#goTo(frame) });
    const bar = make("div", "bar");
    bar.append(this.player.element, this.#legend.element);
    const frame = make("div", "frame");
    frame.append(this.stage, this.tools.element);
    this.#root.append(frame, bar);
    this.#listen();
  }

  #legend;
  #gestures;

  #listen() {
    this.#gestures = new Gestures(this.stage, {
      tool: () => this.#tool,
      turns: () => this.#camera.turns,
      hover: (x, y) => this.#hover(x, y),
      leave: () => this.#leave(),
      click: (x, y) => this.#click(x, y),
      pan: (x, y) => this.#move(() => this.#camera.pan(x, y)),
      turn: (x, y) => this.#move(() => this.#camera.rotate(x, y)),
      zoom: (x, y, factor) => this.#move(() => this.#camera.zoomAt(x, y, factor)),
      loop: (loop) => this.#drawLoop(loop),
      looped: (loop) => this.#selectInside(loop),
      reset: () => this.#reset(),
      moved: () => this.#changed(),
    });
    this.stage.onkeydown = (event) => this.#onKey(event);
    this.stage.onblur = () => this.#leave();
  }

  #describe() {
    const { title, alt, count: points, layers } = this.#cloud;
    const keys = "Up and down change the layer, left and right the point, Enter chooses it, space plays, 0 shows the whole map.";
    setAttributes(this.stage, {
      "aria-label": title,
      "aria-description": [alt, `${count(points)} points, ${layers.length} layers.`, keys].filter(Boolean).join(" "),
    });
  }

  // ---- the scene, and what to do without a graphics card

  #open() {
    if (!this.#scene) this.#scene = this.#newScene();
    this.#scene.load(this.#cloud);
    this.#fit();
  }

  #newScene() {
    try {
      const scene = new Scene(this.points);
      this.points.onwebglcontextlost = (event) => this.#onLost(event);
      this.points.addEventListener("webglcontextlost", this.points.onwebglcontextlost);
      return scene;
    } catch {
      return this.#flatScene("This browser gives the page no WebGL2");
    }
  }

  #flatScene(reason) {
    const canvas = make("canvas", "points", { "aria-hidden": true });
    this.points.replaceWith(canvas);
    this.points = canvas;
    const some = this.#cloud.count > FLAT_POINTS ? `, and ${count(FLAT_POINTS)} of ${count(this.#cloud.count)} points` : "";
    this.notice.textContent = `${reason}: the map is drawn in a simpler way${some}.`;
    this.notice.hidden = false;
    this.#root.dataset.drawing = "flat";
    return new FlatScene(canvas);
  }

  #onLost(event) {
    event.preventDefault();
    if (!this.#root.isConnected || !this.#cloud) return;
    this.#scene = this.#flatScene("The graphics card stopped drawing for this page");
    this.#open();
    this.#scene.paint(this.#colorTable());
    this.#scene.select(this.#selected);
    this.#changed();
  }

  // ---- colours

  get #colors() {
    return this.#cloud.palette[this.#mode];
  }

  #colorTable() {
    return colorTable(this.#cloud, this.#colors, this.#hidden);
  }

  #pointColor(frame, point) {
    return pointColor(this.#cloud, this.#colors, frame, point);
  }

  get #skip() {
    return hiddenOf(this.#cloud, this.#colors, this.#hidden);
  }

  #toggle(what) {
    if (!this.#hidden.delete(what)) this.#hidden.add(what);
    this.#scene.paint(this.#colorTable());
    this.#legend.draw(this.#cloud, this.#colors, this.#hidden);
    this.#legend.element.querySelector(`[data-what="${what}"]`)?.focus();
    this.#changed();
  }

  // ---- drawing

  #changed() {
    this.#stale.points = true;
    this.#inkChanged();
  }

  // Only what lies over the points.
  #inkChanged() {
    this.#stale.ink = true;
    this.#wake();
  }

  #wake() {
    if (!this.#frame) this.#frame = requestAnimationFrame((now) => this.#tick(now));
  }

  #tick(now) {
    this.#frame = 0;
    if (!this.#cloud || !this.stage.clientWidth) return;
    if (!this.#scene.ready) return this.#wake();
    this.#measure();
    const { to } = this.#time;
    const tweened = this.#time.moving;
    const more = this.#time.tick(now);
    if (tweened || to !== this.#time.to) this.#stale = { points: true, ink: true };
    const moving = this.#time.moving || now - this.#movedAt < REST_MS;
    this.#draw(moving);
    if (!this.#time.moving && !this.#time.playing) this.#tellRest();
    if (more || moving || this.#pass < this.#passes) this.#wake();
    return undefined;
  }

  // While something moves, one pass of few enough points; at rest, one pass after the other until all are drawn.
  #draw(moving) {
    if (this.#stale.points) {
      const parts = (this.#cost * this.#cloud.count) / BUDGET_MS;
      this.#passes = PASSES.find((passes) => passes >= parts) ?? PASSES.at(-1);
      this.#pass = 0;
    }
    const unfinished = this.#pass > 0 && this.#pass < this.#passes && !moving;
    if (!this.#stale.points && !this.#stale.ink && !unfinished) return;
    const view = this.#viewNow(moving);
    if (this.#stale.points || unfinished) this.#drawPoints(view);
    if (this.#stale.points) drawGround(this.#pen(this.ground), this.#camera, this.#cloud, this.#ink);
    if (this.#stale.ink || this.#pass === this.#passes) this.#drawInk(view);
    this.#stale = { points: false, ink: false };
    this.#note(view);
  }

  #drawPoints(view) {
    this.#began = { at: performance.now(), points: this.#cloud.count / this.#passes };
    this.#scene.draw(view);
    this.#pass += 1;
  }

  // What a point costs on this machine, from the time the last pass took.
  #measure() {
    if (this.#began?.points >= MEASURED / PASSES.at(-1) && this.#cloud.count >= MEASURED) {
      const cost = Math.max(performance.now() - this.#began.at - FRAME_MS, 0.1) / this.#began.points;
      this.#cost = this.#cost ? 0.5 * (this.#cost + cost) : cost;
    }
    this.#began = null;
  }

  #viewNow(moving) {
    const { count: points } = this.#cloud;
    const size = clamp(23 * points ** -0.18, 1.9, 12) * clamp(this.#camera.zoom, 0.5, 400) ** 0.22;
    const pointSize = Math.min(size, 14);
    const turns = this.#camera.turns;
    return {
      matrix: this.#camera.matrix(),
      depth: this.#camera.depth,
      width: this.#camera.width,
      height: this.#camera.height,
      ratio: this.#ratio,
      turns,
      from: this.#time.from,
      to: this.#time.to,
      t: this.#time.eased,
      moving,
      passes: this.#passes,
      pass: this.#pass,
      hidden: this.#hidden,
      skip: this.#skip,
      pointSize,
      alpha: turns ? 1 : clamp(2.6 * points ** -0.14 * clamp(this.#camera.zoom, 1, 30) ** 0.2, 0.3, 0.96),
      trailAlpha: clamp(3 * points ** -0.5, 0.06, 0.6),
      nullAlpha: clamp(4 * (points * this.#cloud.overlays.length) ** -0.4, 0.06, 0.5),
      editedAlpha: clamp(3 * points ** -0.15, 0.4, 0.95),
      arrowAlpha: clamp(5 * points ** -0.35, 0.12, 0.9),
      dimmed: 0.14,
      halo: points <= 3_000 ? 1 : points <= 12_000 ? 0.5 : 0,
      colors: this.#fixedColors(),
      css: this.#colors,
    };
  }

  #fixedColors() {
    const { edited, null: none } = this.#colors;
    const full = (text) => [...channels(text).map((part) => part / 255), 1];
    return { edited: full(edited), null: full(none), paper: full(this.#ink.paper) };
  }

  // The ways of the point that is meant and of the chosen one.
  #paths() {
    if (this.#cloud.layers.length < 2 || this.#hidden.has("trails")) return [];
    const paths = [];
    if (this.#point !== null) paths.push({ point: this.#point, strength: 0.95 });
    const { name, point } = this.#meant ?? {};
    if (name && name !== "extra" && point !== this.#point) paths.push({ point, strength: 0.6 });
    return paths;
  }

  #drawInk(view) {
    const pen = this.#pen(this.inkCanvas);
    pen.clearRect(0, 0, view.width, view.height);
    for (const { point, strength } of this.#paths()) {
      drawPath(pen, view, this.#cloud, point, this.#pointColor(view.to, point), strength, this.#ink);
    }
    const wanted = [...this.#drawChosen(pen, view), ...this.#drawExtra(pen, view)];
    const meant = this.#meantAt();
    if (meant) drawRing(pen, meant, view.pointSize / 2 + 4, this.#ink, this.#ink.accent);
    drawLabels(pen, view, this.#cloud, wanted, this.#ink);
    if (this.#loop) drawLoop(pen, this.#loop, this.#ink);
    this.#showCard(meant);
  }

  #drawChosen(pen, view) {
    const at = this.#point === null ? null : between(this.#cloud, view, "frames", this.#point);
    if (!at) return [];
    pen.fillStyle = this.#pointColor(view.to, this.#point);
    dot(pen, at, 0.55 * view.pointSize);
    drawRing(pen, at, view.pointSize / 2 + 4, this.#ink, this.#ink.text);
    return [{ text: this.#cloud.label(this.#point), at, point: this.#point }];
  }

  #drawExtra(pen, view) {
    const { extra, extraCount } = this.#cloud;
    if (!extra || this.#hidden.has("extra")) return [];
    const places = extra.labels.map((text, point) => ({ text, at: between(this.#cloud, view, "extra", point, extraCount) }));
    const drawn = places.filter(({ at }) => at);
    for (const { at } of drawn) drawDiamond(pen, at, Math.max(0.8 * view.pointSize, 6), this.#colors.extra, this.#ink);
    return drawn;
  }

  #pen(canvas) {
    const pen = canvas.getContext("2d");
    pen.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    return pen;
  }

  // What a test or a style sheet can read.
  #note(view) {
    const { layers, count: points } = this.#cloud;
    const place = this.#point === null ? null : between(this.#cloud, view, "frames", this.#point);
    Object.assign(this.#root.dataset, {
      layer: layers[this.#time.to],
      resting: !this.#time.moving && !this.#time.playing,
      drawn: Math.min(Math.ceil((points * this.#pass) / this.#passes), points),
      point: this.#point ?? "",
      at: place ? place.slice(0, 2).map((part) => part.toFixed(1)).join(" ") : "",
      meant: this.#meant ? this.#meant.point : "",
      selected: this.#selected.length,
    });
    this.player.draw(layers, this.#time.to, this.#time.playing);
    this.tools.press({ lasso: this.#tool === "lasso", box: this.#tool === "box", labels: !this.#hidden.has("labels") });
  }

  // ---- moving

  #move(change) {
    change();
    this.#movedAt = performance.now();
    this.#meant = null;
    this.#changed();
  }

  #zoom(factor) {
    this.#move(() => this.#camera.zoomAt(...this.#camera.middle, factor));
  }

  #reset() {
    this.#move(() => this.#camera.reset());
  }

  #onResize() {
    if (!this.#cloud) return;
    this.#fit();
    this.#changed();
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    this.#ratio = Math.min(devicePixelRatio || 1, 3);
    this.#camera.resize(width, height);
    this.#scene.resize(width, height, this.#ratio);
    for (const canvas of [this.ground, this.inkCanvas]) {
      canvas.width = Math.round(width * this.#ratio);
      canvas.height = Math.round(height * this.#ratio);
    }
  }

  // ---- layers

  #goTo(frame) {
    this.#time.stop();
    this.#time.go(frame, performance.now());
    this.#changed();
  }

  #togglePlay() {
    if (this.#time.playing) this.#time.stop();
    else this.#time.play(performance.now());
    this.#changed();
  }

  // Once nothing moves, what is shown is told; if it is what was placed or told before, nobody is bothered.
  #tellRest() {
    const { layer, point } = this.view;
    if (this.#told.layer === layer && this.#told.point === point) return;
    this.#told = { layer, point };
    this.#report.view({ layer, point });
    this.#say(point, this.#cloud.layers.indexOf(layer));
  }

  // ---- what is meant

  #hover(x, y) {
    this.#pointer = [x, y];
    if (this.#hovering) return;
    this.#hovering = requestAnimationFrame(() => {
      this.#hovering = 0;
      if (!this.#cloud || !this.#pointer) return;
      const before = this.#meant;
      this.#meant = this.#find(...this.#pointer);
      this.stage.classList.toggle("over", this.#meant !== null);
      if (before?.point !== this.#meant?.point || before?.frame !== this.#meant?.frame) this.#inkChanged();
    });
  }

  #hovering = 0;

  #leave() {
    this.#pointer = null;
    if (!this.#meant) return;
    this.#meant = null;
    this.#inkChanged();
  }

  #find(x, y) {
    if (this.#time.moving) return null;
    const shown = { frame: this.#time.to, hidden: this.#hidden, skip: this.#skip, chosen: this.#point };
    return sought(this.#cloud, this.#camera.matrix(), shown, x, y);
  }

  #meantAt() {
    if (!this.#meant || this.#time.moving) return null;
    const { name, frame, point } = this.#meant;
    return this.where(point, this.#cloud.layers[frame], name);
  }

  #showCard(at) {
    if (!at) return this.card.hide();
    const { name, frame, point } = this.#meant;
    const extra = name === "extra";
    const run = name.startsWith("overlay") ? this.#cloud.overlays[Number(name.slice(7))].name : null;
    this.card.show(at, {
      title: extra ? this.#cloud.extra.labels[point] : this.#cloud.label(point),
      detail: [layerName(this.#cloud.layers, frame), run, extra && this.#cloud.extra.name].filter(Boolean).join(" · "),
      meaning: extra ? "" : [this.#cloud.color.title, this.#cloud.meaning(frame, point)].filter(Boolean).join(": "),
      color: extra ? this.#colors.extra : this.#pointColor(frame, point),
    }, this.#camera.width, this.#camera.height);
    return undefined;
  }

  #say(point, frame) {
    const where = layerName(this.#cloud.layers, frame);
    this.live.textContent = point === null ? where : `${this.#cloud.label(point)}, ${where}, ${this.#cloud.meaning(frame, point)}`;
  }

  // ---- choosing

  #click(x, y) {
    this.stage.focus({ preventScroll: true });
    const hit = this.#find(x, y);
    if (hit && hit.name !== "extra") this.#choose(hit.point, hit.frame);
  }

  #choose(point, frame) {
    this.#point = point;
    this.#time.stop();
    this.#time.go(frame, performance.now());
    this.#meant = null;
    this.#inkChanged();
  }

  #take(tool) {
    this.#tool = this.#tool === tool ? "pan" : tool;
    this.stage.classList.toggle("looping", this.#tool !== "pan");
    this.#inkChanged();
  }

  #drawLoop(loop) {
    this.#loop = loop;
    this.#meant = null;
    this.#inkChanged();
  }

  #selectInside(loop) {
    this.#loop = null;
    const run = this.#cloud.run(this.#time.to);
    this.#report.selection(this.#selectHere(inside(run, this.#camera.matrix(), loop, this.#skip)));
  }

  #selectHere(points) {
    this.select(points);
    this.live.textContent = points.length ? `${count(points.length)} points selected` : "nothing selected";
    return points;
  }

  // ---- keys

  #onKey(event) {
    if (event.altKey || event.metaKey || event.ctrlKey || !this.#cloud) return;
    const act = this.#keyAct(event.key);
    if (!act) return;
    event.preventDefault();
    act();
  }

  #keyAct(key) {
    const { to } = this.#time;
    const acts = {
      ArrowUp: () => this.#goTo(to + 1),
      "]": () => this.#goTo(to + 1),
      ArrowDown: () => this.#goTo(to - 1),
      "[": () => this.#goTo(to - 1),
      ArrowRight: () => this.#step(1),
      ArrowLeft: () => this.#step(-1),
      Enter: () => this.#meant && this.#meant.name !== "extra" && this.#choose(this.#meant.point, this.#meant.frame),
      " ": () => this.#togglePlay(),
      0: () => this.#reset(),
      "+": () => this.#zoom(1.5),
      "=": () => this.#zoom(1.5),
      "-": () => this.#zoom(1 / 1.5),
      Escape: () => this.#clear(),
    };
    return Object.hasOwn(acts, key) ? acts[key] : null;
  }

  // To the next point that is drawn at this layer.
  #step(by) {
    const frame = this.#time.to;
    const { count: points } = this.#cloud;
    const skip = this.#skip;
    let point = this.#meant?.name === "frames" ? this.#meant.point : (this.#point ?? (by > 0 ? -1 : points));
    do point += by;
    while (point >= 0 && point < points && (skip?.(point) || !this.#cloud.unit("frames", frame, point)));
    if (point < 0 || point >= points) return;
    this.#meant = { name: "frames", frame, point };
    this.#say(point, frame);
    this.#inkChanged();
  }

  #clear() {
    this.#gestures.abandon();
    this.#tool = "pan";
    this.stage.classList.remove("looping");
    if (this.#selected.length) this.#report.selection(this.#selectHere([]));
    this.#meant = null;
    this.#changed();
  }
}

function within(point, points) {
  return point !== null && point !== undefined && point < points ? point : null;
}
