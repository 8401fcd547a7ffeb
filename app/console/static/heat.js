// A heatmap as the service sends it → colours. The same scale and the same colours as the service's own overlay
// (detector/heatmap.py): blue nears the threshold, orange is at it, yellow is far beyond; told apart by everybody.
const FADE_FROM = 64;
const CENTRE = 128;
const STOPS = [[0, [8, 14, 22]], [FADE_FROM, [0, 114, 178]], [CENTRE, [230, 159, 0]], [255, [240, 228, 66]]];

/** {grey: Uint8ClampedArray, width, height} of a `png` or `raw` heatmap. */
export async function readHeat(blob, { style, width, height, scale }) {
  if (style === "raw") {
    const values = new Float32Array(await blob.arrayBuffer());
    return { grey: Uint8ClampedArray.from(values, (value) => greyOf(value, scale)), width, height };
  }
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const grey = new Uint8ClampedArray(data.length / 4);
  for (let index = 0; index < grey.length; index += 1) grey[index] = data[4 * index];
  return { grey, width: bitmap.width, height: bitmap.height };
}

/** low → 0, centre → 128, high → 255. */
export function greyOf(value, { low, centre, high }) {
  if (value <= centre) return (CENTRE * (value - low)) / (centre - low);
  return CENTRE + ((255 - CENTRE) * (value - centre)) / (high - centre);
}

/** Draw it. `seeThrough` leaves out what is ordinary, so that the part is seen underneath. */
export function paint(canvas, { grey, width, height }, seeThrough) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let index = 0; index < grey.length; index += 1) {
    const [red, green, blue, alpha] = PALETTE[grey[index]];
    image.data[4 * index] = red;
    image.data[4 * index + 1] = green;
    image.data[4 * index + 2] = blue;
    image.data[4 * index + 3] = seeThrough ? alpha : 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const PALETTE = Array.from({ length: 256 }, (_, value) => {
  const above = Math.max(1, STOPS.findIndex(([at]) => at >= value));
  const [[from, low], [to, high]] = [STOPS[above - 1], STOPS[above]];
  const share = (value - from) / (to - from);
  const colour = low.map((channel, index) => Math.round(channel + share * (high[index] - channel)));
  return [...colour, Math.round(255 * Math.min(1, Math.max(0, (value - FADE_FROM) / (CENTRE - FADE_FROM))))];
});
