// The card beside a cell. It stands in the top layer, where no container can clip it.
class Card {
  #dismissed = null;
  // Escape works wherever the focus is: a card under the pointer has none.
  #onKey = ({ key }) => key === "Escape" && this.#dismiss();

  constructor(id) {
    this.element = make("div", "card", { id, role: "tooltip", popover: "manual" });
    this.title = make("div", "card-title");
    this.detail = make("div", "card-detail");
    this.words = make("div", "card-words");
    this.value = make("div", "card-value");
    this.element.append(this.title, this.detail, this.words, this.value);
  }

  show(anchor, content) {
    const same = this.anchor === anchor && this.position === content.position;
    if (same && this.#dismissed === anchor) return;
    this.#dismissed = null;
    this.anchor = anchor;
    this.position = content.position;
    this.#write(content);
    if (!this.#open) this.element.showPopover();
    document.addEventListener("keydown", this.#onKey);
    this.#stand(anchor.getBoundingClientRect());
  }

  hide() {
    this.anchor = null;
    document.removeEventListener("keydown", this.#onKey);
    if (this.#open) this.element.hidePopover();
  }

  get #open() {
    return this.element.matches(":popover-open");
  }

  // Hide, and stay hidden until another cell is meant.
  #dismiss() {
    const { anchor } = this;
    this.hide();
    this.anchor = this.#dismissed = anchor;
  }

  remove() {
    this.hide();
    this.element.remove();
  }

  #write({ place, token, position, top, value }) {
    const label = make("bdi", "card-token", { dir: "auto" }, token.label);
    this.title.replaceChildren(...(place === null ? [label] : [`layer ${place}, after `, label]));
    const marks = [token.special && "special", token.generated && "generated"].filter(Boolean);
    this.detail.textContent = [`position ${position}`, token.detail, ...marks].filter(Boolean).join(" · ");
    this.words.replaceChildren(...top.map(wordLine));
    this.value.hidden = value === null;
    if (value) this.value.replaceChildren(make("span", "", {}, value[0]), make("b", "", {}, value[1]));
  }

  // Right of the anchor, else left of it, and always inside the viewport.
  #stand(anchor) {
    const { offsetWidth: wide, offsetHeight: high } = this.element;
    const right = anchor.right + 8;
    const left = right + wide < innerWidth - 8 ? right : anchor.left - wide - 8;
    this.element.style.left = `${clamp(left, 8, innerWidth - wide - 8)}px`;
    this.element.style.top = `${clamp(anchor.top - 8, 8, innerHeight - high - 8)}px`;
  }
}

function wordLine({ word, probability }) {
  const line = make("div", "card-word");
  const bar = make("span", "bar");
  bar.style.width = `${100 * probability}%`;
  line.append(bar, make("bdi", "word", { dir: "auto" }, word), make("span", "percent", {}, percent(probability)));
  return line;
}
