/* host.h - what the hazard programs share: a server with a thread per connection, on which the path decides what happens,
 * and children whose end is looked at. COGNITE_HAZARDS_LONG=1: the long form. */
#ifndef HOST_H
#define HOST_H

#include "../c/check.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline int host_long(void) { return getenv("COGNITE_HAZARDS_LONG") != NULL; }

static inline int64_t host_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void host_pause(int ms) {
  struct timespec wait = {ms / 1000, (long)(ms % 1000) * 1000000};
  nanosleep(&wait, NULL);
}

/* Paths: /ok answers, /hang never does, /reset breaks the connection by RST in the middle of the request's body,
 * /slow answers after 50 ms. Requests are counted. */
struct host_server {
  int listener, port;
  pthread_t thread;
  int requests, resets;
  int stop;
};

struct host_connection {
  struct host_server *server;
  int fd;
};

static inline int host_wait(struct host_server *server, int fd) {
  struct pollfd wait = {fd, POLLIN, 0};
  while (!__atomic_load_n(&server->stop, __ATOMIC_SEQ_CST))
    if (poll(&wait, 1, 50) > 0) return 1;
  return 0;
}

static inline void host_answer(int fd) {
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"items\":[]}";
  (void)!send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
}

/* How a connection breaks decides what the client's next write meets: an RST alone is an error; after a FIN it is EPIPE,
 * which is SIGPIPE. The caller closes. */
static inline void host_break(int fd, int how) {
  struct linger linger = {1, 0};
  char waste[65536];
  if (how != 0) {
    while (recv(fd, waste, sizeof waste, MSG_DONTWAIT) > 0) continue;
    shutdown(fd, SHUT_WR);
  }
  if (how != 2) setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* One request of a kept connection; 0: the connection is to be closed. */
static inline int host_request(struct host_server *server, int fd, char *in, size_t size) {
  size_t used = 0, body = 0, have;
  char *end = NULL, *p;
  while (end == NULL) {
    ssize_t n;
    if (used == size - 1 || !host_wait(server, fd)) return 0;
    n = recv(fd, in + used, size - 1 - used, 0);
    if (n <= 0) return 0;
    used += (size_t)n;
    in[used] = '\0';
    end = strstr(in, "\r\n\r\n");
  }
  __atomic_add_fetch(&server->requests, 1, __ATOMIC_SEQ_CST);
  *end = '\0';
  if (strstr(in, " /reset") != NULL) {
    int resets = __atomic_add_fetch(&server->resets, 1, __ATOMIC_SEQ_CST);
    host_break(fd, resets % 3);
    return 0;
  }
  p = strstr(in, "content-length: ");
  if (p == NULL) p = strstr(in, "Content-Length: ");
  if (p != NULL) body = strtoul(p + 16, NULL, 10);
  have = used - (size_t)(end + 4 - in);
  while (have < body) {
    char waste[65536];
    ssize_t n;
    if (!host_wait(server, fd) || (n = recv(fd, waste, sizeof waste, 0)) <= 0) return 0;
    have += (size_t)n;
  }
  if (strstr(in, " /hang") != NULL) {
    if (host_wait(server, fd)) (void)!recv(fd, in, 1, 0); /* the client went away */
    return 0;
  }
  if (strstr(in, " /slow") != NULL) host_pause(50);
  host_answer(fd);
  return 1;
}

static inline void *host_serve(void *argument) {
  struct host_connection *connection = (struct host_connection *)argument;
  char *in = (char *)malloc(65536);
  while (in != NULL && host_request(connection->server, connection->fd, in, 65536)) continue;
  close(connection->fd);
  free(in);
  free(connection);
  return NULL;
}

static inline void *host_accept(void *argument) {
  struct host_server *server = (struct host_server *)argument;
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&detached, 512 << 10);
  while (host_wait(server, server->listener)) {
    struct host_connection *connection = (struct host_connection *)malloc(sizeof *connection);
    pthread_t thread;
    if (connection == NULL) break;
    connection->server = server;
    connection->fd = accept(server->listener, NULL, NULL);
    if (connection->fd < 0 || pthread_create(&thread, &detached, host_serve, connection) != 0) {
      if (connection->fd >= 0) close(connection->fd);
      free(connection);
    }
  }
  pthread_attr_destroy(&detached);
  return NULL;
}

/* The server's threads take no signal: what the tests look for are threads of the library that do. */
static inline void host_start(struct host_server *server) {
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  sigset_t all, before;
  memset(server, 0, sizeof *server);
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server->listener = socket(AF_INET, SOCK_STREAM, 0);
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(server->listener, 128) != 0 || getsockname(server->listener, (struct sockaddr *)&address, &length) != 0 ||
      pthread_create(&server->thread, NULL, host_accept, server) != 0) {
    perror("server of the test");
    exit(1);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  server->port = ntohs(address.sin_port);
}

static inline void host_stop(struct host_server *server) {
  __atomic_store_n(&server->stop, 1, __ATOMIC_SEQ_CST);
  pthread_join(server->thread, NULL);
  close(server->listener);
  host_pause(200); /* its connections see it too */
}

static inline cognite_client *host_client_at(const char *base_url) {
  char text[512];
  cognite_client *made = NULL;
  cognite_error *err = NULL;
  snprintf(text, sizeof text,
           "{\"client_name\":\"hazards\",\"project\":\"p\",\"base_url\":\"%s\",\"max_accepted_calls\":20000,\"total_timeout\":300,"
           "\"credentials\":{\"token\":\"t\"}}",
           base_url);
  (void)cognite_client_load(text, strlen(text), &made, &err);
  CHECK_(made != NULL, cognite_error_message(err));
  cognite_error_free(err);
  return made;
}

static inline cognite_client *host_client(int port) {
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
  return host_client_at(url);
}

static inline cognite_status host_get(cognite_client *client, const char *url) {
  cognite_response *response = NULL;
  cognite_status status = cognite_client_get(client, url, NULL, NULL, &response, NULL);
  cognite_response_free(response);
  return status;
}

static inline void host_set(const char *json) {
  cognite_error *err = NULL;
  (void)cognite_global_apply_settings(json, strlen(json), &err);
  CHECK_(err == NULL, cognite_error_message(err));
  cognite_error_free(err);
}

/* How the child ended within `ms`: its exit status, 1000 + signal, or -1: it did not end (and was killed). */
static inline int host_end(pid_t child, int ms) {
  int64_t end = host_now() + ms;
  int status;
  while (host_now() < end) {
    if (waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    host_pause(5);
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return -1;
}

static inline void host_ended(pid_t child, int ms, const char *what) {
  int end = host_end(child, ms);
  char detail[160];
  snprintf(detail, sizeof detail, "%s: ended with %d", what, end);
  CHECK_(end == 0, detail);
}

/* Threads of this process whose name begins with "cognite-", and of these the ones for which a signal is pending (0: any).
 * -1: cannot be told here. */
#include <dirent.h>
static inline int host_threads(int pending) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *task;
  int ours = 0;
  if (tasks == NULL) return -1;
  while ((task = readdir(tasks)) != NULL) {
    char path[300], line[256];
    int named = 0, has = pending == 0;
    unsigned long long mask;
    FILE *file;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
    file = fopen(path, "r");
    if (file == NULL) continue;
    while (fgets(line, sizeof line, file) != NULL) {
      if (strncmp(line, "Name:\tcognite-", 14) == 0) named = 1;
      if (pending != 0 && sscanf(line, "SigPnd: %llx", &mask) == 1) has = (int)(mask >> (pending - 1) & 1);
    }
    fclose(file);
    ours += named && has;
  }
  closedir(tasks);
  return ours;
}

#endif
