// The binding `url`.
(function (native) {
'use strict';

const errors = native.load('errors');
const functions = native.functions('url');
const urlComponents = new Uint32Array(9);
const take = (found) => {
  for (let index = 0; index < 9; index++) urlComponents[index] = found[index + 1];
  return found[0];
};
const invalid = (input, base) => {
  const error = errors.coded(TypeError, 'ERR_INVALID_URL', 'Invalid URL');
  error.input = input;
  if (base !== undefined) error.base = base;
  return error;
};
return {
  urlComponents,
  parse(input, base, throws) {
    const found = functions.parse(input, base);
    if (found !== undefined) return take(found);
    if (throws) throw invalid(input, base);
    return undefined;
  },
  update(href, part, wanted) {
    const found = functions.update(href, part, wanted);
    return found === undefined ? false : take(found);
  },
  pathToFileURL(path, isWindows, hostname) {
    const escapes = { '%': '%25', '\\': '%5C', '\n': '%0A', '\r': '%0D', '\t': '%09', '?': '%3F', '#': '%23' };
    const escaped = path.replace(isWindows ? /[%\n\r\t?#]/g : /[%\\\n\r\t?#]/g, (found) => escapes[found]);
    return take(functions.parse(`file://${hostname ?? ''}${escaped}`));
  },
  canParse: functions.canParse,
  domainToASCII: functions.domainToASCII,
  domainToUnicode: functions.domainToUnicode,
  format: functions.format,
  getOrigin: functions.getOrigin,
};
})
