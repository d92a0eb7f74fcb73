"use strict";

require("./canonical.js").run(
  (b) =>
    new b.Scanner({ sources: [] })
      .getCandidatesWithPositions({ content: '<div class="p-4 flex">', extension: "html" })
      .map(({ candidate, position }) => `${candidate}@${position}`),
  ["class@5", "p-4@12", "flex@16"],
);
