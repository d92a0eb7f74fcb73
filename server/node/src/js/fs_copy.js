// The part of `fs.cpSync` that is below Node's JavaScript: its checks, and copying a folder.
(function (native) {
'use strict';

const errors = native.load('errors');
const { run, existsSync } = native.functions('fs');

const FORMAT = 0o170000, FOLDER = 0o040000, LINK = 0o120000, FIFO = 0o010000, SOCKET = 0o140000, REGULAR = 0o100000;
const OWNER_WRITES = 0o200;
const KNOWN = new Set([FOLDER, LINK, REGULAR, 0o020000, 0o060000]);

const path = () => native.load('realm').require('path');
const failed = (code, message) => errors.coded(Error, code, message);

// Device, kind and number of a file; undefined if it is missing.
const look = (file, follow, mustBe = false) => {
  const buffer = run(follow ? 'stat' : 'lstat', file, true, mustBe ? 0 : 1);
  if (buffer === undefined) return undefined;
  const [device, mode, , , , , , inode] = new BigInt64Array(buffer);
  return { device, inode, mode: Number(mode), kind: Number(mode) & FORMAT };
};
const isSame = (one, other) => one.inode === other.inode && one.device === other.device;

function checkPaths(source, target, dereference, recursive) {
  const from = look(source, dereference, true);
  const to = look(target, dereference);
  const isFolder = from.kind === FOLDER;
  if (to !== undefined) {
    if (isSame(from, to)) throw failed('ERR_FS_CP_EINVAL', `src and dest cannot be the same ${target}`);
    if (isFolder && to.kind !== FOLDER) {
      throw failed('ERR_FS_CP_DIR_TO_NON_DIR', `Cannot overwrite non-directory ${target} with directory ${source}`);
    }
    if (!isFolder && to.kind === FOLDER) {
      throw failed('ERR_FS_CP_NON_DIR_TO_DIR', `Cannot overwrite directory ${target} with non-directory ${source}`);
    }
  }
  const inside = source.endsWith('/') ? source : `${source}/`;
  if (isFolder && target.startsWith(inside)) {
    throw failed('ERR_FS_CP_EINVAL', `Cannot copy ${inside} to a subdirectory of self ${target}`);
  }
  const { dirname } = path();
  for (let parent = dirname(target); parent !== dirname(parent) && parent !== dirname(source); parent = dirname(parent)) {
    const found = look(parent, true);
    if (found !== undefined && isSame(from, found)) {
      throw failed('ERR_FS_CP_EINVAL', `Cannot copy ${inside} to a subdirectory of self ${target}`);
    }
  }
  if (isFolder && !recursive) {
    throw failed('ERR_FS_EISDIR', `Recursive option not enabled, cannot copy a directory: ${inside}`);
  }
  if (from.kind === SOCKET) throw failed('ERR_FS_CP_SOCKET', `Cannot copy a socket file: ${target}`);
  if (from.kind === FIFO) throw failed('ERR_FS_CP_FIFO_PIPE', `Cannot copy a FIFO pipe: ${target}`);
  if (!KNOWN.has(from.kind)) throw failed('ERR_FS_CP_UNKNOWN', `Cannot copy an unknown file type: ${target}`);
  if (!existsSync(dirname(target))) run('mkdir', dirname(target), 0o777, true);
}

const setTimes = (source, target) => {
  const buffer = new Float64Array(run('stat', source, false, 0));
  run('utimes', target, buffer[10] + buffer[11] / 1e9, buffer[12] + buffer[13] / 1e9);
};

function overrideFile(source, target, mode, preserveTimestamps) {
  run('unlink', target);
  run('copyFile', source, target, mode);
  if (preserveTimestamps) setTimes(source, target);
}

function copyLink(source, target, verbatim, targetMode) {
  const { dirname, isAbsolute, resolve } = path();
  let link = run('readlink', source, false);
  if (!verbatim && !isAbsolute(link)) link = resolve(dirname(source), link);
  if (targetMode === LINK) {
    const old = resolve(dirname(target), run('readlink', target, false));
    const now = resolve(dirname(source), link);
    const within = (one, other) => one !== other && one.startsWith(other.endsWith('/') ? other : `${other}/`);
    const isFolder = look(source, true)?.kind === FOLDER;
    if (isFolder && within(old, now)) {
      throw failed('ERR_FS_CP_EINVAL', `Cannot copy ${now} to a subdirectory of self ${old}`);
    }
    if (look(target, true)?.kind === FOLDER && within(now, old)) {
      throw failed('ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY', `cannot overwrite ${old} with ${now}`);
    }
    run('unlink', target);
  }
  run('symlink', link, target);
}

function copyFolder(source, target, force, dereference, errorOnExist, verbatim, preserveTimestamps) {
  run('mkdir', target, 0o777, true);
  for (const name of run('readdir', source, false, false)) {
    const from = `${source}/${name}`, to = `${target}/${name}`;
    const found = look(from, dereference, true);
    const there = look(to, false);
    if (found.kind === FOLDER) {
      if (there !== undefined && there.kind !== FOLDER) {
        throw failed('ERR_FS_CP_DIR_TO_NON_DIR', `Cannot overwrite non-directory ${to} with directory ${from}`);
      }
      copyFolder(from, to, force, dereference, errorOnExist, verbatim, preserveTimestamps);
    } else if (found.kind === LINK) {
      copyLink(from, to, verbatim, there?.kind);
    } else if (found.kind === REGULAR) {
      if (there !== undefined && !force) {
        if (errorOnExist) {
          throw failed('ERR_FS_CP_EEXIST', `[ERR_FS_CP_EEXIST]: Target already exists: cp returned EEXIST (${to} already exists) ${to}`);
        }
        continue;
      }
      if (there !== undefined && (there.mode & OWNER_WRITES) === 0) run('chmod', to, there.mode | OWNER_WRITES);
      run('copyFile', from, to, 0);
      if (preserveTimestamps) setTimes(from, to);
    }
  }
}

return { checkPaths, copyFolder, overrideFile };
})
