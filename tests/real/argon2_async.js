"use strict";

require("./canonical.js").run(
  async (b) => {
    const options = { salt: Buffer.alloc(16, 1), memoryCost: 4096 };
    const hash = await b.hash("pw", options);
    return [hash, await b.verify(hash, "pw"), await b.verify(hash, "no"), await b.hashRaw("pw", options)];
  },
  [
    "$argon2id$v=19$m=4096,t=2,p=1$AQEBAQEBAQEBAQEBAQEBAQ$NRGDDLQrlX7EyaICVhT/4oshmvWpqRQDadplyQqn9ZE",
    true,
    false,
    "3511830cb42b957ec4c9a2025614ffe28b219af5a9a9140369da65c90aa7f591",
  ],
);
