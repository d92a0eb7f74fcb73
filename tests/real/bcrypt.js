"use strict";

require("./canonical.js").run(
  async (b) => {
    const salt = "$2b$04$.OC/.OC/.OC/.OC/.OC/.O";
    const hash = b.encrypt_sync(Buffer.from("pw"), salt);
    const encrypted = await new Promise((resolve) => {
      b.encrypt(Buffer.from("pw"), salt, (error, result) => resolve(result));
    });
    const same = await new Promise((resolve) => {
      b.compare("pw", hash, (error, result) => resolve([error, result]));
    });
    return [hash, encrypted, same];
  },
  [
    "$2b$04$.OC/.OC/.OC/.OC/.OC/.Om5pOQ6/OL6f7ZcP/eZoUVfJYwMGKHQ.",
    "$2b$04$.OC/.OC/.OC/.OC/.OC/.Om5pOQ6/OL6f7ZcP/eZoUVfJYwMGKHQ.",
    [null, true],
  ],
);
