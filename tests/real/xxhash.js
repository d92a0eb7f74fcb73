"use strict";

require("./canonical.js").run(
  (b) => [
    b.xxh32("hello"),
    b.xxh64("hello"),
    new b.Xxh32(0).update("he").update("llo").digest(),
    b.xxh3.xxh128("hello"),
  ],
  [4211111929, "2794345569481354659", 4211111929, "241804000618833338782870102822322583576"],
);
