"""What Node's modules have and a host has not: what is called, and what its error names."""

from __future__ import annotations

import json
from pathlib import Path

from node_runs import SCRIPT, pairs, run

CODE = "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM"

# Whole modules: they can be loaded, and what is called raises.
MODULES = (
    "cluster",
    "dgram",
    "dns",
    "dns/promises",
    "http",
    "http2",
    "https",
    "inspector",
    "inspector/promises",
    "net",
    "node:sea",
    "node:sqlite",
    "node:test",
    "node:test/reporters",
    "repl",
    "tls",
    "trace_events",
    "wasi",
)

# Expressions that call something of such a module.
IN_ABSENT_MODULES = {
    "require('https').request('https://x')": "https.request",
    "new (require('http').Agent)()": "http.Agent",
    "new (class extends require('net').Socket {})()": "net.Socket",
    "require('dns').promises.lookup('x')": "dns.promises.lookup",
    "new (require('node:sqlite').DatabaseSync)(':memory:')": "node:sqlite.DatabaseSync",
}

KEY = "'-----BEGIN PUBLIC KEY-----'"
ZSTD = "zstd"

# Functions and classes of other modules: an expression that uses one, and what its error names.
ABSENT = {
    "child_process:fork": ("child_process.fork('/x.js')", "child_process.fork"),
    "crypto:Certificate": ("crypto.Certificate.verifySpkac(bytes)", "crypto.Certificate"),
    "crypto:Cipheriv": (
        "new crypto.Cipheriv('aes-128-cbc', bytes, bytes)",
        "crypto.createCipheriv",
    ),
    "crypto:Decipheriv": (
        "new crypto.Decipheriv('aes-128-cbc', bytes, bytes)",
        "createDecipheriv",
    ),
    "crypto:DiffieHellman": ("new crypto.DiffieHellman(bytes)", "crypto.createDiffieHellman"),
    "crypto:DiffieHellmanGroup": (
        "new crypto.DiffieHellmanGroup('modp14')",
        "crypto.getDiffieHellman",
    ),
    "crypto:ECDH": ("new crypto.ECDH('secp256k1')", "crypto.createECDH"),
    "crypto:Sign": ("new crypto.Sign('sha256')", "crypto.createSign"),
    "crypto:Verify": ("new crypto.Verify('sha256')", "crypto.createVerify"),
    "crypto:X509Certificate": ("new crypto.X509Certificate(bytes)", "crypto.X509Certificate"),
    "crypto:checkPrime": ("crypto.checkPrime(7n, () => {})", "crypto.checkPrime"),
    "crypto:checkPrimeSync": ("crypto.checkPrimeSync(7n)", "crypto.checkPrime"),
    "crypto:createCipheriv": (
        "crypto.createCipheriv('aes-128-cbc', bytes, bytes)",
        "crypto.createCipheriv",
    ),
    "crypto:createDecipheriv": (
        "crypto.createDecipheriv('aes-128-cbc', bytes, bytes)",
        "createDecipheriv",
    ),
    "crypto:createDiffieHellman": (
        "crypto.createDiffieHellman(bytes)",
        "crypto.createDiffieHellman",
    ),
    "crypto:createDiffieHellmanGroup": (
        "crypto.createDiffieHellmanGroup('modp14')",
        "crypto.getDiffieHellman",
    ),
    "crypto:createECDH": ("crypto.createECDH('secp256k1')", "crypto.createECDH"),
    "crypto:createPrivateKey": (f"crypto.createPrivateKey({KEY})", "crypto.createPrivateKey"),
    "crypto:createPublicKey": (f"crypto.createPublicKey({KEY})", "crypto.createPublicKey"),
    "crypto:createSign": ("crypto.createSign('sha256')", "crypto.createSign"),
    "crypto:createVerify": ("crypto.createVerify('sha256')", "crypto.createVerify"),
    "crypto:generateKey": (
        "crypto.generateKey('hmac', { length: 64 }, () => {})",
        "crypto.generateKey",
    ),
    "crypto:generateKeyPair": (
        "crypto.generateKeyPair('ed25519', {}, () => {})",
        "crypto.generateKeyPair",
    ),
    "crypto:generateKeyPairSync": (
        "crypto.generateKeyPairSync('ed25519')",
        "crypto.generateKeyPair",
    ),
    "crypto:generateKeySync": (
        "crypto.generateKeySync('hmac', { length: 64 })",
        "crypto.generateKey",
    ),
    "crypto:generatePrime": ("crypto.generatePrime(32, () => {})", "crypto.generatePrime"),
    "crypto:generatePrimeSync": ("crypto.generatePrimeSync(32)", "crypto.generatePrime"),
    "crypto:getCipherInfo": ("crypto.getCipherInfo('aes-128-cbc')", "crypto.getCipherInfo"),
    "crypto:getDiffieHellman": ("crypto.getDiffieHellman('modp14')", "crypto.getDiffieHellman"),
    "crypto:privateDecrypt": (f"crypto.privateDecrypt({KEY}, bytes)", "crypto.privateDecrypt"),
    "crypto:privateEncrypt": (f"crypto.privateEncrypt({KEY}, bytes)", "crypto.privateEncrypt"),
    "crypto:publicDecrypt": (f"crypto.publicDecrypt({KEY}, bytes)", "crypto.publicDecrypt"),
    "crypto:publicEncrypt": (f"crypto.publicEncrypt({KEY}, bytes)", "crypto.publicEncrypt"),
    "crypto:setFips": ("crypto.setFips(true)", "crypto.setFips"),
    "crypto:sign": (f"crypto.sign('sha256', bytes, {KEY})", "crypto.sign"),
    "crypto:verify": (f"crypto.verify('sha256', bytes, {KEY}, bytes)", "verify"),
    "module:stripTypeScriptTypes": (
        "module_.stripTypeScriptTypes('1')",
        "module.stripTypeScriptTypes",
    ),
    "tty:ReadStream": ("new tty.ReadStream(0)", "tty streams"),
    "tty:WriteStream": ("new tty.WriteStream(1)", "tty streams"),
    "util:setTraceSigInt": ("util.setTraceSigInt(true)", "util.setTraceSigInt"),
    "v8:DefaultDeserializer": ("new v8.DefaultDeserializer(bytes)", "v8.Deserializer"),
    "v8:DefaultSerializer": ("new v8.DefaultSerializer()", "v8.Serializer"),
    "v8:Deserializer": ("new v8.Deserializer(bytes)", "v8.Deserializer"),
    "v8:GCProfiler": ("new v8.GCProfiler().start()", "v8.GCProfiler"),
    "v8:Serializer": ("new v8.Serializer()", "v8.Serializer"),
    "v8:deserialize": ("v8.deserialize(bytes)", "v8.Deserializer"),
    "v8:getCppHeapStatistics": ("v8.getCppHeapStatistics()", "v8.getCppHeapStatistics"),
    "v8:getHeapSnapshot": ("v8.getHeapSnapshot()", "v8.getHeapSnapshot"),
    "v8:queryObjects": ("v8.queryObjects(Map)", "v8.queryObjects"),
    "v8:serialize": ("v8.serialize(1)", "v8.Serializer"),
    "v8:setHeapSnapshotNearHeapLimit": (
        "v8.setHeapSnapshotNearHeapLimit(1)",
        "v8.setHeapSnapshotNearHeapLimit",
    ),
    "v8:writeHeapSnapshot": ("v8.writeHeapSnapshot('/x')", "v8.writeHeapSnapshot"),
    "vm:Script#runInNewContext": ("new vm.Script('1').runInNewContext()", "vm.createContext"),
    "vm:createContext": ("vm.createContext()", "vm.createContext"),
    "vm:measureMemory": ("vm.measureMemory()", "vm.measureMemory"),
    "vm:runInNewContext": ("vm.runInNewContext('1')", "vm.createContext"),
    "worker_threads:BroadcastChannel": ("new BroadcastChannel('x')", "BroadcastChannel"),
    "worker_threads:Worker": ("new worker_threads.Worker('/x.js')", "worker_threads.Worker"),
    "worker_threads:moveMessagePortToContext": (
        "worker_threads.moveMessagePortToContext(new MessageChannel().port1, {})",
        "one context",
    ),
    "zlib:ZstdCompress": ("new zlib.ZstdCompress()", ZSTD),
    "zlib:ZstdDecompress": ("new zlib.ZstdDecompress()", ZSTD),
    "zlib:createZstdCompress": ("zlib.createZstdCompress()", ZSTD),
    "zlib:createZstdDecompress": ("zlib.createZstdDecompress()", ZSTD),
    "zlib:zstdCompress": ("zlib.zstdCompress(bytes, () => {})", ZSTD),
    "zlib:zstdCompressSync": ("zlib.zstdCompressSync(bytes)", ZSTD),
    "zlib:zstdDecompress": ("zlib.zstdDecompress(bytes, () => {})", ZSTD),
    "zlib:zstdDecompressSync": ("zlib.zstdDecompressSync(bytes)", ZSTD),
}

# What raises in a function or an object that works otherwise.
PARTS = {
    "child_process.spawn('true', { stdio: ['ipc'] })": "ipc",
    "crypto.ECDH.convertKey(bytes, 'secp256k1')": "crypto.ECDH.convertKey",
    "new vm.Script('1').createCachedData()": "vm.Script.createCachedData",
    "process.report.writeReport()": "report.writeReport",
}


def errors(expressions: list[str], folder: Path) -> list[tuple[str, str]]:
    """What expressions raise here, one after another in one host: code and message."""
    modules = sorted({name.partition(":")[0] for name in ABSENT} - {"module"})
    calls = ",\n".join(f"  () => {expression}" for expression in expressions)
    script = folder / "script.cjs"
    script.write_text(
        "".join(f"const {module} = require('{module}');\n" for module in modules)
        + "const module_ = require('module');\n"
        + "const bytes = Buffer.alloc(16);\n"
        + f"const calls = [\n{calls}\n];\n"
        + "(async () => {\n"
        + "  for (const call of calls) {\n"
        + "    let found = ['nothing', ''];\n"
        + "    try { await call(); }\n"
        + "    catch (error) { found = [String(error.code), error.message]; }\n"
        + "    console.log(JSON.stringify(found));\n"
        + "  }\n"
        + "})();\n"
    )
    return [(code, json.loads(message)) for code, message in pairs(run(SCRIPT, script))]
