"use strict";

require("./canonical.js").run(
  async (b) => {
    const [PAIR, PULL, PUSH] = [0, 7, 8];
    const push = new b.Socket(PUSH);
    const pull = new b.Socket(PULL);
    await push.bind("inproc://x");
    pull.connect("inproc://x");
    await push.send(["hi", "there"]);
    const first = (await pull.receive()).map(String);
    // One that has to wait, and one over a socket of the system's.
    const later = pull.receive();
    await push.send(["later"]);
    const second = (await later).map(String);
    const [one, other] = [new b.Socket(PAIR), new b.Socket(PAIR)];
    const { mkdtempSync } = require("node:fs");
    const place = `ipc://${mkdtempSync(`${require("node:os").tmpdir()}/zeromq-`)}/pair`;
    await one.bind(place);
    other.connect(place);
    let count = 0;
    for (; count < 50; count++) {
      await one.send([String(count)]);
      await other.send(await other.receive());
      if (String((await one.receive())[0]) !== String(count)) break;
    }
    for (const socket of [push, pull, one, other]) socket.close();
    return [first, second, count];
  },
  [["hi", "there"], ["later"], 50],
);
