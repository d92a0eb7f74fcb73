// The binding `v8`: the statistics that the engine has, under V8's names.
(function (native) {
'use strict';

const nothing = () => {};
const MEBIBYTE = 2 ** 20;
const heap = new Float64Array(14), space = new Float64Array(4), code = new Float64Array(4);
const SPACES = ['read_only_space', 'new_space', 'old_space', 'code_space', 'shared_space', 'trusted_space', 'new_large_object_space',
  'large_object_space', 'code_large_object_space', 'shared_large_object_space', 'shared_trusted_large_object_space', 'trusted_large_object_space'];

const HEAP = ['kTotalHeapSizeIndex', 'kTotalHeapSizeExecutableIndex', 'kTotalPhysicalSizeIndex', 'kTotalAvailableSize',
  'kUsedHeapSizeIndex', 'kHeapSizeLimitIndex', 'kMallocedMemoryIndex', 'kPeakMallocedMemoryIndex', 'kDoesZapGarbageIndex',
  'kNumberOfNativeContextsIndex', 'kNumberOfDetachedContextsIndex', 'kTotalGlobalHandlesSizeIndex',
  'kUsedGlobalHandlesSizeIndex', 'kExternalMemoryIndex'];
const SPACE = ['kSpaceSizeIndex', 'kSpaceUsedSizeIndex', 'kSpaceAvailableSizeIndex', 'kPhysicalSpaceSizeIndex'];
const CODE = ['kCodeAndMetadataSizeIndex', 'kBytecodeAndMetadataSizeIndex', 'kExternalScriptSourceSizeIndex', 'kCPUProfilerMetaDataSizeIndex'];

const refuse = (name) => native.load('errors').unavailable(`v8.${name} is not available: this host does not run on V8`);

const binding = {
  cachedDataVersionTag: () => 0,
  setFlagsFromString: nothing,
  isStringOneByteRepresentation: (text) => !/[^\0-\xff]/.test(text),
  setHeapSnapshotNearHeapLimit() { throw refuse('setHeapSnapshotNearHeapLimit'); },
  updateHeapStatisticsBuffer() {
    const { heapTotal, heapUsed, external } = native.memory();
    const limit = Math.max(4096 * MEBIBYTE, heapTotal);
    heap.set([heapTotal, 0, heapTotal, limit - heapUsed, heapUsed, limit, heapTotal, heapTotal, 0, 1, 0, 8192, 2112, external]);
  },
  updateHeapSpaceStatisticsBuffer(index) {
    // The engine has one heap: it is shown as the old space.
    const { heapTotal, heapUsed } = native.memory();
    space.set(SPACES[index] === 'old_space' ? [heapTotal, heapUsed, heapTotal - heapUsed, heapTotal] : [0, 0, 0, 0]);
  },
  updateHeapCodeStatisticsBuffer: nothing,
  heapStatisticsBuffer: heap, heapSpaceStatisticsBuffer: space, heapCodeStatisticsBuffer: code,
  kHeapSpaces: SPACES,
  getCppHeapStatistics() { throw refuse('getCppHeapStatistics'); },
  detailLevel: { __proto__: null, DETAILED: 0, BRIEF: 1 },
  startupSnapshot: {},
  GCProfiler: class GCProfiler { constructor() { throw refuse('GCProfiler'); } },
};
for (const names of [HEAP, SPACE, CODE]) names.forEach((name, index) => { binding[name] = index; });
return binding;
})
