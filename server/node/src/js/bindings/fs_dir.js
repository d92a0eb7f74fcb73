// The binding `fs_dir`: folders that are read piece by piece.
(function (native, bindings) {
'use strict';

const { run } = native.functions('fs');
const { isRaw, perform, typed } = native.load('fs_requests');

// A folder that a script lost is closed with its handle.
const lost = new FinalizationRegistry((number) => {
  try {
    run('closeDir', number);
  } catch {
    // It was closed.
  }
});

class DirHandle {
  #number;
  constructor(number) {
    this.#number = number;
    lost.register(this, number, this);
  }
  getAsyncId() { return 0; }
  // Names and types in turns; null at the end.
  read(encoding, count, request) {
    const type = typed(encoding);
    const flat = (found) => {
      if (found === undefined) return null;
      const [names, types] = type(found);
      return names.flatMap((name, index) => [name, types[index]]);
    };
    return perform(request, flat, 'readOpenDir', this.#number, isRaw(encoding), count);
  }
  close(request) {
    lost.unregister(this);
    return perform(request, undefined, 'closeDir', this.#number);
  }
}
const handle = (number) => new DirHandle(number);

return {
  DirHandle,
  opendir: (path, encoding, request) => perform(request, handle, 'opendir', path),
  opendirSync(path) {
    try {
      return perform(undefined, handle, 'opendir', path);
    } catch (error) {
      // Node does not name the path here.
      const { errno, code, syscall } = error;
      if (errno === undefined) throw error;
      throw Object.assign(new Error(error.message.replace(/ '.*'$/s, '')), { errno, code, syscall });
    }
  },
};
})
