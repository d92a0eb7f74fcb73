"use strict";

require("./canonical.js").run(
  (b) => {
    const hash = b.hashSync("pw", { salt: Buffer.alloc(16, 1), memoryCost: 4096 });
    return [hash, b.verifySync(hash, "pw"), b.verifySync(hash, "other")];
  },
  [
    "$argon2id$v=19$m=4096,t=2,p=1$AQEBAQEBAQEBAQEBAQEBAQ$NRGDDLQrlX7EyaICVhT/4oshmvWpqRQDadplyQqn9ZE",
    true,
    false,
  ],
);
