call("napi_open_handle_scope");
call("napi_open_escapable_handle_scope");
for (const count of [1, 1000, 100000]) call("napi_close_handle_scope", count);
for (const value of [1, "text", null, undefined, { a: 1 }]) call("napi_escape_handle", value);
cases("twice", addon.escapeTwice());
for (const kind of [0, 1, 2, 3]) op(`return late ${kind}`, () => addon.returnLate(kind));
for (const value of [1, "text", Symbol.iterator, 2n ** 70n, { a: 1 }, () => 1])
  call("returnLate", 4, { property: value });
op("return late, again and again", () => {
  let sum = 0;
  for (let i = 0; i < 1000; i++) sum += addon.returnLate(0) + addon.returnLate(1).n9;
  return sum;
});
standard();
