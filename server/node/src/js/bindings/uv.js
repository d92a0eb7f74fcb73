// The binding `uv`: the errors of the operating system, as libuv names them.
(function (native) {
'use strict';

const all = native.functions('uv').errors();
const byNumber = new Map(all.map(([number, name, message]) => [number, [name, message]]));
const binding = {
  errname: (number) => byNumber.get(number)?.[0] ?? `Unknown system error ${number}`,
  getErrorMap: () => new Map(byNumber),
  getErrorMessage: (number) => byNumber.get(number)?.[1] ?? `Unknown system error ${number}`,
};
for (const [number, name] of all) binding[`UV_${name}`] = number;
return binding;
})
