/* mixed.c - ten thousand calls that finish, are cancelled, time out, panic, call back in, or are pending at a shutdown,
 * told to callbacks and to a queue: each exactly once, with a status that fits. Needs the library built with the feature
 * `testing`. */
#define _DEFAULT_SOURCE
#include "host.h"

cognite_status cognite_testing_panic(uint32_t place, const cognite_notify *notify, cognite_error **err);

enum { CALLS = 10000, KINDS = 6 };
enum kind { OK, SLOW_THEN_CANCELLED, HANG_TIMES_OUT, PANICS, CALLS_IN, PENDING };

static struct host_server server;
static cognite_client *client;
static cognite_queue *queue;
static struct call {
  int accepted, told, kind, odd;
  cognite_status status;
} calls[CALLS];
static int told_total, back_in, on_library_thread = 1;

static void tell(struct call *call, cognite_status status, cognite_response *response, cognite_error *error) {
  if (status == COGNITE_OK ? response == NULL || error != NULL : response != NULL || cognite_error_status(error) != status)
    call->odd = 1;
  call->status = status;
  __atomic_add_fetch(&call->told, 1, __ATOMIC_SEQ_CST);
  __atomic_add_fetch(&told_total, 1, __ATOMIC_SEQ_CST);
  cognite_response_free(response);
  cognite_error_free(error);
}

static pthread_t submitter;
static void on_done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  struct call *call = user_data;
  if (pthread_equal(pthread_self(), submitter)) on_library_thread = 0;
  if (call->kind == CALLS_IN && status == COGNITE_OK) {
    cognite_completion done = COGNITE_COMPLETION_INIT;
    /* A blocking call in a callback; what would wait for itself is refused. */
    if (host_get(client, "/ok") == COGNITE_OK && cognite_shutdown(NULL) == COGNITE_ERR_WOULD_DEADLOCK &&
        cognite_queue_next(queue, -1, &done, NULL) == COGNITE_ERR_WOULD_DEADLOCK)
      __atomic_add_fetch(&back_in, 1, __ATOMIC_SEQ_CST);
  }
  tell(call, status, response, error);
}

static void *drain(void *unused) {
  cognite_completion done = COGNITE_COMPLETION_INIT;
  struct pollfd wait = {(int)cognite_queue_os_handle(queue), POLLIN, 0};
  cognite_status status;
  do {
    poll(&wait, 1, -1);
    while ((status = cognite_queue_next(queue, 0, &done, NULL)) == COGNITE_OK)
      tell(&calls[done.tag], done.status, done.response, done.error);
  } while (status == COGNITE_ERR_EMPTY);
  return unused;
}

static int fits(const struct call *call) {
  cognite_status s = call->status;
  if (s == COGNITE_ERR_SHUTDOWN) return 1; /* anything may be pending then */
  switch (call->kind) {
    case OK:
    case CALLS_IN: return s == COGNITE_OK;
    case SLOW_THEN_CANCELLED: return s == COGNITE_OK || s == COGNITE_ERR_CANCELLED; /* the result may have won */
    case HANG_TIMES_OUT: return s == COGNITE_ERR_TIMEOUT;
    case PANICS: return s == COGNITE_ERR_INTERNAL;
    default: return 0; /* pending: only a shutdown ends it */
  }
}

int main(void) {
  cognite_cancel *cancel = NULL;
  pthread_t drainer;
  int i, kind, seen[KINDS][100], once = 0, wrong = 0, accepted = 0;
  cognite_error *err = NULL;
  memset(seen, 0, sizeof seen);
  submitter = pthread_self();
  host_start(&server);
  host_set("{\"max_connection_pool_size\":64}");
  client = host_client(server.port);
  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  pthread_create(&drainer, NULL, drain, NULL);

  /* Defects in a call and in the task of a blocking call; one whose payload is a defect too. */
  CHECK_STATUS(cognite_testing_panic(0, NULL, &err), COGNITE_ERR_INTERNAL);
  CHECK_CONTAINS(cognite_error_message(err), "testing.rs:");
  CHECK_LACKS(cognite_error_message(err), "in a call"); /* the text of a panic may hold anything */
  cognite_error_free(err);
  CHECK_STATUS(cognite_testing_panic(1, NULL, NULL), COGNITE_ERR_INTERNAL);
  CHECK_STATUS(cognite_testing_panic(4, NULL, NULL), COGNITE_ERR_INTERNAL);

  for (i = 0; i < CALLS; i++) {
    cognite_notify notify = COGNITE_NOTIFY_INIT;
    cognite_request request = COGNITE_REQUEST_INIT;
    cognite_status status;
    /* The last thousand are pending; before that mostly quick ones, as one that hangs takes a connection. */
    kind = i >= CALLS - 1000 ? PENDING : i % 20 == 3 ? SLOW_THEN_CANCELLED : i % 50 == 7 ? HANG_TIMES_OUT : i % 10 == 1 ? PANICS
           : i % 40 == 12 ? CALLS_IN : OK;
    calls[i].kind = kind;
    if (kind != CALLS_IN && i % 2 == 0) {
      notify.queue = queue;
      notify.tag = (uint64_t)i;
    } else {
      notify.done = on_done;
      notify.user_data = &calls[i];
    }
    request.method = i % 3 == 0 ? "POST" : "GET";
    request.body = i % 3 == 0 ? "{}" : NULL;
    request.body_len = i % 3 == 0 ? 2 : 0;
    request.url = kind == SLOW_THEN_CANCELLED ? "/slow" : kind == HANG_TIMES_OUT || kind == PENDING ? "/hang" : "/ok";
    if (kind == HANG_TIMES_OUT) request.timeout_ms = 1 + (uint64_t)(i % 40);
    if (kind == SLOW_THEN_CANCELLED) {
      if (i % 100 == 3) {
        cognite_cancel_trigger(cancel);
        cognite_cancel_free(cancel);
        cancel = cognite_cancel_new();
      }
      request.cancel = cancel;
    }
    status = kind == PANICS ? cognite_testing_panic(2, &notify, NULL) : cognite_client_call_async(client, &request, &notify, NULL);
    calls[i].accepted = status == COGNITE_OK;
    accepted += calls[i].accepted;
    if (i % 500 == 250) CHECK_STATUS(cognite_testing_panic(3, NULL, NULL), COGNITE_OK); /* a callback that panics */
    if (i == CALLS - 1001) { /* all that can end has ended before the pending ones come */
      int64_t end = host_now() + 240000;
      cognite_cancel_trigger(cancel);
      while (__atomic_load_n(&told_total, __ATOMIC_SEQ_CST) < accepted && host_now() < end) host_pause(10);
      CHECK(told_total == accepted);
    }
  }
  CHECK(accepted == CALLS);
  host_pause(50);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  cognite_queue_close(queue);
  pthread_join(drainer, NULL);
  host_pause(100); /* a second telling would come now */

  for (i = 0; i < CALLS; i++) {
    const struct call *call = &calls[i];
    once += call->told == 1 && !call->odd;
    wrong += !fits(call);
    if (call->status >= 0 && call->status < 100) seen[call->kind][call->status]++;
  }
  CHECK(once == CALLS);
  CHECK(told_total == CALLS);
  CHECK(wrong == 0);
  CHECK(on_library_thread);
  /* Every kind did happen. */
  CHECK(seen[OK][COGNITE_OK] > 1000 && seen[SLOW_THEN_CANCELLED][COGNITE_ERR_CANCELLED] > 50);
  CHECK(seen[HANG_TIMES_OUT][COGNITE_ERR_TIMEOUT] > 50 && seen[PANICS][COGNITE_ERR_INTERNAL] > 500);
  CHECK(seen[PENDING][COGNITE_ERR_SHUTDOWN] == 1000 && back_in > 100);
  printf("mixed: %d calls told once: %d answered, %d cancelled, %d timed out, %d panicked, %d shut down, %d called back in\n", once,
         seen[OK][0] + seen[CALLS_IN][0], seen[SLOW_THEN_CANCELLED][COGNITE_ERR_CANCELLED],
         seen[HANG_TIMES_OUT][COGNITE_ERR_TIMEOUT], seen[PANICS][COGNITE_ERR_INTERNAL], seen[PENDING][COGNITE_ERR_SHUTDOWN], back_in);
  cognite_cancel_free(cancel);
  cognite_queue_free(queue);
  cognite_client_free(client);
  host_stop(&server);
  return REPORT();
}
