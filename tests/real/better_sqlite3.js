"use strict";

class SqliteError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

require("./canonical.js").run(
  (b) => {
    b.initialize(
      SqliteError,
      (...values) => values,
      (list, ...values) => void list.push(...values),
      (...keys) => (...values) => Object.fromEntries(keys.map((key, i) => [key, values[i]])),
      (value) => ({ value, done: false }),
    );
    const database = new b.Database(
      ":memory:", ":memory:", true, false, false, 5000, null, null, null, null,
    );
    database.exec("create table t (a integer, b text)");
    database.exec("insert into t values (1, 'x'), (2, 'y')");
    const prepare = (sql) => database.prepare(sql, {}, false, false);
    const one = prepare("select a, b from t where a = ?").get(2);
    const all = prepare("select a, b from t where a > ?").all(0);
    const each = [...prepare("select a, b from t where a >= ?").iterate(1)];
    // More rows than one batch: the addon hands the batches after the first to the appender.
    const numbers =
      "with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000) select i from n";
    const many = prepare(numbers).all();
    const total = many.reduce((sum, row) => sum + row.i, 0);
    let error;
    try {
      prepare("select a from nowhere");
    } catch (thrown) {
      error = [thrown.code, thrown.message];
    }
    database.close();
    return [one, all, each, [many.length, total, many.at(-1).i], error];
  },
  [
    { a: 2, b: "y" },
    [{ a: 1, b: "x" }, { a: 2, b: "y" }],
    [{ a: 1, b: "x" }, { a: 2, b: "y" }],
    [10000, 50005000, 10000],
    ["SQLITE_ERROR", "no such table: nowhere"],
  ],
);
