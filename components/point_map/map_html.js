// The exported page: the map of point_map.js, which stands above in the same module, and the choice between
// light and dark.

const text = atob(document.getElementById("map-data").textContent);
const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const header = headerOf(bytes);
const stand = document.getElementById("map");
const map = new PointMap(stand, { view: () => {}, selection: () => {} });
stand.style.setProperty("--height", `${header.height}px`);
map.update(new Cloud(bytes, header), header.placed.cursor);

const theme = document.getElementById("theme");
const preference = matchMedia("(prefers-color-scheme: dark)");

function wear(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  theme.setAttribute("aria-pressed", dark);
  map.retheme();
}

theme.onclick = () => wear(document.documentElement.dataset.theme !== "dark");
preference.onchange = () => wear(preference.matches);
wear(preference.matches);
