const sources = [
  "1 + 1", "", "'text'", "undefined", "({ a: [1, 2n] })", "var declared = 5; declared * 2",
  "typeof declared", "this === globalThis", "(function () { return this === globalThis; })()",
  "if (true) { 'from a block'; }", "let lexical = 1; lexical", "// nothing", "'\u20ac' + '\u{1f600}'",
];
for (const source of sources) call("napi_run_script", source);
op("a variable is a global", () => globalThis.declared);
op("sloppy", () => addon.napi_run_script("undeclared = 3; undeclared"));
engine.call("napi_run_script", "this is no script");
engine.call("napi_run_script", "return 1");
engine.call("napi_run_script", "absent");
call("napi_run_script", "throw new RangeError('thrown')");
call("napi_run_script", "throw 5");
call("napi_run_script", "throw undefined");
for (const other of [1, null, undefined, {}, new String("1")]) call("napi_run_script", other);
op("a function from a script", () => addon.napi_run_script("(x) => x + 1").result(1));
op("a script within a script", () => addon.napi_run_script("addon.napi_run_script('6 * 7').result"));
op("clean up", () => [delete globalThis.undeclared]);
standard();
