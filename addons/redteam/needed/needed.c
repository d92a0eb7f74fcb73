// A library that redteam.node needs: its constructor runs before anything of the addon itself.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int redteam_needed = ENOSYS;

__attribute__((constructor)) static void before_the_addon(void) {
  int fd = open("/etc/passwd", O_RDONLY);
  redteam_needed = fd >= 0 ? 0 : errno;
  if (fd >= 0) close(fd);
}
