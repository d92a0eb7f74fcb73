// Native functions that keep the arguments of the calls which the scripts of a host make.
(function (native) {
'use strict';

// Calls of one function that are kept.
const MAX = 16;
const calls = { __proto__: null };
const recording = (name, call) => function (...args) {
  const kept = calls[name] ??= [];
  if (kept.length < MAX) kept.push(args);
  return Reflect.apply(call, this, args);
};
const all = (prefix, functions) => {
  const made = { __proto__: null };
  for (const name of Object.keys(functions)) made[name] = recording(`${prefix}.${name}`, functions[name]);
  return made;
};
const made = all('native', native);
made.functions = (group) => all(group, native.functions(group));
return { native: made, calls };
})
