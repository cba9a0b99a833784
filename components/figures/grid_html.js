// The exported page: the grid of lens_grid.js, which stands above in the same module, a line that
// says what is under the cursor, and the choice between light and dark.

const data = JSON.parse(document.getElementById("grid-data").textContent);
const place = document.getElementById("grid");
const reading = document.getElementById("reading");
const grid = new LensGrid(place, read);

grid.update(data, { position: Number(place.dataset.position), layer: Number(place.dataset.layer) });
read(grid.cursor);

function read(cursor) {
  const row = data.layers.indexOf(cursor.layer);
  const start = (row * data.tokens.length + cursor.position) * data.k;
  const said = Array.from({ length: data.k }, (_, rank) => {
    const word = make("bdi", "said", { dir: "auto" }, data.words[data.top[start + rank]]);
    return [word, ` ${percent(data.probability[start + rank])}   `];
  });
  const token = make("bdi", "said", { dir: "auto" }, data.tokens[cursor.position].label);
  reading.replaceChildren(`layer ${cursor.layer}, after `, token, ":  ", ...said.flat());
}

const theme = document.getElementById("theme");
const preference = matchMedia("(prefers-color-scheme: dark)");

function wear(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  theme.setAttribute("aria-pressed", dark);
  grid.retheme();
}

theme.onclick = () => wear(document.documentElement.dataset.theme !== "dark");
preference.onchange = () => wear(preference.matches);
wear(preference.matches);
