"use strict";

require("./canonical.js").run(
  (b) => {
    const k = new b();
    k.initialize(1088, 512);
    k.absorb(Buffer.from("hello"));
    return k.squeeze(32);
  },
  "1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8",
);
