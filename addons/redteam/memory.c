// E21, E22, M02, S01: foreign tables of calls, memory that runs, and that shared with the client.
#include "redteam.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096

static int answer_map(void* page) {
  if (page == MAP_FAILED) return errno;
  munmap(page, PAGE);
  return 0;
}

// getpid by the table of numbers for programs of 32 bits, then by that of x32.
static int foreign32(void) {
  long result = -ENOSYS;
#ifdef __x86_64__
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
#endif
  return result >= 0 ? 0 : (int)-result;
}
static int foreign_x32(void) { return answer(syscall(0x40000000 | 39)); }

static int write_and_run(void) {
  return answer_map(mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
static int write_then_run(void) {
  void* page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno;
  int error = answer(mprotect(page, PAGE, PROT_READ | PROT_EXEC));
  munmap(page, PAGE);
  return error;
}
static int run_memfd(void) {
  int fd = (int)syscall(SYS_memfd_create, "x", 0);
  if (fd < 0) return errno;
  int error = ftruncate(fd, PAGE) != 0
                  ? errno
                  : answer_map(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0));
  close(fd);
  return error;
}
static int run_own_file(void) {
  char path[512];
  int fd = open(own(path, sizeof path, "code"), O_CREAT | O_RDWR, 0700);
  if (fd < 0) return errno;
  int error = ftruncate(fd, PAGE) != 0
                  ? errno
                  : answer_map(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
  close(fd);
  unlink(path);
  return error;
}

// A page of a file that is shorter than it by now: no answer, but the end.
static int bus_error(void) {
  char path[512];
  int fd = open(own(path, sizeof path, "short"), O_CREAT | O_RDWR, 0600);
  if (fd < 0) return errno;
  unlink(path);
  volatile char* page = ftruncate(fd, PAGE) != 0
                            ? MAP_FAILED
                            : mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED || ftruncate(fd, 0) != 0) return errno;
  *page = 1;
  return 0;
}

// The first descriptor that is memory with seals, which is what the client made and shared.
static int shared_memory(void) {
  for (int fd = 3; fd < 512; fd++) {
    if (fcntl(fd, F_GET_SEALS) >= 0) return fd;
  }
  errno = ENOENT;
  return -1;
}
static int shared(int (*attempt)(int fd, off_t size)) {
  struct stat found;
  int fd = shared_memory();
  if (fd < 0 || fstat(fd, &found) != 0) return errno;
  return answer(attempt(fd, found.st_size));
}
static int to_nothing(int fd, off_t size) { return ftruncate(fd, 0); }
static int to_more(int fd, off_t size) { return ftruncate(fd, size + PAGE); }
static int more_blocks(int fd, off_t size) { return fallocate(fd, 0, size, PAGE); }
static int more_seals(int fd, off_t size) { return fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE); }
static int shrink(void) { return shared(to_nothing); }
static int grow(void) { return shared(to_more); }
static int allocate(void) { return shared(more_blocks); }
static int seal(void) { return shared(more_seals); }

// Code that is mapped for reading can be written through the file of the memory, which asks for no
// rights of pages.
static int to_be_changed(void) { return 7; }
static int write_code(const char* path) {
  uint8_t byte;
  int fd = open(path, O_RDWR);
  if (fd < 0) return errno;
  off_t place = (off_t)(uintptr_t)to_be_changed;
  int error = pread(fd, &byte, 1, place) == 1 && pwrite(fd, &byte, 1, place) == 1 ? 0 : errno;
  close(fd);
  return error;
}
static int code_by_process(void) { return write_code("/proc/self/mem"); }
static int code_by_thread(void) { return write_code("/proc/thread-self/mem"); }

const struct attack MEMORY[] = {
    {"E21_int80", foreign32, 1},
    {"E21_x32", foreign_x32, 1},
    {"E22_mmap_rwx", write_and_run, 0},
    {"E22_mprotect_rx", write_then_run, 0},
    {"E22_memfd_rx", run_memfd, 0},
    {"E22_own_file_rx", run_own_file, 0},
    {"E22_proc_self_mem", code_by_process, 0},
    {"E22_proc_thread_mem", code_by_thread, 0},
    {"M02_bus_error", bus_error, 1},
    {"S01_shrink", shrink, 0},
    {"S01_grow", grow, 0},
    {"S01_allocate", allocate, 0},
    {"S01_seal", seal, 0},
    {NULL, NULL, 0},
};
