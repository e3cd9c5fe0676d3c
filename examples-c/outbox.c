/* outbox.c - see outbox.h. */
#define _POSIX_C_SOURCE 200809L
#include "outbox.h"
#include "signals.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_IN_FLIGHT = 8, MAX_PAUSE_MS = 10000 };
enum state { WAITING, IN_FLIGHT, SETTLED };

struct batch {
  struct batch *next;
  struct outbox *outbox;
  char *json;
  size_t length, points;
  enum state state;
  unsigned attempts;
  int64_t not_before; /* do not submit earlier */
};

void outbox_init(struct outbox *outbox, cognite_client *client, const char *url) {
  memset(outbox, 0, sizeof *outbox);
  outbox->client = client;
  outbox->url = url;
  pthread_mutex_init(&outbox->lock, NULL);
  pthread_cond_init(&outbox->changed, NULL);
}

int outbox_put(struct outbox *outbox, char *json, size_t length, size_t points) {
  struct batch *batch = calloc(1, sizeof *batch);
  if (batch == NULL) {
    free(json);
    return 0;
  }
  batch->outbox = outbox;
  batch->json = json;
  batch->length = length;
  batch->points = points;
  pthread_mutex_lock(&outbox->lock);
  if (outbox->last != NULL)
    outbox->last->next = batch;
  else
    outbox->first = batch;
  outbox->last = batch;
  outbox->waiting++;
  pthread_mutex_unlock(&outbox->lock);
  return 1;
}

/* A failed batch: again later, or given up. The lock is held. */
static void after_failure(struct batch *batch, const cognite_error *error) {
  struct outbox *outbox = batch->outbox;
  int again = cognite_error_is_retryable(error) || cognite_error_in_doubt(error);
  int64_t pause = (int64_t)cognite_error_retry_after_ms(error), own = 200;
  unsigned i;

  fprintf(stderr, "historian: a batch of %lu datapoints failed (%s), %s\n", (unsigned long)batch->points,
          cognite_error_message(error), again ? "it will be sent again" : "given up");
  if (!again) {
    batch->state = SETTLED;
    outbox->points_rejected += batch->points;
    return;
  }
  for (i = 1; i < batch->attempts && own < MAX_PAUSE_MS; i++) own *= 2;
  if (pause < own) pause = own; /* what the service asks for, or longer and longer */
  batch->not_before = now_ms() + pause;
  batch->state = WAITING;
  outbox->waiting++;
  outbox->sent_again++;
}

/* On a callback thread of the library. */
static void on_done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  struct batch *batch = user_data;
  struct outbox *outbox = batch->outbox;

  pthread_mutex_lock(&outbox->lock);
  outbox->in_flight--;
  if (status == COGNITE_OK) {
    batch->state = SETTLED;
    outbox->points_written += batch->points;
  } else {
    after_failure(batch, error);
  }
  pthread_cond_signal(&outbox->changed);
  pthread_mutex_unlock(&outbox->lock);
  cognite_response_free(response);
  cognite_error_free(error);
}

/* The lock is held on entry and exit, but not while the library is called. */
static void submit(struct outbox *outbox, struct batch *batch) {
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_error *error = NULL;
  cognite_status status;

  notify.done = on_done;
  notify.user_data = batch;
  batch->state = IN_FLIGHT;
  batch->attempts++;
  outbox->waiting--;
  outbox->in_flight++;
  pthread_mutex_unlock(&outbox->lock);
  status = cognite_client_post_async(outbox->client, outbox->url, batch->json, batch->length, NULL, NULL, &notify, &error);
  pthread_mutex_lock(&outbox->lock);
  if (status != COGNITE_OK) { /* refused: the callback will not come */
    outbox->in_flight--;
    after_failure(batch, error);
    cognite_error_free(error);
  }
}

void outbox_pump(struct outbox *outbox) {
  struct batch *batch;
  int64_t now = now_ms();

  pthread_mutex_lock(&outbox->lock);
  for (batch = outbox->first; batch != NULL && outbox->in_flight < MAX_IN_FLIGHT; batch = batch->next)
    if (batch->state == WAITING && batch->not_before <= now) submit(outbox, batch);
  while ((batch = outbox->first) != NULL && batch->state == SETTLED) {
    outbox->first = batch->next;
    if (outbox->first == NULL) outbox->last = NULL;
    free(batch->json);
    free(batch);
  }
  pthread_mutex_unlock(&outbox->lock);
}

int outbox_wait(struct outbox *outbox, int64_t timeout_ms) {
  int64_t end = now_ms() + timeout_ms;
  int settled = 0;

  while (!settled && now_ms() < end) {
    int64_t until = now_ms() + 50;
    struct timespec wake;
    wake.tv_sec = (time_t)(until / 1000);
    wake.tv_nsec = (long)(until % 1000) * 1000000;
    outbox_pump(outbox);
    pthread_mutex_lock(&outbox->lock);
    if (outbox->in_flight > 0 || outbox->waiting > 0) pthread_cond_timedwait(&outbox->changed, &outbox->lock, &wake);
    settled = outbox->in_flight == 0 && outbox->waiting == 0;
    pthread_mutex_unlock(&outbox->lock);
  }
  outbox_pump(outbox);
  return settled;
}

void outbox_destroy(struct outbox *outbox) {
  while (outbox->first != NULL) {
    struct batch *next = outbox->first->next;
    free(outbox->first->json);
    free(outbox->first);
    outbox->first = next;
  }
  pthread_cond_destroy(&outbox->changed);
  pthread_mutex_destroy(&outbox->lock);
}
