/* outbox.h - sends batches of datapoints in the background and forgets none before the service has confirmed it.
 *
 * A batch stays here until its callback said OK. One that failed in a way that may pass (retryable), or that may or may
 * not have been applied (in doubt), is sent again: writing the same datapoints twice is harmless, as a datapoint
 * replaces the one with the same time. Any other failure is final and reported. */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <cognite/cognite.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct batch;

struct outbox {
  cognite_client *client;
  const char *url;
  pthread_mutex_t lock; /* guards what follows, and the batches */
  pthread_cond_t changed;
  struct batch *first, *last;
  size_t in_flight;       /* submitted, callback still to come */
  size_t waiting;         /* to be submitted, for the first time or again */
  size_t points_written;  /* confirmed */
  size_t points_rejected; /* failed for good */
  size_t sent_again;
};

void outbox_init(struct outbox *outbox, cognite_client *client, const char *url);

/* Takes over `json` (from malloc). 0: out of memory. */
int outbox_put(struct outbox *outbox, char *json, size_t length, size_t points);

/* Submits what is due and forgets what is done; never waits. Call it now and then, from one thread. */
void outbox_pump(struct outbox *outbox);

/* Pumps until every batch is settled, or `timeout_ms` have passed. 1: all settled. */
int outbox_wait(struct outbox *outbox, int64_t timeout_ms);

/* Only when no callback can come any more: after outbox_wait() gave 1, or after cognite_shutdown(). */
void outbox_destroy(struct outbox *outbox);

#endif
