// The grid as a Streamlit component. Runs at every change of data or theme, so it only updates.

const mounts = new WeakMap();

export default function mountLensGrid({ data, parentElement, setStateValue }) {
  if (!mounts.has(parentElement)) mounts.set(parentElement, newMount(parentElement));
  const mount = mounts.get(parentElement);
  mount.link.connect(data.key, setStateValue);
  mount.root.style.setProperty("--height", `${data.height}px`);
  const placed = mount.link.placed(data.placed);
  if (data.grid !== mount.json) {
    mount.json = data.grid;
    mount.grid.update(JSON.parse(data.grid), placed ?? mount.grid.cursor);
  } else if (placed) {
    mount.grid.place(placed);
  }
  mount.grid.retheme();
  return () => unmount(parentElement);
}

function newMount(parentElement) {
  const root = make("div");
  parentElement.append(root);
  const link = new CursorLink();
  const grid = new LensGrid(root, (cursor) => link.report(grid.fingerprint, cursor));
  return { root, link, grid, json: null };
}

function unmount(parentElement) {
  const mount = mounts.get(parentElement);
  mount?.link.cancel();
  mount?.grid.destroy();
  mount?.root.remove();
  mounts.delete(parentElement);
}
