// The map as a Streamlit component. Runs at every change of data or theme, so it only updates.

const mounts = new WeakMap();

export default function mountPointMap({ data, parentElement, setStateValue }) {
  const header = headerOf(data);
  if (!mounts.has(parentElement)) mounts.set(parentElement, newMount(parentElement));
  const { root, map, view, selection } = mounts.get(parentElement);
  view.connect(header.key, setStateValue);
  selection.connect(`${header.key}:selection`, (_, event) => setStateValue("selection", event));
  root.style.setProperty("--height", `${header.height}px`);
  const placed = view.placed(header.placed);
  const selected = selection.placed(header.selection);
  if (header.content !== map.content) map.update(new Cloud(data, header), placed ?? map.view);
  else if (placed) map.place(placed);
  if (selected) map.select(fromBits(selected));
  map.retheme();
  return () => unmount(parentElement);
}

function newMount(parentElement) {
  const root = make("div");
  parentElement.append(root);
  const view = new CursorLink();
  const selection = new CursorLink();
  const map = new PointMap(root, {
    view: (cursor) => view.report(map.fingerprint, cursor),
    selection: (points) => selection.report(map.fingerprint, asBits(points)),
  });
  return { root, map, view, selection };
}

function unmount(parentElement) {
  const mount = mounts.get(parentElement);
  mount?.view.cancel();
  mount?.selection.cancel();
  mount?.map.destroy();
  mount?.root.remove();
  mounts.delete(parentElement);
}
