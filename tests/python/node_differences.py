"""Names of Node's modules that docs/differences.md says something about, by its sections."""

from __future__ import annotations

# What is there and differs.
DIFFERING = {
    "Identity": ("process:config", "process:title", "process:version", "process:versions"),
    "Buffer": ("buffer:Buffer.allocUnsafe",),
    "process": (
        "process:allowedNodeEnvironmentFlags",
        "process:binding",
        "process:constrainedMemory",
        "process:cpuUsage",
        "process:dlopen",
        "process:emitWarning",
        "process:env",
        "process:exit",
        "process:getActiveResourcesInfo",
        "process:hrtime",
        "process:memoryUsage",
        "process:moduleLoadList",
        "process:report",
        "process:resourceUsage",
        "process:setSourceMapsEnabled",
        "process:stderr",
        "process:stdin",
        "process:stdout",
        "process:threadCpuUsage",
    ),
    "Files": ("fs:copyFile", "fs:open", "fs:readFileSync"),
    "zlib, crypto and child_process": (
        "child_process:ChildProcess#unref",
        "constants:defaultCoreCipherList",
        "crypto:constants",
        "crypto:diffieHellman",
        "crypto:getCiphers",
        "crypto:getCurves",
        "crypto:setEngine",
        "crypto:subtle",
        "crypto:webcrypto",
    ),
    "Modules": (
        "async_hooks:createHook",
        "module:enableCompileCache",
        "module:findSourceMap",
        "module:register",
        "module:setSourceMapsSupport",
        "os:networkInterfaces",
        "os:userInfo",
        "perf_hooks:monitorEventLoopDelay",
        "util:inspect",
        "v8:cachedDataVersionTag",
        "v8:getHeapCodeStatistics",
        "v8:getHeapSpaceStatistics",
        "v8:getHeapStatistics",
        "v8:setFlagsFromString",
        "v8:stopCoverage",
        "v8:takeCoverage",
        "vm:Script",
        "vm:runInContext",
        "worker_threads:markAsUntransferable",
        "worker_threads:postMessageToThread",
    ),
    "Text": ("util:TextDecoder",),
}

# What is not there.
MISSING = {
    "process": (
        "process:assert",
        "process:execve",
        "process:finalization",
        "process:initgroups",
        "process:loadEnvFile",
        "process:mainModule",
        "process:openStdin",
        "process:setegid",
        "process:seteuid",
        "process:setgid",
        "process:setgroups",
        "process:setuid",
    ),
}

# The section of each name.
DIFFERENCES = {name: section for section, names in DIFFERING.items() for name in names}
ABSENT_NAMES = {name: section for section, names in MISSING.items() for name in names}
