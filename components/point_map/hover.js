// The card beside the point that is meant. Labels are a model's words: they only ever become textContent.

class HoverCard {
  constructor() {
    this.element = make("div", "card", { "aria-hidden": true });
    this.title = make("bdi", "card-title", { dir: "auto" });
    this.detail = make("div", "card-detail");
    this.meaning = make("div", "card-meaning");
    this.element.append(this.title, this.detail, this.meaning);
    this.element.hidden = true;
  }

  show([x, y], { title, detail, meaning, color }, width, height) {
    this.title.textContent = title;
    this.detail.textContent = detail;
    this.meaning.textContent = meaning;
    this.meaning.style.setProperty("--point", color);
    this.element.hidden = false;
    const { offsetWidth: wide, offsetHeight: high } = this.element;
    const left = x + 16 + wide < width ? x + 16 : x - wide - 16;
    this.element.style.translate = `${clamp(left, 4, width - wide - 4)}px ${clamp(y - high / 2, 4, height - high - 4)}px`;
  }

  hide() {
    this.element.hidden = true;
  }
}
