"use strict";

require("./canonical.js").run(
  async (b) => {
    const hello = Uint8Array.from([104, 101, 108, 108, 111]).buffer;
    const salt = new Uint8Array(16).fill(1).buffer;
    const hash = new ArrayBuffer(32);
    b.crypto_generichash(hash, 0, 32, hello, 0, 5, new ArrayBuffer(0), 0, 0);
    const memory = b.sodium_malloc(16);
    // On a thread of libuv's.
    const key = new ArrayBuffer(16);
    const error = await new Promise((resolve) => {
      b.crypto_pwhash_async(key, 0, 16, hello, 0, 5, salt, 0, 16, 1, 8192, 2, resolve);
    });
    return [hash, memory.byteLength, error, key];
  },
  ["324dcf027dd4a30a932c441f365a25e86b173defa4b8e58948253471b81b72cf", 16, 0, "47e7c2d882e7d4ad929af144116afef2"],
);
