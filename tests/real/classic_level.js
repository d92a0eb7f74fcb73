"use strict";

require("./canonical.js").run(
  async (b) => {
    const { mkdtempSync } = require("node:fs");
    const folder = mkdtempSync(`${require("node:os").tmpdir()}/level-`);
    const database = b.db_init();
    await b.db_open(database, folder, { createIfMissing: true });
    await b.db_put(database, "k", "v", {});
    const value = await b.db_get(database, 1, "k", undefined);
    await b.db_close(database);
    return value;
  },
  "v",
);
