// E01, E03, E05, E06, E07: files that were not granted, and changes of files granted read-only.
#include "redteam.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/xattr.h>

#define SECRET target("REDTEAM_SECRET")
#define FOLDER target("REDTEAM_FOLDER")
// May be read, and not changed.
#define READABLE target("REDTEAM_READABLE")

static int open_for(const char* path, int flags) { return answer_fd(open(path, flags, 0600)); }

static int read_all(const char* path) {
  char byte;
  int fd = open(path, O_RDONLY), error = 0;
  if (fd < 0) return errno;
  if (read(fd, &byte, 1) < 0) error = errno;
  close(fd);
  return error;
}

static int list(const char* path) {
  DIR* folder = opendir(path);
  if (folder == NULL) return errno;
  closedir(folder);
  return 0;
}

static const char* in_folder(char* buffer, size_t size, const char* name) {
  snprintf(buffer, size, "%s/%s", FOLDER, name);
  return buffer;
}

#define IN(name) in_folder((char[512]){0}, 512, name)
#define OWN(name) own((char[512]){0}, 512, name)

// Controls: what must work, or the rest would prove nothing.
static int control_own_file(void) {
  Dl_info info;
  return dladdr(&FILES, &info) == 0 ? ENOENT : read_all(info.dli_fname);
}

static int control_scratch(void) {
  int error = open_for(OWN("kept"), O_CREAT | O_WRONLY);
  return error != 0 ? error : answer(unlink(OWN("kept")));
}

static int read_secret(void) { return read_all(SECRET); }
static int read_passwd(void) { return read_all("/etc/passwd"); }
static int read_shadow(void) { return read_all("/etc/shadow"); }
static int list_folder(void) { return list(FOLDER); }

static int read_beside_own_file(void) {
  Dl_info info;
  char path[1024];
  if (dladdr(&FILES, &info) == 0) return ENOENT;
  int length = (int)(strrchr(info.dli_fname, '/') - info.dli_fname);
  snprintf(path, sizeof path, "%.*s/.ssh/id", length, info.dli_fname);
  return read_all(path);
}

static int read_by_proc_root(void) {
  char path[512];
  snprintf(path, sizeof path, "/proc/self/root%s", SECRET);
  return read_all(path);
}

static int read_by_dots(void) {
  char path[1024];
  snprintf(path, sizeof path, "%s/../../../../../../../../..%s", target("HOME"), SECRET);
  return read_all(path);
}

static int read_by_own_link(void) {
  if (symlink(SECRET, OWN("link")) != 0) return errno;
  int error = read_all(OWN("link"));
  unlink(OWN("link"));
  return error;
}

static int read_by_openat2(void) {
  struct {
    uint64_t flags, mode, resolve;
  } how = {O_RDONLY, 0, 0};
  return answer_fd(syscall(437, AT_FDCWD, SECRET, &how, sizeof how));
}

static int read_by_handle(void) {
  struct {
    struct file_handle handle;
    unsigned char space[MAX_HANDLE_SZ];
  } at = {.handle = {.handle_bytes = MAX_HANDLE_SZ}};
  int mount;
  int fd = open("/dev/null", O_RDONLY);
  if (name_to_handle_at(AT_FDCWD, SECRET, &at.handle, &mount, 0) != 0) {
    // Whether the handle is a real one is not asked before whether handles may be opened.
    at.handle.handle_bytes = 8;
    at.handle.handle_type = 1;
  }
  int error = answer_fd(open_by_handle_at(fd, &at.handle, O_RDONLY));
  close(fd);
  return error;
}

static int reopen_path_fd(void) {
  char path[64];
  int fd = open(SECRET, O_PATH);
  if (fd < 0) return errno;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int error = read_all(path);
  close(fd);
  return error;
}

static int write_secret(void) { return open_for(SECRET, O_WRONLY); }
static int append_secret(void) { return open_for(SECRET, O_WRONLY | O_APPEND); }
static int open_truncate(void) { return open_for(SECRET, O_RDONLY | O_TRUNC); }
static int truncate_secret(void) { return answer(truncate(SECRET, 0)); }
static int create(void) { return open_for(IN("new"), O_CREAT | O_WRONLY); }
static int create_nameless(void) { return open_for(FOLDER, O_TMPFILE | O_RDWR); }
static int remove_secret(void) { return answer(unlink(SECRET)); }
static int rename_secret(void) { return answer(rename(SECRET, IN("other"))); }
static int rename_to_own(void) { return answer(rename(SECRET, OWN("taken"))); }
static int link_to_own(void) { return answer(link(SECRET, OWN("hard"))); }
static int make_folder(void) { return answer(mkdir(IN("made"), 0700)); }
static int remove_folder(void) { return answer(rmdir(IN("empty"))); }
static int make_link(void) { return answer(symlink("/", IN("symbolic"))); }
static int make_fifo(void) { return answer(mkfifo(IN("fifo"), 0600)); }
static int make_device(void) { return answer(mknod(OWN("null"), S_IFCHR | 0600, 0x103)); }
static int change_mode(void) { return answer(chmod(SECRET, 0777)); }
static int change_mode_at(void) { return answer(fchmodat(AT_FDCWD, SECRET, 0777, 0)); }
static int change_owner(void) { return answer(chown(SECRET, getuid(), getgid())); }
static int change_times(void) { return answer(utimensat(AT_FDCWD, SECRET, NULL, 0)); }

// Each sets the times of a file to what they are, by its path or by a descriptor for reading.
struct times {
  int fd;
  struct timespec exact[2];
  struct timeval rounded[2];
};
static int set_times(const char* path, int flags, long (*set)(const char*, const struct times*)) {
  struct stat found;
  struct times times = {.fd = open(path, flags)};
  if (times.fd < 0) return errno;
  int error = answer(fstat(times.fd, &found));
  if (error == 0) {
    times.exact[0] = found.st_atim;
    times.exact[1] = found.st_mtim;
    TIMESPEC_TO_TIMEVAL(&times.rounded[0], &found.st_atim);
    TIMESPEC_TO_TIMEVAL(&times.rounded[1], &found.st_mtim);
    error = answer(set(path, &times));
  }
  close(times.fd);
  return error;
}
static long by_descriptor(const char* path, const struct times* to) {
  (void)path;
  return syscall(SYS_utimensat, to->fd, NULL, to->exact, 0);
}
static long by_empty_path(const char* path, const struct times* to) {
  (void)path;
  return syscall(SYS_utimensat, to->fd, "", to->exact, AT_EMPTY_PATH);
}
static long by_proc(const char* path, const struct times* to) {
  char link[64];
  (void)path;
  snprintf(link, sizeof link, "/proc/self/fd/%d", to->fd);
  return syscall(SYS_utimensat, AT_FDCWD, link, to->exact, 0);
}
static long to_now(const char* path, const struct times* to) {
  (void)path;
  return syscall(SYS_utimensat, to->fd, NULL, NULL, 0);
}
static long by_utime(const char* path, const struct times* to) {
  long seconds[2] = {to->exact[0].tv_sec, to->exact[1].tv_sec};
  return syscall(SYS_utime, path, seconds);
}
static long by_utimes(const char* path, const struct times* to) {
  return syscall(SYS_utimes, path, to->rounded);
}
static long by_futimesat(const char* path, const struct times* to) {
  (void)path;
  return syscall(SYS_futimesat, to->fd, NULL, to->rounded);
}
static int times_by_descriptor(void) { return set_times(READABLE, O_RDONLY, by_descriptor); }
static int times_by_empty_path(void) { return set_times(READABLE, O_PATH, by_empty_path); }
static int times_by_proc(void) { return set_times(READABLE, O_RDONLY, by_proc); }
static int times_to_now(void) { return set_times(READABLE, O_RDONLY, to_now); }
static int times_by_utime(void) { return set_times(READABLE, O_RDONLY, by_utime); }
static int times_by_utimes(void) { return set_times(READABLE, O_RDONLY, by_utimes); }
static int times_by_futimesat(void) { return set_times(READABLE, O_RDONLY, by_futimesat); }
static int times_of_device(void) { return set_times("/dev/urandom", O_RDONLY, by_descriptor); }
static int times_of_system(void) {
  Dl_info info;
  if (dladdr((void*)(uintptr_t)printf, &info) == 0) return ENOENT;
  return set_times(info.dli_fname, O_RDONLY, by_descriptor);
}

static int lock_readable(void) {
  int fd = open(READABLE, O_RDONLY);
  if (fd < 0) return errno;
  int error = answer(flock(fd, LOCK_EX | LOCK_NB));
  close(fd);
  return error;
}

static int set_attribute(void) { return answer(setxattr(SECRET, "user.x", "x", 1, 0)); }
static int set_own_suid(void) {
  int fd = open(OWN("suid"), O_CREAT | O_WRONLY, 0700);
  if (fd < 0) return errno;
  int error = answer(fchmod(fd, 04777));
  close(fd);
  unlink(OWN("suid"));
  return error;
}

static int see(void) {
  struct stat found;
  return answer(stat(SECRET, &found));
}
static int ask_access(void) { return answer(access(SECRET, R_OK)); }
static int open_path_only(void) { return open_for(SECRET, O_PATH); }
static int read_link(void) {
  char text[256];
  return answer(readlink(IN("points"), text, sizeof text));
}
static int enter(void) {
  char back[512];
  if (getcwd(back, sizeof back) == NULL) return errno;
  if (chdir(FOLDER) != 0) return errno;
  return answer(chdir(back));
}

static int watch(void) {
  int fd = inotify_init1(0);
  if (fd < 0) return errno;
  int error = answer(inotify_add_watch(fd, FOLDER, IN_ALL_EVENTS));
  close(fd);
  return error;
}
static int watch_everything(void) { return answer_fd(fanotify_init(FAN_CLASS_NOTIF, O_RDONLY)); }

const struct attack FILES[] = {
    {"C01_read_own_file", control_own_file, 0},
    {"C02_write_scratch", control_scratch, 0},
    {"E01_read_secret", read_secret, 0},
    {"E01_read_passwd", read_passwd, 0},
    {"E01_read_shadow", read_shadow, 0},
    {"E01_list_folder", list_folder, 0},
    {"E01_read_beside_own_file", read_beside_own_file, 0},
    {"E01_read_by_proc_root", read_by_proc_root, 0},
    {"E01_read_by_dots", read_by_dots, 0},
    {"E01_read_by_own_link", read_by_own_link, 0},
    {"E01_read_by_openat2", read_by_openat2, 0},
    {"E01_read_by_handle", read_by_handle, 0},
    {"E01_reopen_path_fd", reopen_path_fd, 0},
    {"E03_write", write_secret, 0},
    {"E03_append", append_secret, 0},
    {"E03_open_truncate", open_truncate, 0},
    {"E03_truncate", truncate_secret, 0},
    {"E03_create", create, 0},
    {"E03_create_nameless", create_nameless, 0},
    {"E03_unlink", remove_secret, 0},
    {"E03_rename", rename_secret, 0},
    {"E03_rename_to_own", rename_to_own, 0},
    {"E03_link_to_own", link_to_own, 0},
    {"E03_mkdir", make_folder, 0},
    {"E03_rmdir", remove_folder, 0},
    {"E03_symlink", make_link, 0},
    {"E03_fifo", make_fifo, 0},
    {"E03_device_in_own", make_device, 0},
    {"E03_chmod", change_mode, 0},
    {"E03_fchmodat", change_mode_at, 0},
    {"E03_chown", change_owner, 0},
    {"E03_utimens", change_times, 0},
    {"E03_times_by_descriptor", times_by_descriptor, 0},
    {"E03_times_by_empty_path", times_by_empty_path, 0},
    {"E03_times_by_proc", times_by_proc, 0},
    {"E03_times_to_now", times_to_now, 0},
    {"E03_times_by_utime", times_by_utime, 0},
    {"E03_times_by_utimes", times_by_utimes, 0},
    {"E03_times_by_futimesat", times_by_futimesat, 0},
    {"E03_times_of_device", times_of_device, 0},
    {"E03_times_of_system", times_of_system, 0},
    {"E03_setxattr", set_attribute, 0},
    {"E03_suid_in_own", set_own_suid, 0},
    {"E05_stat", see, 0},
    {"E05_access", ask_access, 0},
    {"E05_open_path", open_path_only, 0},
    {"E05_readlink", read_link, 0},
    {"E05_chdir", enter, 0},
    {"E06_inotify", watch, 0},
    {"E06_fanotify", watch_everything, 0},
    {"E07_flock_readable", lock_readable, 0},
    {NULL, NULL, 0},
};
