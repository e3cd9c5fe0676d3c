/* queue.c - an event loop: forty requests, finished calls fetched from a queue whose handle poll() waits on, beside the
 * program's own descriptors. No thread of the library runs our code; the rest is cancelled when the time is up.
 *
 *   cc -std=c99 queue.c example.c -o queue $(pkg-config --cflags --libs cognite)
 *   ./queue                         (the connection comes from COGNITE_* variables, see example.h)
 *
 * The rule to remember: the handle is readable exactly while cognite_queue_next() has something to say. Never read it. */
#define _POSIX_C_SOURCE 200809L
#include "example.h"
#include <poll.h>
#include <stdio.h>

enum { CALLS = 40, AT_A_TIME = 8, PATIENCE_MS = 30000 };

static int pending = 0, answered = 0, failed = 0;

/* Asks for `number` + 1 assets. The tag comes back with the completion: it names the call. */
static int submit(cognite_client *client, cognite_queue *queue, cognite_cancel *cancel, int number) {
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_error *error = NULL;
  char url[256], params[64];
  example_url(url, sizeof url, "/assets");
  snprintf(params, sizeof params, "{\"limit\": %d}", number + 1);
  request.method = "GET";
  request.url = url;
  request.params = params;
  request.cancel = cancel;
  notify.queue = queue;
  notify.tag = (uint64_t)number;
  if (cognite_client_call_async(client, &request, &notify, &error) != COGNITE_OK) return example_fail("queue", error);
  pending++;
  return 0;
}

static void report(const cognite_completion *done) {
  size_t length = 0;
  if (done->status == COGNITE_OK) {
    cognite_response_body(done->response, &length);
    printf("call %2lu: HTTP %d, %lu bytes\n", (unsigned long)done->tag, (int)cognite_response_http_status(done->response),
           (unsigned long)length);
    answered++;
  } else {
    printf("call %2lu failed: %s\n", (unsigned long)done->tag, cognite_error_message(done->error));
    failed++;
  }
  pending--;
  cognite_response_free(done->response); /* ours; one of the two is NULL */
  cognite_error_free(done->error);
}

int main(void) {
  cognite_client *client = example_client("queue");
  cognite_queue *queue = NULL;
  cognite_cancel *cancel = cognite_cancel_new();
  cognite_error *error = NULL;
  int next = 0;

  if (client == NULL) return 1;
  if (cognite_queue_new(0, &queue, &error) != COGNITE_OK) return example_fail("queue", error);

  while (next < CALLS || pending > 0) {
    struct pollfd ready[1]; /* a program has its own descriptors here as well */
    cognite_completion done = COGNITE_COMPLETION_INIT;
    while (next < CALLS && pending < AT_A_TIME)
      if (submit(client, queue, cancel, next++) != 0) return 1;
    ready[0].fd = (int)cognite_queue_os_handle(queue);
    ready[0].events = POLLIN;
    if (poll(ready, 1, PATIENCE_MS) == 0) {
      next = CALLS;
      cognite_cancel_trigger(cancel); /* those under way are told too: CANCELLED */
    }
    while (cognite_queue_next(queue, 0, &done, NULL) == COGNITE_OK) report(&done);
  }

  cognite_cancel_free(cancel);
  cognite_queue_free(queue);
  cognite_client_free(client);
  if (cognite_shutdown(&error) != COGNITE_OK) return example_fail("queue: shutdown", error);
  printf("queue: %d calls, %d answered, %d failed\n", CALLS, answered, failed);
  return answered == CALLS ? 0 : 1;
}
