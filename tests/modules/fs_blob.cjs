// Blobs of files.
'use strict';
const { probes } = require('./probe.js');
const fs = require('fs');
const path = require('path');

const folder = fs.mkdtempSync('/tmp/modules-blob-');
const at = (name, content) => {
  const file = path.join(folder, name);
  if (content !== undefined) fs.writeFileSync(file, content);
  return file;
};
const large = at('large', Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251)));

probes({
  'of a file': async () => {
    const blob = await fs.openAsBlob(large, { type: 'text/plain' });
    return [blob.size, blob.type, Buffer.compare(Buffer.from(await blob.arrayBuffer()), fs.readFileSync(large))];
  },
  'slice': async () => {
    const slice = (await fs.openAsBlob(large)).slice(199_990);
    return [slice.size, await slice.bytes()];
  },
  'slice across pieces': async () => (await fs.openAsBlob(large)).slice(65_530, 65_540).bytes(),
  'among others': async () => {
    const blob = new Blob(['ab', (await fs.openAsBlob(large)).slice(97, 100), 'c']);
    return [blob.size, await blob.text()];
  },
  'stream': async () => {
    let size = 0;
    for await (const chunk of (await fs.openAsBlob(large)).stream()) size += chunk.length;
    return size;
  },
  'empty': async () => (await fs.openAsBlob(at('empty', ''))).text(),
  'missing': () => fs.openAsBlob(at('missing')),
  'of a folder': async () => (await fs.openAsBlob(folder)).text(),
  'wrong type': () => fs.openAsBlob(large, { type: 1 }),
  'changed': async () => {
    const blob = await fs.openAsBlob(at('changed', 'abc'));
    at('changed', 'abcdef');
    return blob.text();
  },
  'changed while it is read': async () => {
    const blob = await fs.openAsBlob(at('changing', Buffer.alloc(200_000)));
    const reader = blob.stream().getReader();
    await reader.read();
    at('changing', 'abc');
    for (;;) if ((await reader.read()).done) return 'done';
  },
  'clone': async () => structuredClone(await fs.openAsBlob(large)).size,
  'clean up': () => fs.rmSync(folder, { recursive: true }),
});
