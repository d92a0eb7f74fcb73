// The binding `fs_event_wrap`: files and folders that are watched.
(function (native) {
'use strict';

const { Buffer } = globalThis;
const { watch, unwatch, referenceWatch } = native.functions('fs');
const { named } = native.load('fs_requests');

const text = (name) => Buffer.from(name).toString();

return {
  FSEvent: class FSEvent {
    #number;
    #isReferenced = true;

    get initialized() { return this.#number !== undefined; }

    // The system watches one folder; Node's own JavaScript makes a recursive watch of several.
    start(path, persistent, recursive, encoding) {
      if (this.#number !== undefined) return 0;
      const decode = named(encoding) ?? text;
      this.#isReferenced &&= Boolean(persistent);
      const tell = native.bindFrame((event, name) => this.onchange(0, event, decode(name)));
      const started = watch(path, this.#isReferenced, tell);
      if (started < 0) return started;
      this.#number = started;
      return 0;
    }

    close() {
      if (this.#number !== undefined) unwatch(this.#number);
      this.#number = undefined;
    }

    ref() { this.#reference(true); }
    unref() { this.#reference(false); }
    hasRef() { return this.#number !== undefined && this.#isReferenced; }
    #reference(isReferenced) {
      this.#isReferenced = isReferenced;
      if (this.#number !== undefined) referenceWatch(this.#number, isReferenced);
    }

    getAsyncId() { return 0; }
  },
};
})
