"use strict";

require("./canonical.js").run(
  async (b) => {
    const files = { "/a.css": '@import "b.css"; .a{color:red}', "/b.css": ".b{color:blue}" };
    const bundle = await b.bundleAsync({
      filename: "/a.css",
      minify: true,
      resolver: {
        read: async (name) => files[name],
        resolve: (specifier) => `/${specifier}`,
      },
    });
    return Buffer.from(bundle.code).toString();
  },
  ".b{color:#00f}.a{color:red}",
);
