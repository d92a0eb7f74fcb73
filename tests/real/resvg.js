"use strict";

const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10">' +
  '<rect width="10" height="10" fill="red"/></svg>';

require("./canonical.js").run(
  (b) => {
    const image = new b.Resvg(SVG, JSON.stringify({ background: "white" })).render();
    return [image.width, image.height, image.asPng().length, Array.from(image.pixels.subarray(0, 4))];
  },
  [10, 10, 78, [255, 0, 0, 255]],
);
