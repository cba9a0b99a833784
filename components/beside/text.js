// A text that grows. What stands there stays, node by node, so that a selection and the place of
// reading survive; model text only ever becomes character data.
class GrowingText {
  #nodes = []; // one per piece: a text, or a <mark> around one
  #prompt = make("span", "prompt");
  #written = make("span", "written", { dir: "auto" });

  constructor() {
    this.element = make("p", "text", { dir: "auto" });
    this.element.append(this.#prompt, this.#written);
  }

  // `elided`: the text goes on from a prompt that stands elsewhere.
  update(prompt, { pieces, different, ended }, elided) {
    const differs = new Set(different);
    if (this.#prompt.textContent !== prompt) this.#prompt.textContent = prompt;
    this.element.classList.toggle("writing", !ended);
    this.element.classList.toggle("elided", elided);
    pieces.forEach((piece, place) => this.#put(place, piece, differs.has(place)));
    while (this.#nodes.length > pieces.length) this.#nodes.pop().remove();
  }

  #put(place, piece, differs) {
    const node = this.#nodes[place];
    if (node && (node.nodeName === "MARK") === differs) return rewrite(node.firstChild ?? node, piece);
    const fresh = differs ? make("mark", "", {}, piece) : document.createTextNode(piece);
    if (node) node.replaceWith(fresh);
    else this.#written.append(fresh);
    this.#nodes[place] = fresh;
  }
}

// Adding keeps a selection that ends in this text; replacing would not.
function rewrite(text, piece) {
  if (text.data === piece) return;
  if (piece.startsWith(text.data)) text.appendData(piece.slice(text.length));
  else text.data = piece;
}
