// The binding `os`.
(function (native, bindings) {
'use strict';

const { process, Buffer } = globalThis;
const os = native.functions('os');
const [sysname, version, release, machine, nodename] = os.information();

// What an error of the system is made of, for `ERR_SYSTEM_ERROR`.
const fail = (context, syscall, errno) => {
  const uv = bindings.get('uv');
  Object.assign(context, { errno, syscall, code: uv.errname(errno), message: uv.getErrorMessage(errno) });
};
const UNKNOWN_USER = -2;

return {
  getAvailableParallelism: os.parallelism,
  getCPUs: os.processors,
  getFreeMem: () => os.memory()[1],
  getTotalMem: () => os.memory()[0],
  getHomeDirectory(context) {
    const home = process.env.HOME || os.user()?.[3];
    if (home === undefined) fail(context, 'uv_os_homedir', UNKNOWN_USER);
    return home;
  },
  getHostname: () => nodename,
  // The interfaces are not asked for: a confined host has no network.
  getInterfaceAddresses: () => [],
  getLoadAvg(target) { target.set(os.load()); },
  getOSInformation: () => [sysname, version, release, machine],
  getPriority(pid, context) {
    const priority = os.getPriority(pid);
    if (typeof priority === 'number') return priority;
    fail(context, 'uv_os_getpriority', priority[0]);
    return undefined;
  },
  setPriority(pid, priority, context) {
    const errno = os.setPriority(pid, priority);
    if (errno !== 0) fail(context, 'uv_os_setpriority', errno);
    return errno;
  },
  getUptime: os.uptime,
  getUserInfo(options, context) {
    const found = os.user();
    if (found === undefined) {
      fail(context, 'uv_os_get_passwd', UNKNOWN_USER);
      return undefined;
    }
    const encoded = (text) => options?.encoding === 'buffer' ? Buffer.from(text) : Buffer.from(text).toString(options?.encoding ?? 'utf8');
    const [uid, gid, name, homedir, shell] = found;
    return { __proto__: null, uid, gid, username: encoded(name), homedir: encoded(homedir), shell: encoded(shell) };
  },
  isBigEndian: false,
};
})
