// What the pointer means: a point of this layer, of another run, added, or where a trail passes another layer.

const ON_TRAILS = 200_000; // points of all layers that are searched
const SURE = 8; // pixels within which a point of the layer shown is meant, whatever else is near

// { name, frame, point, distance }, or null. `shown` is the frame, what is hidden, and the chosen point.
function sought(cloud, matrix, shown, x, y) {
  const search = (name, frame, reach, points = cloud.count) => {
    const hit = nearest(cloud.run(frame, name, points), matrix, x, y, reach, name === "extra" ? null : shown.skip);
    return hit && { name, frame, ...hit };
  };
  const best = closest(arraysShown(cloud, shown).map(([name, points]) => search(name, shown.frame, REACH, points)));
  if (best?.distance < SURE) return best;
  return onTrail(cloud, matrix, shown, search, x, y) ?? best;
}

function arraysShown({ overlays, extra, extraCount, count: points }, { hidden }) {
  const edited = overlays.flatMap(({ kind }, number) => (kind === "edited" ? [[`overlay${number}`, points]] : []));
  return [
    ["frames", points],
    ...(extra && !hidden.has("extra") ? [["extra", extraCount]] : []),
    ...(hidden.has("edited") ? [] : edited),
  ];
}

function onTrail(cloud, matrix, { hidden, chosen }, search, x, y) {
  const { trails, layers, count: points } = cloud;
  if (hidden.has("trails") || layers.length < 2) return null;
  if (trails === "all" && points * layers.length <= ON_TRAILS) {
    return closest(layers.map((_, frame) => search("frames", frame, SURE - 1)));
  }
  return chosen === null ? null : closest(layers.map((_, frame) => vertexNear(cloud, matrix, frame, chosen, x, y)));
}

function vertexNear(cloud, matrix, frame, point, x, y) {
  const unit = cloud.unit("frames", frame, point);
  if (!unit) return null;
  const [atX, atY] = projected(matrix, unit);
  const distance = Math.hypot(atX - x, atY - y);
  return distance < SURE ? { name: "frames", frame, point, distance } : null;
}

function closest(hits) {
  return hits.filter(Boolean).sort((one, other) => one.distance - other.distance)[0] ?? null;
}
