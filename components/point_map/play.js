// Which layer is shown: one frame at rest, or a place between two while it changes.

const TWEEN_MS = 350;
const STEP_MS = 620; // from one layer to the next while playing

class Timeline {
  from = 0;
  to = 0;
  t = 1;
  playing = false;
  #began = 0;
  #last = 0;
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  reset(frame, frames) {
    this.from = this.to = frame;
    this.t = 1;
    this.playing = false;
    this.#last = frames - 1;
  }

  get moving() {
    return this.t < 1;
  }

  get atEnd() {
    return this.to === this.#last;
  }

  // Towards a frame; from wherever the points are, if they are near enough to it for the eye to follow.
  go(frame, now) {
    const wanted = clamp(frame, 0, this.#last);
    if (wanted === this.to) return false;
    this.from = this.moving && this.t < 0.5 ? this.from : this.to;
    this.to = wanted;
    this.t = this.#still.matches || this.from === wanted ? 1 : 0;
    if (this.t === 1) this.from = wanted;
    this.#began = now;
    return true;
  }

  jump(frame) {
    this.from = this.to = clamp(frame, 0, this.#last);
    this.t = 1;
  }

  play(now) {
    this.playing = true;
    if (this.atEnd) this.jump(0);
    this.#began = now;
  }

  stop() {
    this.playing = false;
  }

  // Called at each animation frame; answers whether another is wanted.
  tick(now) {
    const passed = now - this.#began;
    if (this.moving) {
      this.t = Math.min(passed / TWEEN_MS, 1);
      if (this.t === 1) this.from = this.to;
    } else if (this.playing && passed >= STEP_MS) {
      if (this.atEnd) this.stop();
      else this.go(this.to + 1, now);
    }
    return this.moving || this.playing;
  }

  // Slow at both ends.
  get eased() {
    const { t } = this;
    return t < 0.5 ? 4 * t * t * t : 1 - (-2 * t + 2) ** 3 / 2;
  }
}
