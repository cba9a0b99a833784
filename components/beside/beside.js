// Texts side by side. Runs at every change of data or theme, so it only updates.
const mounts = new WeakMap();

export default function mountBeside({ data, parentElement }) {
  if (!mounts.has(parentElement)) mounts.set(parentElement, new Beside(parentElement));
  mounts.get(parentElement).update(data);
  return () => {
    mounts.get(parentElement)?.destroy();
    mounts.delete(parentElement);
  };
}

class Beside {
  #root = make("div", "beside");
  #row = make("div", "row");
  #cards = [];
  #json = null;
  #resize = new ResizeObserver(() => this.#cards.forEach((card) => card.measure()));

  constructor(parent) {
    this.#root.append(this.#row);
    parent.append(this.#root);
    this.#resize.observe(this.#root);
  }

  update({ cards, height }) {
    this.#root.dataset.mode = isDark(getComputedStyle(this.#root)) ? "dark" : "light";
    this.#root.classList.toggle("fixed", height !== null);
    this.#root.style.setProperty("--height", `${height ?? 0}px`);
    if (cards !== this.#json) this.#fill(JSON.parse(cards));
    this.#json = cards;
  }

  #fill(cards) {
    while (this.#cards.length > cards.length) this.#cards.pop().element.remove();
    while (this.#cards.length < cards.length) {
      this.#cards.push(new Card());
      this.#row.append(this.#cards.at(-1).element);
    }
    this.#cards.forEach((card, place) => card.update(cards[place]));
  }

  destroy() {
    this.#resize.disconnect();
    this.#root.remove();
  }
}
