// The browser's half of a cursor that lives on both sides of the wire; see cursor_link.py.

const QUIET_MS = 80; // a held key reports once it pauses
const remembered = new Map(); // key -> { serial, cursor }, across remounts of the same component

class CursorLink {
  #key;
  #serial;
  #timer;
  #number = 0;

  // Called at every run: the function that reports may be a new one.
  connect(key, setStateValue) {
    this.#key = key;
    this.setStateValue = setStateValue;
  }

  // The cursor to show now, or null when the browser's own is to stay.
  placed({ serial, cursor }) {
    if (serial === this.#serial) return null;
    const firstRun = this.#serial === undefined;
    this.#serial = serial;
    this.cancel();
    const last = remembered.get(this.#key);
    if (firstRun && last?.serial === serial) return last.cursor;
    this.#remember(cursor);
    return cursor;
  }

  report(fingerprint, cursor) {
    this.#remember(cursor);
    this.cancel();
    this.#timer = setTimeout(() => {
      this.#number = Math.max(this.#number + 1, Date.now());
      this.setStateValue("cursor", { fingerprint, ...cursor, number: this.#number });
    }, QUIET_MS);
  }

  cancel() {
    clearTimeout(this.#timer);
  }

  #remember(cursor) {
    remembered.set(this.#key, { serial: this.#serial, cursor });
  }
}
