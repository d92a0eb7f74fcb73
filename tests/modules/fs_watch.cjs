// `fs.watch` and `fs.promises.watch`. What a script does before it returns to the loop is told afterwards.
'use strict';

const fs = require('fs');
const path = require('path');
const { AsyncLocalStorage } = require('async_hooks');

const folder = fs.realpathSync(fs.mkdtempSync('/tmp/modules-watch-'));
const at = (...names) => path.join(folder, ...names);
const print = (name, outcome) => console.log(JSON.stringify([name, outcome]).replaceAll(folder, '<folder>'));
const failure = (error) => [error.name, error.code, error.message, error.errno, error.syscall, error.path, error.filename];
const probe = (name, act) => {
  try {
    print(name, act());
  } catch (error) {
    print(name, failure(error));
  }
};

// What a watch of `watched` is told of while `act` runs, up to the event that `end` makes.
const events = (name, watched, options, act, end) => new Promise((resolve) => {
  const seen = [];
  const watcher = fs.watch(watched, options, (event, file) => {
    seen.push([event, Buffer.isBuffer(file) ? `buffer ${file}` : file]);
    if (end(seen, file)) {
      watcher.close();
      print(name, seen);
      resolve();
    }
  });
  act();
});
const isEnd = (_, file) => String(file) === 'end' || file === Buffer.from('end').toString('hex');
const inFolder = (name, act, options = {}) => {
  fs.mkdirSync(at(name));
  return events(name, at(name), options, () => {
    act((...names) => at(name, ...names));
    fs.writeFileSync(at(name, 'end'), '');
  }, isEnd);
};

const run = async () => {
  await inFolder('create', (at) => fs.writeFileSync(at('a'), 'text'));
  await inFolder('change', (at) => {
    fs.writeFileSync(at('a'), 'text');
    fs.appendFileSync(at('a'), 'more');
    fs.truncateSync(at('a'), 1);
    fs.utimesSync(at('a'), 1, 2);
    fs.chmodSync(at('a'), 0o600);
  });
  await inFolder('rename', (at) => {
    fs.writeFileSync(at('a'), '');
    fs.renameSync(at('a'), at('b'));
  });
  await inFolder('delete', (at) => {
    fs.writeFileSync(at('a'), '');
    fs.unlinkSync(at('a'));
  });
  await inFolder('folders', (at) => {
    fs.mkdirSync(at('a'));
    fs.writeFileSync(at('a', 'inner'), '');
    fs.rmSync(at('a'), { recursive: true });
  });
  await inFolder('links', (at) => {
    fs.symlinkSync('nowhere', at('soft'));
    fs.writeFileSync(at('a'), '');
    fs.linkSync(at('a'), at('hard'));
  });
  for (const encoding of ['buffer', 'hex', 'latin1', 'utf8', null]) {
    await inFolder(`names in ${encoding}`, (at) => fs.writeFileSync(at('\u20ac'), ''), { encoding });
  }
  await inFolder('encoding as options', (at) => fs.writeFileSync(at('a'), ''), 'hex');

  fs.writeFileSync(at('file'), 'a');
  await events('file', at('file'), {}, () => {
    fs.writeFileSync(at('file'), 'longer');
    fs.renameSync(at('file'), at('moved'));
    fs.unlinkSync(at('moved'));
  }, (seen) => seen.filter(([event]) => event === 'rename').length === 3);

  fs.mkdirSync(at('gone'));
  await events('folder that is deleted', at('gone'), {}, () => fs.rmdirSync(at('gone')), (seen) => seen.length === 2);

  // Two watches of one folder, of which one is closed by the other.
  fs.mkdirSync(at('two'));
  await new Promise((resolve) => {
    const seen = [];
    const second = fs.watch(at('two'), (event, file) => {
      seen.push(['second', event, file]);
      if (file === 'end') {
        second.close();
        print('two watches', seen);
        resolve();
      }
    });
    const first = fs.watch(at('two'), (event, file) => {
      seen.push(['first', event, file]);
      first.close();
    });
    fs.writeFileSync(at('two', 'a'), '');
    fs.writeFileSync(at('two', 'end'), '');
  });

  fs.mkdirSync(at('order'));
  await new Promise((resolve) => {
    const order = [];
    const watcher = fs.watch(at('order'), (event, file) => {
      order.push(file);
      process.nextTick(() => order.push(`tick ${file}`));
      Promise.resolve().then(() => order.push(`microtask ${file}`));
      if (file === 'b') {
        watcher.close();
        setImmediate(() => { print('order', order); resolve(); });
      }
    });
    watcher.on('close', () => order.push('close'));
    fs.mkdirSync(at('order', 'a'));
    fs.mkdirSync(at('order', 'b'));
  });

  const storage = new AsyncLocalStorage();
  fs.mkdirSync(at('store'));
  await new Promise((resolve) => storage.run('mine', () => {
    const watcher = fs.watch(at('store'), () => {
      watcher.close();
      print('store', storage.getStore());
      resolve();
    });
    fs.writeFileSync(at('store', 'a'), '');
  }));

  probe('missing', () => fs.watch(at('none')));
  probe('no path', () => fs.watch());
  probe('path with NUL', () => fs.watch('a\0b'));
  probe('wrong encoding', () => fs.watch(folder, { encoding: 'none' }));
  probe('no listener', () => {
    const watcher = fs.watch(folder, { persistent: false });
    const found = [watcher.ref() === watcher, watcher.unref() === watcher, typeof watcher.start(), watcher.close(), watcher.close()];
    return [...found, watcher.constructor.name];
  });
  probe('path as Buffer and URL', () => {
    for (const given of [Buffer.from(folder), require('url').pathToFileURL(folder)]) fs.watch(given).close();
    return 'watched';
  });
  const abort = new AbortController();
  const aborted = fs.watch(folder, { signal: abort.signal });
  await new Promise((resolve) => {
    aborted.on('close', () => { print('aborted', 'closed'); resolve(); });
    abort.abort();
  });

  fs.mkdirSync(at('promised'));
  const stop = new AbortController();
  const seen = [];
  setTimeout(() => {
    fs.writeFileSync(at('promised', 'a'), 'text');
    fs.unlinkSync(at('promised', 'a'));
  }, 20);
  try {
    for await (const { eventType, filename } of fs.promises.watch(at('promised'), { signal: stop.signal })) {
      seen.push([eventType, filename]);
      if (seen.length === 3) stop.abort();
    }
  } catch (error) {
    print('promises', [seen, error.name, error.code]);
  }
  try {
    for await (const _ of fs.promises.watch(at('none')));
  } catch (error) {
    print('promises, missing', failure(error));
  }

  fs.mkdirSync(at('deep', 'inner'), { recursive: true });
  await new Promise((resolve) => {
    const watcher = fs.watch(at('deep'), { recursive: true }, (event, file) => {
      if (file !== 'inner/a') return;
      watcher.close();
      print('recursive', [event, file]);
      resolve();
    });
    setTimeout(() => fs.writeFileSync(at('deep', 'inner', 'a'), ''), 100);
  });
  fs.rmSync(folder, { recursive: true });
  // Does not keep the process alive.
  fs.watch('/tmp', { persistent: false });
  fs.watch('/tmp').unref();
};
run();
