// The binding `performance`: clocks and counters.
(function (native) {
'use strict';

const nothing = () => {};
const { started } = native.facts();
const since = Number(native.hrtime() - started) / 1e6;
const origin = (Date.now() - since) * 1e3; // Microseconds since 1970.
const milestones = new Float64Array(8).fill(Number(started));
milestones[0] = origin;
milestones[6] = -1;

// Counts of values, of which the statistics are computed when they are asked for.
class Histogram {
  #values = [];
  #lowest;
  #highest;
  #exceeds = 0;
  constructor(lowest = 1n, highest = 9223372036854775807n) {
    this.#lowest = Number(lowest);
    this.#highest = Number(highest);
  }
  #sorted() { return this.#values.sort((a, b) => a - b); }
  record(value) {
    const number = Number(value);
    // No more are kept than a program measures with a purpose.
    if (number > this.#highest || this.#values.length >= 1e6) this.#exceeds++;
    else this.#values.push(Math.max(number, this.#lowest));
  }
  recordDelta() {}
  count() { return this.#values.length; }
  countBigInt() { return BigInt(this.#values.length); }
  exceeds() { return this.#exceeds; }
  exceedsBigInt() { return BigInt(this.#exceeds); }
  min() { return this.#sorted()[0] ?? 9223372036854776000; }
  minBigInt() { return this.count() ? BigInt(this.min()) : 9223372036854775807n; }
  max() { return this.#sorted().at(-1) ?? 0; }
  maxBigInt() { return BigInt(this.max()); }
  mean() { return this.#values.reduce((sum, value) => sum + value, 0) / this.#values.length; }
  stddev() {
    const mean = this.mean();
    return Math.sqrt(this.#values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / this.#values.length);
  }
  percentile(percentile) {
    const sorted = this.#sorted();
    return sorted[Math.max(Math.ceil(sorted.length * percentile / 100), 1) - 1] ?? 0;
  }
  percentileBigInt(percentile) { return BigInt(this.percentile(percentile)); }
  percentiles(map) {
    for (const percentile of [0, 50, 75, 87.5, 93.75, 96.875, 98.4375, 99.21875, 100]) map.set(percentile, this.percentile(percentile));
  }
  percentilesBigInt(map) {
    for (const percentile of [0, 50, 75, 87.5, 93.75, 96.875, 98.4375, 99.21875, 100]) map.set(percentile, this.percentileBigInt(percentile));
  }
  reset() {
    this.#values = [];
    this.#exceeds = 0;
  }
  add(other) { for (const value of other.#values) this.record(value); }
  start() {}
  stop() {}
}

// Those of garbage collections are public; Node's own modules use the others.
const constants = {
  __proto__: null,
  NODE_PERFORMANCE_GC_MAJOR: 4, NODE_PERFORMANCE_GC_MINOR: 1, NODE_PERFORMANCE_GC_INCREMENTAL: 8, NODE_PERFORMANCE_GC_WEAKCB: 16,
  NODE_PERFORMANCE_GC_FLAGS_NO: 0, NODE_PERFORMANCE_GC_FLAGS_CONSTRUCT_RETAINED: 2, NODE_PERFORMANCE_GC_FLAGS_FORCED: 4,
  NODE_PERFORMANCE_GC_FLAGS_SYNCHRONOUS_PHANTOM_PROCESSING: 8, NODE_PERFORMANCE_GC_FLAGS_ALL_AVAILABLE_GARBAGE: 16,
  NODE_PERFORMANCE_GC_FLAGS_ALL_EXTERNAL_MEMORY: 32, NODE_PERFORMANCE_GC_FLAGS_SCHEDULE_IDLE: 64,
};
for (const [name, value] of Object.entries({
  NODE_PERFORMANCE_ENTRY_TYPE_GC: 0, NODE_PERFORMANCE_ENTRY_TYPE_HTTP: 1, NODE_PERFORMANCE_ENTRY_TYPE_HTTP2: 2,
  NODE_PERFORMANCE_ENTRY_TYPE_NET: 3, NODE_PERFORMANCE_ENTRY_TYPE_DNS: 4,
  NODE_PERFORMANCE_MILESTONE_TIME_ORIGIN_TIMESTAMP: 0, NODE_PERFORMANCE_MILESTONE_TIME_ORIGIN: 1,
  NODE_PERFORMANCE_MILESTONE_ENVIRONMENT: 2, NODE_PERFORMANCE_MILESTONE_NODE_START: 3, NODE_PERFORMANCE_MILESTONE_V8_START: 4,
  NODE_PERFORMANCE_MILESTONE_LOOP_START: 5, NODE_PERFORMANCE_MILESTONE_LOOP_EXIT: 6, NODE_PERFORMANCE_MILESTONE_BOOTSTRAP_COMPLETE: 7,
})) Object.defineProperty(constants, name, { value });

return {
  now: () => Number(native.hrtime() - started) / 1e6,
  milestones, observerCounts: new Uint32Array(8), setupObservers: nothing,
  installGarbageCollectionTracking: nothing, removeGarbageCollectionTracking: nothing, notify: nothing,
  loopIdleTime: () => 0, uvMetricsInfo: () => [0, 0, 0], markBootstrapComplete: nothing,
  getTimeOrigin: () => Number(started) / 1e6, getTimeOriginTimestamp: () => origin / 1e3,
  createELDHistogram: () => new Histogram(),
  Histogram,
  constants,
};
})
