"use strict";

require("./canonical.js").run(
  async (b) => {
    const { mkdtempSync, realpathSync, writeFileSync } = require("node:fs");
    const folder = realpathSync(mkdtempSync(`${require("node:os").tmpdir()}/watcher-`));
    let heard;
    const told = new Promise((resolve) => {
      heard = (error, events) => resolve([error, events]);
    });
    await b.subscribe(folder, heard, {});
    writeFileSync(`${folder}/new.txt`, "x");
    const [error, events] = await told;
    await b.unsubscribe(folder, heard, {});
    return [error, events.map(({ type, path }) => `${type}:${path.slice(folder.length)}`)];
  },
  [null, ["create:/new.txt"]],
);
