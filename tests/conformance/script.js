const sources = [
  "1 + 1", "", "'text'", "undefined", "({ a: [1, 2n] })", "var declared = 5; declared * 2",
  "typeof declared", "this === globalThis", "(function () { return this === globalThis; })()",
  "if (true) { 'from a block'; }", "let lexical = 1; lexical", "// nothing", "'\u20ac' + '\u{1f600}'",
];
for (const source of sources) call("napi_run_script", source);
op("a variable is a global", () => globalThis.declared);
op("what stands behind the globals", () => {
  const behind = addon.napi_run_script("__proto__").result;
  return [attributes(behind), Object.getPrototypeOf(behind) === Object.prototype, addon.napi_run_script("constructor === Object")];
});
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
for (const source of [
  "'\ud800'.charCodeAt(0)", "'a\udfffb'.length", "`\ud800\ud800`.length", "/\udc00/.source.length",
  "'\ud83d' + '\ude00'", "'a\0b'.length", "'a\0b'.charCodeAt(1)", "'\u2028'.length", "'\u{10ffff}'.length",
  "1 // \ud800", "1 /* \0 */ + 1", "\ufeff1 + 1", "#!/usr/bin/env node\n7", "<!-- a comment of the web\n8",
  "'use strict'; this === undefined", "'use strict'; (function () { return this; })()",
  "var letters = 'a\ud800'; Object.getOwnPropertyNames({ [letters]: 1 })[0] === letters",
]) {
  op(`source ${JSON.stringify(source)}`, () => addon.napi_run_script(source));
}
for (const source of ["1 \0 + 1", "\ud800", "'\n'", "var a\ud800 = 1", "1 +\n @ 2", "let lexical = 2", "{", "`${", "/(/", "'", "1..", "a => {", "await 1", "import 'x'", "export default 1", "with (", "return", "'use strict'; with (a) {}", "new.target", "super()"]) {
  engine.op(`source ${JSON.stringify(source)}`, () => addon.napi_run_script(source));
}
op("nothing of a script with a syntax error runs", () => {
  globalThis.ran = 0;
  addon.napi_run_script("globalThis.ran = 1; )");
  return globalThis.ran;
});
op("a script that throws has run until there", () => {
  addon.napi_run_script("globalThis.ran = 2; throw 1; globalThis.ran = 3");
  return globalThis.ran;
});
op("the line of a throw", () => {
  const { thrown } = addon.napi_run_script("// one\n\n  throw new Error('three')\n");
  return /<anonymous>:(\d+):\d+/.exec(thrown.stack)[1];
});
op("the line of a reference to nothing", () => {
  const { thrown } = addon.napi_run_script("1;\n2;\n(function () {\n absent();\n})()");
  return Array.from(thrown.stack.matchAll(/<anonymous>:(\d+):\d+/g), (match) => match[1]).join();
});
for (const [label, before, after] of [
  ["parentheses", "(", ")"], ["brackets", "[", "]"], ["statements", "if (1) ", ""], ["templates", "`${", "}`"],
  ["powers", "2**", ""], ["assignments", "a=", ""], ["blocks", "{", "}"],
]) {
  engine.op(`${label} too deep`, () => addon.napi_run_script(`${before.repeat(200000)}1${after.repeat(200000)}`));
}
op("a long sum", () => addon.napi_run_script(`${"1+".repeat(100000)}1`));
op("many statements", () => addon.napi_run_script(`var q = 0;${"q++;".repeat(200000)}q`));
op("a large text", () => addon.napi_run_script(`'${"x".repeat(8000000)}'.length`));
op("a large comment", () => addon.napi_run_script(`/*${"x".repeat(8000000)}*/ 1`));
op("microtasks wait for the end of the callback", () => {
  globalThis.order = [];
  addon.napi_run_script("Promise.resolve().then(() => order.push('microtask')); order.push('script')");
  order.push("after");
  return order;
});
op("clean up", () => [delete globalThis.undeclared, delete globalThis.ran]);
standard();
