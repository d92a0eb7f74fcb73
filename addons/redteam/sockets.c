// E08, E09, E10: everything that speaks to somebody.
#include "redteam.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_in server(void) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  at.sin_port = htons((uint16_t)atoi(target("REDTEAM_PORT")));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

static int reach(int type, int protocol, int fast) {
  struct sockaddr_in at = server();
  int fd = socket(AF_INET, type, protocol);
  if (fd < 0) return errno;
  long done = fast || type == SOCK_DGRAM
                  ? sendto(fd, "leak", 4, fast ? MSG_FASTOPEN : 0, (void*)&at, sizeof at)
                  : connect(fd, (void*)&at, sizeof at);
  int error = answer(done);
  close(fd);
  return error;
}

static int make(int family, int type, int protocol) {
  return answer_fd(socket(family, type, protocol));
}

static int tcp(void) { return reach(SOCK_STREAM, 0, 0); }
static int fastopen(void) { return reach(SOCK_STREAM, 0, 1); }
static int mptcp(void) { return reach(SOCK_STREAM, 262, 0); }
static int sctp(void) { return reach(SOCK_STREAM, 132, 0); }
static int udp(void) { return reach(SOCK_DGRAM, 0, 0); }
static int tcp6(void) { return make(AF_INET6, SOCK_STREAM, 0); }
static int udp6(void) { return make(AF_INET6, SOCK_DGRAM, 0); }
static int raw(void) { return make(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
static int ping(void) { return make(AF_INET, SOCK_DGRAM, IPPROTO_ICMP); }
static int netlink(void) { return make(AF_NETLINK, SOCK_RAW, 0); }
static int packet(void) { return make(AF_PACKET, SOCK_RAW, htons(3)); }
static int alg(void) { return make(AF_ALG, SOCK_SEQPACKET, 0); }
static int vsock(void) { return make(AF_VSOCK, SOCK_STREAM, 0); }
static int xdp(void) { return make(44, SOCK_RAW, 0); }

static int any_family(void) {
  int first = 0;
  for (int family = 0; family < 64; family++) {
    for (int type = 1; type <= 5; type++) {
      int error = make(family, type, 0);
      if (error == 0) return 0;
      if (first == 0) first = error;
    }
  }
  return first;
}

static int bind_tcp(void) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  int error = answer(bind(fd, (void*)&at, sizeof at));
  close(fd);
  return error;
}

static int listen_unbound(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  int error = answer(listen(fd, 1));
  close(fd);
  return error;
}

static socklen_t named(struct sockaddr_un* at, const char* name, int abstract) {
  memset(at, 0, sizeof *at);
  at->sun_family = AF_UNIX;
  snprintf(at->sun_path + abstract, sizeof at->sun_path - 1, "%s", name);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
}

static int unix_to(const char* name, int abstract) {
  struct sockaddr_un at;
  socklen_t length = named(&at, name, abstract);
  if (!abstract) length = sizeof at;
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  int error = answer(connect(fd, (void*)&at, length));
  close(fd);
  return error;
}

static int pathname(void) { return unix_to(target("REDTEAM_SOCKET"), 0); }
static int abstract(void) { return unix_to(target("REDTEAM_ABSTRACT"), 1); }

static int pair_to_path(int type) {
  struct sockaddr_un at;
  named(&at, target("REDTEAM_DATAGRAM"), 0);
  struct iovec piece = {"leak", 4};
  struct msghdr message = {.msg_name = &at, .msg_namelen = sizeof at, .msg_iov = &piece,
                           .msg_iovlen = 1};
  int pair[2];
  if (socketpair(AF_UNIX, type, 0, pair) != 0) return errno;
  int error = answer(sendmsg(pair[0], &message, MSG_NOSIGNAL));
  close(pair[0]);
  close(pair[1]);
  return error;
}

static int datagram_pair(void) { return pair_to_path(SOCK_DGRAM); }
static int packet_pair(void) { return pair_to_path(SOCK_SEQPACKET); }
static int stream_pair(void) { return pair_to_path(SOCK_STREAM); }

static int fastopen_on_pair(void) {
  struct sockaddr_in at = server();
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return errno;
  int error = answer(sendto(pair[0], "x", 1, MSG_FASTOPEN, (void*)&at, sizeof at));
  close(pair[0]);
  close(pair[1]);
  return error;
}

// Sets an option of a socket of its own.
static int set_option(int option, const void* value, socklen_t size) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return errno;
  int error = answer(setsockopt(pair[0], SOL_SOCKET, option, value, size));
  close(pair[0]);
  close(pair[1]);
  return error;
}
// A program for the kernel that accepts whatever is received.
static int attach_filter(void) {
  struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffff);
  struct sock_fprog program = {1, &all};
  return set_option(SO_ATTACH_FILTER, &program, sizeof program);
}
static int lock_filter(void) { return set_option(SO_LOCK_FILTER, &(int){1}, sizeof(int)); }
static int set_priority(void) { return set_option(SO_PRIORITY, &(int){6}, sizeof(int)); }
static int busy_poll(void) { return set_option(SO_PREFER_BUSY_POLL, &(int){0}, sizeof(int)); }

const struct attack SOCKETS[] = {
    {"E08_tcp_connect", tcp, 0},
    {"E08_tcp6", tcp6, 0},
    {"E08_tcp_bind", bind_tcp, 0},
    {"E08_listen_unbound", listen_unbound, 0},
    {"E09_fastopen", fastopen, 0},
    {"E09_fastopen_on_pair", fastopen_on_pair, 0},
    {"E09_mptcp", mptcp, 0},
    {"E09_sctp", sctp, 0},
    {"E09_udp", udp, 0},
    {"E09_udp6", udp6, 0},
    {"E09_raw", raw, 0},
    {"E09_ping", ping, 0},
    {"E09_netlink", netlink, 0},
    {"E09_packet", packet, 0},
    {"E09_vsock", vsock, 0},
    {"E09_alg", alg, 0},
    {"E09_xdp", xdp, 0},
    {"E09_any_family", any_family, 0},
    {"E10_unix_pathname", pathname, 0},
    {"E10_unix_abstract", abstract, 0},
    {"E10_datagram_pair_to_path", datagram_pair, 0},
    {"E10_packet_pair_to_path", packet_pair, 0},
    {"E10_stream_pair_to_path", stream_pair, 0},
    {"E10_attach_filter", attach_filter, 0},
    {"E10_lock_filter", lock_filter, 0},
    {"E10_priority", set_priority, 0},
    {"E10_busy_poll", busy_poll, 0},
    {NULL, NULL, 0},
};
