/* sigpipe.c - a thousand uploads to a server that resets the connection, with SIGPIPE at its default: the process lives, and
 * no SIGPIPE was raised, neither on this thread, which does the I/O of its blocking calls, nor on the library's.
 *
 *   sigpipe            plain, against a server of its own
 *   sigpipe URL N      N uploads to a server that is there already (TLS: `cargo xtask hazards` starts one) */
#define _DEFAULT_SOURCE
#include "host.h"

/* The same by hand, with the signal blocked: 1 if it was raised. Without that this test would show nothing. */
static int raises(int port) {
  static const char head[] = "POST /reset HTTP/1.1\r\nHost: h\r\nContent-Length: 3145728\r\n\r\n", zeros[65536];
  struct sockaddr_in address;
  struct timespec at_once = {0, 0};
  sigset_t pipes, before;
  ssize_t n;
  int fd = socket(AF_INET, SOCK_STREAM, 0), i;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sigemptyset(&pipes);
  sigaddset(&pipes, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipes, &before);
  n = fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ? -1 : write(fd, head, sizeof head - 1);
  for (i = 0; i < 1000 && n >= 0; i++) n = write(fd, zeros, sizeof zeros);
  n = write(fd, zeros, sizeof zeros); /* an RST is told once; then it is a pipe without an end */
  close(fd);
  i = sigtimedwait(&pipes, NULL, &at_once) == SIGPIPE;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return i && n < 0;
}

int main(int argc, char **argv) {
  int calls = argc > 2 ? atoi(argv[2]) : 1000, i, broken = 0, other = 0, by_hand = 0;
  size_t size = 3u << 20;
  char *body = calloc(1, size);
  static struct host_server server;
  struct sigaction before, after;
  cognite_client *client;
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_queue *queue = NULL;
  signal(SIGPIPE, SIG_DFL);
  sigaction(SIGPIPE, NULL, &before);
  if (argc < 2) host_start(&server);
  host_set("{\"max_retries\":0,\"max_retries_connect\":0,\"disable_ssl\":true}");
  client = argc > 1 ? host_client_at(argv[1]) : host_client(server.port);
  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  request.method = "POST";
  request.url = "/reset";
  request.body = body;
  request.body_len = size;
  request.content_type = "application/octet-stream";
  for (i = 0; i < calls; i++) {
    cognite_response *response = NULL;
    cognite_error *err = NULL;
    cognite_status status;
    if (i % 2 == 0) {
      status = cognite_client_call(client, &request, &response, &err);
    } else {
      cognite_completion done = COGNITE_COMPLETION_INIT;
      CHECK_STATUS(cognite_client_call_async(client, &request, &notify, NULL), COGNITE_OK);
      CHECK_STATUS(cognite_queue_next(queue, -1, &done, NULL), COGNITE_OK);
      status = done.status;
      response = done.response;
      err = done.error;
    }
    if (status == COGNITE_ERR_CONNECTION && cognite_error_in_doubt(err)) broken++;
    else if (other++ < 5) fprintf(stderr, "sigpipe: %s: %s\n", cognite_status_name(status), cognite_error_message(err));
    cognite_response_free(response);
    cognite_error_free(err);
  }
  CHECK(broken == calls && calls > 0);
  CHECK(host_threads(SIGPIPE) == 0); /* nor is it pending anywhere, where the library blocks it */
  if (argc < 2) {
    for (i = 0; i < 3; i++) by_hand += raises(server.port); /* the server breaks in three ways */
    CHECK(by_hand > 0);
    CHECK(__atomic_load_n(&server.resets, __ATOMIC_SEQ_CST) == calls + 3);
  }
  sigaction(SIGPIPE, NULL, &after);
  CHECK(after.sa_handler == SIG_DFL && before.sa_handler == SIG_DFL);
  printf("sigpipe: %d broken uploads survived\n", broken);
  cognite_queue_free(queue);
  cognite_client_free(client);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  if (argc < 2) host_stop(&server);
  free(body);
  return REPORT();
}
