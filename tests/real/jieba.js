"use strict";

require("./canonical.js").run(
  (b) => {
    const words = "我 1000 r\n来到 1000 v\n北京 1000 ns\n";
    return b.Jieba.withDict(Buffer.from(words)).cutAsync("我来到北京", false);
  },
  ["我", "来到", "北京"],
);
