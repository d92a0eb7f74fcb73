"use strict";

require("./canonical.js").run(
  async (b) => {
    const database = b.databaseOpen(":memory:", "", "aes256cbc", "", 0, "");
    await b.databaseExecAsync.call(database, "create table t(a); insert into t values (1), (2)");
    const statement = await b.databasePrepareAsync.call(database, "select a from t where a > ?");
    b.statementRaw.call(statement, true);
    return [b.statementIsReader.call(statement), b.statementGet.call(statement, [1])];
  },
  [true, [2]],
);
