// The lens grid: tokens across, layers upward, one cursor.
//
// `LensGrid` draws into any element and knows nothing of Streamlit, so that an exported page can
// reuse it; mount.js makes it a component. Its helpers stand in marks.js, legend.js and card.js.
// Model text only ever becomes `textContent`.

const ROW = 21; // pixels, gap included; also in the style sheet, through --row
const AXIS = 58;
const COLUMN = { least: 68, most: 160 };
const OVERSCAN = 4; // columns kept ready on either side
const PAGE = 5; // layers

let instances = 0;

export class LensGrid {
  #root;
  #onCursor;
  #id = `lens-grid-${++instances}`;
  #grid = null;
  #cursor = null; // { position, layer }
  #columns = new Map(); // position -> { header, cells }, only what is near the viewport
  #rows = []; // lowest layer first
  #width = COLUMN.least;
  #frame = 0;
  #byKeys = false; // whose cell the card follows: the keyboard's or the pointer's
  #card;
  #resize;

  constructor(root, onCursor) {
    this.#root = root;
    this.#onCursor = onCursor;
    root.classList.add("lens-grid");
    root.style.setProperty("--row", `${ROW}px`);
    root.style.setProperty("--axis", `${AXIS}px`);
    this.#build();
    this.#listen();
    this.retheme();
  }

  // Show `grid` (GridData as JSON, parsed). The same object again costs nothing.
  update(grid, cursor = this.#cursor) {
    if (grid !== this.#grid) {
      this.#grid = grid;
      this.#card.hide();
      this.#describe();
      this.#layOut();
      this.retheme();
    }
    this.place(cursor);
  }

  get cursor() {
    return this.#cursor;
  }

  get fingerprint() {
    return this.#grid?.fingerprint;
  }

  // Move the cursor without telling anybody.
  place(cursor) {
    const wanted = this.#nearest(cursor ?? { position: 0, layer: this.#grid.layers.at(-1) });
    if (same(wanted, this.#cursor) && this.#columns.has(wanted.position)) return this.#mark();
    this.#cursor = wanted;
    this.#reveal();
    this.#render();
  }

  // Read the theme again; the colours of all cells follow through custom properties.
  retheme() {
    const mode = isDark(getComputedStyle(this.#root)) ? "dark" : "light";
    this.#root.dataset.mode = mode;
    this.#grid?.palette[mode].forEach(([fill, ink], stop) => {
      this.#root.style.setProperty(`--fill-${stop}`, fill);
      this.#root.style.setProperty(`--ink-${stop}`, ink);
    });
  }

  destroy() {
    cancelAnimationFrame(this.#frame);
    this.#resize.disconnect();
    this.#card.remove();
    this.#root.replaceChildren();
  }

  // ---- structure

  #build() {
    this.scroller = make("div", "scroller", { role: "grid", tabindex: "0" });
    this.body = make("div", "body", { role: "presentation" });
    this.legend = make("div", "legend");
    this.#card = new Card(`${this.#id}-card`);
    this.scroller.append(this.body);
    this.#root.append(this.scroller, this.legend, this.#card.element);
  }

  #listen() {
    const { scroller } = this;
    scroller.onscroll = () => this.#onScroll();
    scroller.onscrollend = () => this.#onScrollEnd();
    scroller.onkeydown = (event) => this.#onKey(event);
    scroller.onclick = (event) => this.#onClick(event);
    scroller.onpointerover = (event) => this.#onHover(event);
    scroller.onpointerleave = () => this.#onLeave();
    scroller.onfocus = () => this.#onFocus();
    scroller.onblur = () => this.#card.hide();
    this.#resize = new ResizeObserver(() => this.#onResize());
    this.#resize.observe(scroller);
  }

  #describe() {
    const { title, alt, tokens, layers } = this.#grid;
    setAttributes(this.scroller, {
      "aria-label": title,
      "aria-description": alt,
      "aria-rowcount": layers.length + 1,
      "aria-colcount": tokens.length + 1,
    });
    drawLegend(this.legend, this.#grid);
  }

  #layOut() {
    const { layers } = this.#grid;
    this.#columns.clear();
    this.#rows = layers.map((layer, row) => this.#makeRow(layer, layers.length - row));
    this.tokenRow = makeRow(layers.length + 1, "tokens", make("div", "corner", {}, "layer ↑"));
    this.body.replaceChildren(...[...this.#rows].reverse(), this.tokenRow);
    this.#measure();
  }

  #makeRow(layer, ariaRow) {
    const header = make("div", "layer", { role: "rowheader" }, this.#layerName(layer));
    const row = makeRow(ariaRow, "layer-row", header);
    row.dataset.layer = layer;
    return row;
  }

  #layerName(layer) {
    if (layer === 0) return "0 embed";
    return layer === this.#grid.layers.at(-1) ? `${layer} last` : `${layer}`;
  }

  // Few tokens share the width; many scroll.
  #measure() {
    const count = this.#grid.tokens.length;
    const share = Math.floor((this.scroller.clientWidth - AXIS) / count);
    this.#width = Math.min(Math.max(share, COLUMN.least), COLUMN.most);
    this.#root.style.setProperty("--column", `${this.#width}px`);
    this.body.style.width = `${AXIS + count * this.#width}px`;
  }

  // ---- columns: only those near the viewport exist

  #render() {
    const [first, last] = this.#visible();
    const spare = [];
    for (const [position, column] of this.#columns) {
      if (position >= first && position <= last) continue;
      this.#columns.delete(position);
      spare.push(column);
    }
    // Right to left, so that each column is inserted before its successor and reading order holds.
    let next = null;
    for (let position = last; position >= first; position--) {
      let column = this.#columns.get(position);
      if (!column) {
        column = spare.pop() ?? this.#makeColumn();
        this.#fill(column, position);
        this.#insert(column, next);
        this.#columns.set(position, column);
      }
      next = column;
    }
    for (const { header, cells } of spare) [header, ...cells].forEach((cell) => cell.remove());
    this.#mark();
  }

  #visible() {
    const { scrollLeft, clientWidth } = this.scroller;
    const first = Math.floor(scrollLeft / this.#width) - OVERSCAN;
    const last = Math.ceil((scrollLeft + clientWidth - AXIS) / this.#width) + OVERSCAN;
    return [Math.max(first, 0), Math.min(last, this.#grid.tokens.length - 1)];
  }

  #makeColumn() {
    return {
      header: make("div", "token", { role: "columnheader", dir: "auto" }),
      cells: this.#rows.map(() => make("div", "cell", { role: "gridcell", dir: "auto" })),
    };
  }

  #insert({ header, cells }, next) {
    cells.forEach((cell, row) => this.#rows[row].insertBefore(cell, next?.cells[row] ?? null));
    this.tokenRow.insertBefore(header, next?.header ?? null);
  }

  #fill({ header, cells }, position) {
    const token = this.#grid.tokens[position];
    this.#place(header, position);
    header.textContent = token.label;
    header.className = "token";
    header.classList.toggle("special", token.special);
    header.classList.toggle("generated", token.generated);
    cells.forEach((cell, row) => this.#fillCell(cell, row, position));
  }

  #fillCell(cell, row, position) {
    const [best] = this.#topOf(row, position);
    const shade = this.#grid.shade[this.#index(row, position)];
    this.#place(cell, position);
    cell.id = this.#cellId(row, position);
    cell.textContent = best.word;
    cell.className = shade < 0 ? "cell undefined" : "cell";
    cell.classList.toggle("yes", this.#grid.scale.kind === "binary" && shade > 0);
    cell.style.background = shade < 0 ? "" : `var(--fill-${shade})`;
    cell.style.color = shade < 0 ? "" : `var(--ink-${shade})`;
    setAttributes(cell, { "aria-selected": false, "aria-label": this.#spoken(row, position, best) });
    cell.removeAttribute("aria-describedby");
  }

  #place(element, position) {
    element.dataset.position = position;
    element.style.left = `${AXIS + position * this.#width}px`;
    element.setAttribute("aria-colindex", position + 2);
  }

  // ---- reading the flat arrays

  #index(row, position) {
    return row * this.#grid.tokens.length + position;
  }

  #topOf(row, position) {
    const { k, words, top, probability } = this.#grid;
    const start = this.#index(row, position) * k;
    return Array.from({ length: k }, (_, rank) => ({
      word: words[top[start + rank]],
      probability: probability[start + rank],
    }));
  }

  #spoken(row, position, { word, probability }) {
    const { layers, tokens } = this.#grid;
    return `layer ${layers[row]}, after token ${tokens[position].label}: ${word} ${percent(probability)}`;
  }

  #cellId(row, position) {
    return `${this.#id}-${row}-${position}`;
  }

  // ---- the cursor

  get #row() {
    return this.#grid.layers.indexOf(this.#cursor.layer);
  }

  #cellAt(row, position) {
    return this.#columns.get(position)?.cells[row];
  }

  #nearest({ position, layer }) {
    const { tokens, layers } = this.#grid;
    const gap = (candidate) => Math.abs(candidate - layer);
    return {
      position: clamp(position, 0, tokens.length - 1),
      layer: layers.reduce((best, candidate) => (gap(candidate) < gap(best) ? candidate : best)),
    };
  }

  #mark() {
    for (const element of this.body.querySelectorAll(".at-cursor")) {
      element.classList.remove("at-cursor");
      if (element.role === "gridcell") element.setAttribute("aria-selected", "false");
    }
    const column = this.#columns.get(this.#cursor.position);
    this.#rows[this.#row].firstChild.classList.add("at-cursor");
    column?.header.classList.add("at-cursor");
    const cell = column?.cells[this.#row];
    cell?.classList.add("at-cursor");
    cell?.setAttribute("aria-selected", "true");
    this.scroller.setAttribute("aria-activedescendant", this.#cellId(this.#row, this.#cursor.position));
  }

  // Scroll no further than needed for the cursor to clear the sticky axis and token row.
  #reveal() {
    const { scroller } = this;
    const left = this.#cursor.position * this.#width;
    const top = (this.#rows.length - 1 - this.#row) * ROW;
    const wide = scroller.clientWidth - AXIS - this.#width;
    const high = scroller.clientHeight - this.tokenRow.offsetHeight - ROW;
    scroller.scrollLeft = clamp(scroller.scrollLeft, left - wide, left);
    scroller.scrollTop = clamp(scroller.scrollTop, top - high, top);
  }

  // The reader moved the cursor: show it at once, then tell.
  #choose(cursor) {
    if (same(cursor, this.#cursor)) return;
    this.#cursor = cursor;
    this.#reveal();
    this.#render();
    this.#onCursor(cursor);
  }

  #onKey(event) {
    if (event.altKey || event.metaKey) return;
    const target = this.#keyTarget(event.key, event.ctrlKey);
    if (!target) return;
    event.preventDefault();
    this.#byKeys = true;
    this.#choose(target);
    this.#showCursorCard();
  }

  #keyTarget(key, control) {
    const { layers, tokens } = this.#grid;
    const last = { row: layers.length - 1, position: tokens.length - 1 };
    const { position } = this.#cursor;
    const row = this.#row;
    const moves = {
      ArrowLeft: [position - 1, row],
      ArrowRight: [position + 1, row],
      ArrowUp: [position, row + 1],
      ArrowDown: [position, row - 1],
      PageUp: [position, row + PAGE],
      PageDown: [position, row - PAGE],
      Home: [0, control ? last.row : row],
      End: [last.position, control ? 0 : row],
    };
    if (!Object.hasOwn(moves, key)) return null;
    const [toPosition, toRow] = moves[key];
    return {
      position: clamp(toPosition, 0, last.position),
      layer: layers[clamp(toRow, 0, last.row)],
    };
  }

  #onClick({ target }) {
    const at = this.#whatIs(target);
    if (at?.row !== undefined) this.#choose({ position: at.position, layer: this.#grid.layers[at.row] });
    else if (at) this.#choose({ ...this.#cursor, position: at.position });
  }

  // ---- the card

  #onHover({ target }) {
    this.#byKeys = false;
    const at = this.#whatIs(target);
    if (!at) return this.#card.hide();
    if (at.row === undefined) this.#showToken(at.position, target);
    else this.#showCard(at.row, at.position);
  }

  // The keyboard's cell gets its card back when the pointer wanders off.
  #onLeave() {
    this.#byKeys = this.scroller.matches(":focus-visible");
    if (this.#byKeys) this.#showCursorCard();
    else this.#card.hide();
  }

  #onFocus() {
    if (!this.#grid || !this.scroller.matches(":focus-visible")) return;
    this.#byKeys = true;
    this.#reveal();
    this.#render();
    this.#showCursorCard();
  }

  #showCursorCard() {
    this.#showCard(this.#row, this.#cursor.position);
  }

  #whatIs(target) {
    const element = target.closest(".cell, .token");
    if (!element) return null;
    const position = Number(element.dataset.position);
    if (element.classList.contains("token")) return { position };
    return { position, row: this.#grid.layers.indexOf(Number(element.parentElement.dataset.layer)) };
  }

  #showCard(row, position) {
    const cell = this.#cellAt(row, position);
    if (!cell) return;
    const { layers, tokens, value, valueLabel, unit, scale } = this.#grid;
    const number = spell(value[this.#index(row, position)], scale.kind);
    cell.setAttribute("aria-describedby", this.#card.element.id);
    this.#card.show(cell, {
      place: `${this.#layerName(layers[row])}`,
      token: tokens[position],
      position,
      top: this.#topOf(row, position),
      value: [valueLabel, unit ? `${number} ${unit}` : number],
    });
  }

  #showToken(position, header) {
    this.#card.show(header, { place: null, token: this.#grid.tokens[position], position, top: [], value: null });
  }

  // ---- scrolling and resizing

  #onScroll() {
    if (!this.#byKeys) this.#card.hide();
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      if (!this.#grid) return;
      this.#render();
      if (this.#byKeys && this.#card.anchor) this.#showCursorCard();
    });
  }

  // Scrolling brought another cell under a pointer that did not move.
  #onScrollEnd() {
    const target = this.body.querySelector(".cell:hover, .token:hover");
    if (target && !this.#byKeys) this.#onHover({ target });
  }

  #onResize() {
    if (!this.#grid || !this.scroller.clientWidth) return;
    this.#measure();
    for (const [position, { header, cells }] of this.#columns) {
      [header, ...cells].forEach((element) => this.#place(element, position));
    }
    this.#reveal();
    this.#render();
  }
}
