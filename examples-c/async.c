/* async.c - twenty requests in flight at once, told by callback; the main thread waits for all of them.
 *
 *   cc -std=c99 async.c example.c -o async $(pkg-config --cflags --libs cognite) -lpthread
 *   ./async                         (the connection comes from COGNITE_* variables, see example.h)
 *
 * The rule to remember: when an _async function returns COGNITE_OK its callback is called exactly once, later, on a
 * thread of the library. When it returns anything else the callback is never called. So counting is enough. */
#define _POSIX_C_SOURCE 200809L
#include "example.h"
#include <pthread.h>
#include <stdio.h>

enum { CALLS = 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int pending = 0, arrived = 0, failed = 0; /* guarded by lock */

struct call {
  int number;
};

/* On a callback thread. Response and error are ours to free; one of them is NULL, and freeing NULL is fine. */
static void on_done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  const struct call *call = user_data;
  size_t length = 0;

  pthread_mutex_lock(&lock);
  arrived++;
  if (status == COGNITE_OK) {
    cognite_response_body(response, &length);
    printf("arrival %2d: call %2d, HTTP %d, %lu bytes, %.1f ms\n", arrived, call->number,
           (int)cognite_response_http_status(response), (unsigned long)length,
           (double)cognite_response_elapsed_us(response) / 1000.0);
  } else {
    failed++;
    printf("arrival %2d: call %2d failed: %s\n", arrived, call->number, cognite_error_message(error));
  }
  pending--;
  pthread_cond_signal(&changed);
  pthread_mutex_unlock(&lock);

  cognite_response_free(response);
  cognite_error_free(error);
}

int main(void) {
  static struct call calls[CALLS]; /* outlives every callback */
  cognite_client *client = example_client("async");
  cognite_error *error = NULL;
  char url[256], params[64];
  int i, refused = 0;

  if (client == NULL) return 1;
  example_url(url, sizeof url, "/assets");
  for (i = 0; i < CALLS; i++) {
    cognite_notify notify = COGNITE_NOTIFY_INIT;
    calls[i].number = i + 1;
    notify.done = on_done;
    notify.user_data = &calls[i];
    snprintf(params, sizeof params, "{\"limit\": %d}", i + 1);

    pthread_mutex_lock(&lock);
    pending++; /* before the call: the answer may come before it returns */
    pthread_mutex_unlock(&lock);
    /* url, params and notify are copied: they may change or vanish as soon as this returns. */
    if (cognite_client_get_async(client, url, params, NULL, &notify, &error) != COGNITE_OK) {
      pthread_mutex_lock(&lock);
      pending--; /* refused: nobody will tell us */
      pthread_mutex_unlock(&lock);
      refused++;
      example_fail("async", error);
    }
  }

  pthread_mutex_lock(&lock);
  while (pending > 0) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);

  cognite_client_free(client);
  /* Optional before the end of a program; needed before unloading the library. Afterwards no thread of it exists. */
  if (cognite_shutdown(&error) != COGNITE_OK) return example_fail("async: shutdown", error);
  printf("async: %d calls, %d answered, %d failed, %d refused\n", CALLS, arrived - failed, failed, refused);
  return arrived - failed == CALLS ? 0 : 1;
}
