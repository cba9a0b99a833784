// Examples of a feature: one line a text, its tokens tinted by how strongly the feature fires on them.
// Model text only ever becomes `textContent`.

const mounts = new WeakMap();

export default function mountExamples({ data, parentElement, setTriggerValue }) {
  let mount = mounts.get(parentElement);
  if (!mount) {
    const root = document.createElement("div");
    root.className = "example-lines";
    parentElement.append(root);
    mount = { root, json: null };
    root.onclick = ({ target }) => {
      const button = target.closest("button");
      if (button) mount.choose(Number(button.dataset.row));
    };
    mounts.set(parentElement, mount);
  }
  mount.choose = (row) => setTriggerValue("read", { fingerprint: data.fingerprint, row });
  if (data.levels !== mount.json) {
    mount.json = data.levels;
    mount.root.replaceChildren(...JSON.parse(data.levels).flatMap(drawLevel));
  }
  return () => {
    mount.root.remove();
    mounts.delete(parentElement);
  };
}

function drawLevel({ name, lines }) {
  const heading = make("h4", "level", name);
  const list = make("ol", "lines");
  list.setAttribute("aria-label", name);
  list.append(...lines.map(drawLine));
  return [heading, list];
}

function drawLine({ row, value, tokens }) {
  const line = make("li", "line");
  const number = make("span", "value", value);
  const text = make("span", "text");
  text.dir = "auto";
  text.append(...tokens.flatMap((token) => [...breakBefore(token), drawToken(token)]));
  const button = make("button", "read", "Read");
  button.type = "button";
  button.title = "Take this text as the prompt, its cursor on the marked token";
  button.dataset.row = row;
  line.append(number, text, button);
  return line;
}

// Spaces are drawn as dots, at which no browser would break a line.
function breakBefore({ label }) {
  return /^[·⏎]/.test(label) ? [document.createElement("wbr")] : [];
}

function drawToken({ label, tint, at, detail }) {
  const token = make("span", at ? "token at" : "token", label);
  if (detail) token.title = detail;
  if (tint) token.style.setProperty("--tint", `${Math.round(60 * Math.abs(tint))}%`);
  token.classList.toggle("negative", tint < 0);
  return token;
}

function make(name, className, text = "") {
  const element = document.createElement(name);
  element.className = className;
  element.textContent = text;
  return element;
}
