'use strict';
const { probes } = require('./probe.js');
const url = require('url');
const { inspect } = require('util');
const shown = (found) => ({ ...Object.fromEntries(['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'].map((name) => [name, found[name]])) });
const inputs = ['http://user:pa%20ss@Example.COM:8080/a/../b?x=1&y=2#z', 'file:///a/b', 'https://münchen.de/ä?ö#ü', 'data:text/plain,hi', 'http://[::1]:80/', 'mailto:a@b', 'http://1.2.3/', 'HTTP://a:80'];
const all = {
  exports: () => Object.keys(url),
  'createObjectURL': async () => {
    const { resolveObjectURL } = require('buffer');
    const address = URL.createObjectURL(new Blob(['abc']));
    const found = await resolveObjectURL(address).text();
    URL.revokeObjectURL(address);
    return [address.slice(0, 14), found, resolveObjectURL(address)];
  },
  'createObjectURL of a text': () => URL.createObjectURL('abc'),
  'revokeObjectURL without arguments': () => URL.revokeObjectURL(),
  'globals': () => [url.URL === URL, url.URLSearchParams === URLSearchParams],
  'invalid URL': () => new URL('nope'),
  'invalid URL with a base': () => new URL('//', 'nope'),
  'relative': () => new URL('../c?d', 'http://a/b/x/y').href,
  'without arguments': () => new URL(),
  'canParse': () => [URL.canParse('http://a'), URL.canParse('x'), URL.canParse('x', 'http://a')],
  'URL.parse': () => [URL.parse('x'), URL.parse('http://a').href],
  'setters': () => { const u = new URL('http://a/b'); u.host = 'c:99'; u.pathname = 'x y'; u.search = 'q=é'; u.hash = '#h'; u.protocol = 'https'; u.username = 'ü'; u.port = ''; return u.href; },
  'inspect': () => inspect(new URL('http://a:1/b?c#d')),
  'inspect of params': () => inspect(new URLSearchParams('a=1&b=2')),
  'toJSON': () => JSON.stringify({ u: new URL('http://a') }),
  'searchParams': () => { const u = new URL('http://a/?a=1'); u.searchParams.append('b', 'é &'); u.searchParams.delete('a'); return u.href; },
  'params': () => { const p = new URLSearchParams([['a', 1], ['b', 2], ['a', 3]]); p.sort(); return [p.getAll('a'), p.has('b', '2'), p.has('b', '3'), p.size, [...p], String(p)]; },
  'params of an object': () => String(new URLSearchParams({ a: 1, b: 'x y' })),
  'params of bad pairs': () => new URLSearchParams([['a']]),
  'params of null': () => String(new URLSearchParams(null)),
  'params forEach of a text': () => new URLSearchParams().forEach('a'),
  'iterator inspected': () => inspect(new URLSearchParams('a=1').entries()),
  'fileURLToPath': () => [url.fileURLToPath('file:///a%20b/c'), url.fileURLToPath(new URL('file:///x'))],
  'fileURLToPath of http': () => url.fileURLToPath('http://a'),
  'fileURLToPath of a host': () => url.fileURLToPath('file://host/a'),
  'fileURLToPath of %2f': () => url.fileURLToPath('file:///a%2fb'),
  'fileURLToPath of a number': () => url.fileURLToPath(1),
  'fileURLToPath for windows': () => url.fileURLToPath('file:///C:/a', { windows: true }),
  'pathToFileURL': () => [url.pathToFileURL('/a b#?%\n/é').href, url.pathToFileURL('/x/').href],
  'domainTo': () => [url.domainToASCII('español.com'), url.domainToASCII('xn--iñvalid.com'), url.domainToUnicode('xn--espaol-zwa.com')],
  'format of a URL': () => url.format(new URL('http://u:p@測試.com/a?b#c'), { fragment: false, unicode: true, auth: false, search: false }),
  'format of an object': () => url.format({ protocol: 'https', hostname: 'a.b', port: 1, pathname: '/c', query: { d: [1, 2] }, hash: 'e' }),
  'format of a number': () => url.format(1),
  'resolve': () => [url.resolve('/one/two/three', 'four'), url.resolve('http://a.com/x', '../b')],
  'urlToHttpOptions': () => url.urlToHttpOptions(new URL('https://a:b@測試?abc#h')),
  'parse': () => ['http://a.b:1/c?d=e#f', '//host/path', 'javascript:x', 'a?b', 'http://a b/c'].map((text) => ({ ...url.parse(text) })),
  'parse with query': () => url.parse('/a?b=c&b=d', true, true).query,
  'parse of a number': () => url.parse(1),
  'parse of a bad host': () => url.parse('http://a[b/'),
};
for (const input of inputs) all[`parts of ${input}`] = () => shown(new URL(input));
probes(all);
