/* server.h - a TCP server of the tests, on a thread of this process, that answers what a test tells it to. One connection at
 * a time, one request per connection. Not an HTTP server: it sends any bytes, or none, or breaks the connection. */
#ifndef SERVER_H
#define SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SERVER_ROOM = 1 << 20 };

struct server;
/* Has got the head of a request in server->head; may read on, answers. The caller closes `fd`. */
typedef void (*server_answer)(struct server *server, int fd);

struct server {
  int listener, port;
  pthread_t thread;
  char *in; /* what server_read reads into; SERVER_ROOM bytes */
  pthread_mutex_t lock; /* guards what follows */
  server_answer answer;
  int stop; /* see server_stopping */
  int requests;       /* heads received */
  int authorized;     /* ... that had an Authorization header */
  char head[16384];   /* of the newest request, NUL-terminated */
};

/* Told to end, without the lock. */
static inline int server_stopping(struct server *server) { return __atomic_load_n(&server->stop, __ATOMIC_SEQ_CST); }

static inline int64_t server_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void server_pause_ms(int ms) {
  struct timespec wait;
  wait.tv_sec = ms / 1000;
  wait.tv_nsec = (long)(ms % 1000) * 1000000;
  nanosleep(&wait, NULL);
}

/* 1: all sent. The client may go away at any time; that must not kill the test. */
static inline int server_send(int fd, const void *data, size_t length) {
  const char *p = data;
  while (length > 0) {
    ssize_t n = send(fd, p, length, MSG_NOSIGNAL);
    if (n <= 0) return 0;
    p += n;
    length -= (size_t)n;
  }
  return 1;
}

static inline int server_text(int fd, const char *text) { return server_send(fd, text, strlen(text)); }

/* A whole answer. `headers`: further lines, each ended by \r\n. */
static inline void server_reply(int fd, const char *status, const char *headers, const void *body, size_t length) {
  char head[1024];
  snprintf(head, sizeof head, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %lu\r\n%s\r\n", status,
           (unsigned long)length, headers);
  if (server_text(fd, head)) server_send(fd, body, length);
}

/* Closing then sends RST instead of FIN. */
static inline void server_reset(int fd) {
  struct linger linger = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* Waits until the client has closed, the server is to stop, or `ms` have passed. */
static inline void server_hold(struct server *server, int fd, int ms) {
  int64_t end = server_now_ms() + ms;
  char waste[4096];
  while (!server_stopping(server) && server_now_ms() < end) {
    struct pollfd wait = {fd, POLLIN, 0};
    if (poll(&wait, 1, 20) > 0 && recv(fd, waste, sizeof waste, 0) <= 0) return;
  }
}

/* 0: the client sent no complete head. Reads the body too when it has a Content-Length of at most `max_body`. */
static inline int server_read(struct server *server, int fd, size_t max_body) {
  char *in = server->in;
  size_t used = 0, body = 0, head;
  const char *end = NULL, *p;
  int authorized;
  while (end == NULL) {
    struct pollfd wait = {fd, POLLIN, 0};
    ssize_t n;
    if (server_stopping(server) || used == SERVER_ROOM - 1) return 0;
    if (poll(&wait, 1, 50) <= 0) continue;
    n = recv(fd, in + used, SERVER_ROOM - 1 - used, 0);
    if (n <= 0) return 0;
    used += (size_t)n;
    in[used] = '\0';
    end = strstr(in, "\r\n\r\n");
  }
  head = (size_t)(end - in) + 2;
  p = strstr(in, "\r\ncontent-length: ");
  if (p == NULL) p = strstr(in, "\r\nContent-Length: ");
  if (p != NULL && p < end) body = strtoul(p + 18, NULL, 10);
  p = strstr(in, "\r\nauthorization:");
  if (p == NULL) p = strstr(in, "\r\nAuthorization:");
  authorized = p != NULL && p < end;

  pthread_mutex_lock(&server->lock);
  server->requests++;
  server->authorized += authorized;
  if (head >= sizeof server->head) head = sizeof server->head - 1;
  memcpy(server->head, in, head);
  server->head[head] = '\0';
  pthread_mutex_unlock(&server->lock);

  used -= (size_t)(end - in) + 4;
  while (body <= max_body && used < body) {
    ssize_t n = recv(fd, in, SERVER_ROOM, 0);
    if (n <= 0) return 0;
    used += (size_t)n;
  }
  return 1;
}

static inline void *server_run(void *argument) {
  struct server *server = argument;
  while (!server_stopping(server)) {
    struct pollfd wait = {server->listener, POLLIN, 0};
    int fd;
    if (poll(&wait, 1, 20) <= 0 || (fd = accept(server->listener, NULL, NULL)) < 0) continue;
    if (server_read(server, fd, 1u << 20)) {
      server_answer answer;
      pthread_mutex_lock(&server->lock);
      answer = server->answer;
      pthread_mutex_unlock(&server->lock);
      answer(server, fd);
    }
    close(fd);
  }
  return NULL;
}

/* Listens on a free port of 127.0.0.1. Ends the program when that fails: nothing can be tested then. */
static inline void server_start(struct server *server, server_answer answer) {
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  memset(server, 0, sizeof *server);
  memset(&address, 0, sizeof address);
  server->answer = answer;
  pthread_mutex_init(&server->lock, NULL);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server->in = (char *)malloc(SERVER_ROOM);
  server->listener = socket(AF_INET, SOCK_STREAM, 0);
  if (server->in == NULL || server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(server->listener, 128) != 0 || getsockname(server->listener, (struct sockaddr *)&address, &length) != 0 ||
      pthread_create(&server->thread, NULL, server_run, server) != 0) {
    perror("test server");
    exit(1);
  }
  server->port = ntohs(address.sin_port);
}

static inline void server_set(struct server *server, server_answer answer) {
  pthread_mutex_lock(&server->lock);
  server->answer = answer;
  server->requests = server->authorized = 0;
  server->head[0] = '\0';
  pthread_mutex_unlock(&server->lock);
}

static inline int server_count(struct server *server, int *authorized) {
  int requests;
  pthread_mutex_lock(&server->lock);
  requests = server->requests;
  if (authorized != NULL) *authorized = server->authorized;
  pthread_mutex_unlock(&server->lock);
  return requests;
}

static inline void server_stop(struct server *server) {
  __atomic_store_n(&server->stop, 1, __ATOMIC_SEQ_CST);
  pthread_join(server->thread, NULL);
  close(server->listener);
  free(server->in);
  pthread_mutex_destroy(&server->lock);
}

#endif
