// The token strip: the prompt as a line of small buttons, one of them chosen.
// Model text only ever becomes `textContent`.

export class TokenStrip {
  #root;
  #onCursor;
  #strip = null;
  #buttons = [];
  #position = null;

  constructor(root, onCursor) {
    this.#root = root;
    this.#onCursor = onCursor;
    root.className = "token-strip";
    for (const [name, value] of Object.entries({
      role: "listbox",
      "aria-label": "tokens of the prompt",
      "aria-orientation": "horizontal",
    })) {
      root.setAttribute(name, value);
    }
    root.onclick = ({ target }) => this.#onClick(target.closest("button"));
    root.onkeydown = (event) => this.#onKey(event);
  }

  get fingerprint() {
    return this.#strip?.fingerprint;
  }

  get cursor() {
    return { position: this.#position };
  }

  update(strip, cursor) {
    const held = this.#root.contains(this.#root.getRootNode().activeElement);
    this.#strip = strip;
    this.#buttons = strip.tokens.map((token, position) => this.#makeButton(token, position));
    this.#root.replaceChildren(...this.#buttons);
    this.#position = null;
    this.place(cursor);
    if (held) this.#buttons[this.#position]?.focus({ preventScroll: true });
  }

  // Move the cursor without telling anybody.
  place({ position }) {
    const last = this.#buttons.length - 1;
    if (last < 0) return;
    this.#mark(this.#position, false);
    this.#position = Math.max(0, Math.min(position ?? 0, last));
    this.#mark(this.#position, true);
    this.#reveal(this.#buttons[this.#position]);
  }

  destroy() {
    this.#root.replaceChildren();
  }

  #makeButton({ label, detail, special, generated }, position) {
    const button = document.createElement("button");
    button.type = "button";
    button.role = "option";
    button.tabIndex = -1;
    button.dir = "auto";
    button.textContent = label;
    button.title = [`position ${position}`, detail, generated && "generated"].filter(Boolean).join(" · ");
    button.dataset.position = position;
    button.ariaSelected = "false";
    button.classList.toggle("special", special);
    button.classList.toggle("generated", generated);
    const tint = this.#strip.values?.[position] ?? null;
    if (tint !== null) button.style.setProperty("--tint", `${Math.round(45 * tint)}%`);
    return button;
  }

  #mark(position, chosen) {
    const button = this.#buttons[position];
    if (!button) return;
    button.tabIndex = chosen ? 0 : -1;
    button.ariaSelected = `${chosen}`;
  }

  // Scroll the strip only, never the page around it.
  #reveal(button) {
    const { scrollTop, clientHeight } = this.#root;
    const top = button.offsetTop - this.#root.offsetTop;
    const least = top + button.offsetHeight - clientHeight;
    this.#root.scrollTop = Math.max(least, Math.min(scrollTop, top));
  }

  #choose(position) {
    const before = this.#position;
    this.place({ position });
    this.#buttons[this.#position].focus({ preventScroll: true });
    if (this.#position !== before) this.#onCursor(this.cursor);
  }

  #onClick(button) {
    if (button) this.#choose(Number(button.dataset.position));
  }

  #onKey(event) {
    if (event.altKey || event.metaKey || event.ctrlKey) return;
    const targets = {
      ArrowLeft: this.#position - 1,
      ArrowRight: this.#position + 1,
      Home: 0,
      End: this.#buttons.length - 1,
    };
    if (!Object.hasOwn(targets, event.key)) return;
    event.preventDefault();
    this.#choose(targets[event.key]);
  }
}

// ---- as a Streamlit component

const mounts = new WeakMap();

export default function mountTokenStrip({ data, parentElement, setStateValue }) {
  if (!mounts.has(parentElement)) mounts.set(parentElement, newMount(parentElement));
  const mount = mounts.get(parentElement);
  mount.link.connect(data.key, setStateValue);
  const placed = mount.link.placed(data.placed);
  if (data.strip !== mount.json) {
    mount.json = data.strip;
    mount.strip.update(JSON.parse(data.strip), placed ?? mount.strip.cursor);
  } else if (placed) {
    mount.strip.place(placed);
  }
  return () => unmount(parentElement);
}

function newMount(parentElement) {
  const root = document.createElement("div");
  parentElement.append(root);
  const link = new CursorLink();
  const strip = new TokenStrip(root, (cursor) => link.report(strip.fingerprint, cursor));
  return { root, link, strip, json: null };
}

function unmount(parentElement) {
  const mount = mounts.get(parentElement);
  mount?.link.cancel();
  mount?.strip.destroy();
  mount?.root.remove();
  mounts.delete(parentElement);
}
