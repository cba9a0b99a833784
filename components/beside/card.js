// One card: a header, and one text with its note below, or several small ones one under the other.
const NEAR = 8; // pixels from the end that still count as the end

class Card {
  #glyph = make("span", "glyph", { "aria-hidden": true });
  #name = make("bdi", "name", { dir: "auto" });
  #label = make("span", "label");
  #scroller = make("div", "scroller", { role: "group" });
  #lead = make("p", "lead", { dir: "auto" });
  #foot = new Notes();
  #said = make("div", "said", { "aria-live": "polite" });
  #entries = [];
  #ended = true;

  constructor() {
    const head = make("div", "head");
    head.append(this.#glyph, this.#name, this.#label);
    this.element = make("section", "card");
    this.element.append(make("div", "edge"), head, this.#scroller, this.#foot.element, this.#said);
    this.#scroller.append(this.#lead);
  }

  update(card) {
    const { kind, name, label, texts } = card;
    const spoken = [label, name].filter(Boolean).join(": ");
    const several = kind === "null";
    const grows = !this.#ended || !texts[0].ended;
    const follows = !several && grows && this.#atEnd;
    this.element.dataset.kind = kind;
    this.element.setAttribute("aria-label", spoken);
    this.#scroller.setAttribute("aria-label", `text of ${spoken}`);
    write(this.#glyph, card.glyph);
    write(this.#name, name);
    this.#name.title = name;
    write(this.#label, label);
    write(this.#lead, several ? card.prompt : "");
    this.#fill(card, several);
    if (!several) this.#foot.update(texts[0]);
    this.#tell(kind, spoken, texts[0]);
    if (follows) this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.measure();
  }

  // Only what scrolls is a stop of the tab key.
  measure() {
    const { scrollHeight, clientHeight } = this.#scroller;
    if (scrollHeight > clientHeight) this.#scroller.tabIndex = 0;
    else this.#scroller.removeAttribute("tabindex");
  }

  get #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  // Several texts share one prompt above them; each has a name and its own notes.
  #fill({ prompt, texts }, several) {
    while (this.#entries.length > texts.length) this.#entries.pop().element.remove();
    while (this.#entries.length < texts.length) {
      this.#entries.push(new Entry());
      this.#scroller.append(this.#entries.at(-1).element);
    }
    this.#entries.forEach((entry, place) => entry.update(prompt, texts[place], several));
  }

  // A reader who listens hears the edited text once, when it is whole and if they saw it begin.
  #tell(kind, spoken, { pieces, ended }) {
    if (!ended) write(this.#said, "");
    else if (kind === "edited" && !this.#ended) write(this.#said, `${spoken} has ended: ${pieces.join("")}`);
    this.#ended = ended;
  }
}

class Entry {
  #name = make("bdi", "name", { dir: "auto" });
  #notes = new Notes();
  #head = make("div", "entry-head");
  #text = new GrowingText();

  constructor() {
    this.element = make("div", "entry");
    this.#head.append(this.#name, this.#notes.element);
    this.element.append(this.#head, this.#text.element);
  }

  update(prompt, text, several) {
    this.#head.hidden = !several;
    write(this.#name, several ? text.name : "");
    this.#notes.update(several ? text : { state: "", note: "" });
    this.#text.update(several ? "" : prompt, text, several && /\S$/.test(prompt));
  }
}

// How far a text is or how it compares, and what the page says about it.
class Notes {
  #state = make("span", "state");
  #note = make("bdi", "", { dir: "auto" });

  constructor() {
    this.element = make("div", "notes");
    this.element.append(this.#state, this.#note);
  }

  update({ state, note }) {
    write(this.#state, state);
    write(this.#note, note);
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
