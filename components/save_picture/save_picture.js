// SVG text -> Blob -> Image -> canvas -> PNG. An image may not run scripts nor load anything,
// so whatever the model's words are, the picture is only a picture.

const SCALE = 2;
const LARGEST_SIDE = 16_000; // pixels; browsers give up on larger canvases without a word

export async function rasterise(svg) {
  const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    return await draw(await loaded(url));
  } finally {
    URL.revokeObjectURL(url);
  }
}

function loaded(url) {
  const image = new Image();
  image.src = url;
  return image.decode().then(() => image);
}

async function draw(image) {
  const scale = Math.min(SCALE, LARGEST_SIDE / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!png) throw new Error("The browser could not make a PNG of this size.");
  return png;
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${fileName(name)}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Letters and digits of any script; nothing that means something to a file system.
function fileName(name) {
  const words = name.match(/[\p{L}\p{N}._]*[\p{L}\p{N}]/gu) ?? ["picture"];
  return words.join("-").replace(/^[._]+/, "").slice(0, 80);
}

export default function mountSavePicture({ data, parentElement }) {
  const button = parentElement.querySelector("button") ?? addButton(parentElement);
  const status = parentElement.querySelector("output");
  button.textContent = data.label;
  button.title = "Save this picture as a PNG at twice its size";
  button.onclick = async () => {
    button.disabled = true;
    status.textContent = "";
    try {
      download(await rasterise(data.svg), data.name);
    } catch {
      status.textContent = "This browser could not draw the picture; the SVG can still be saved.";
    } finally {
      button.disabled = false;
    }
  };
  return () => {
    button.onclick = null;
  };
}

function addButton(parentElement) {
  const button = document.createElement("button");
  button.type = "button";
  parentElement.append(button, document.createElement("output"));
  return button;
}
