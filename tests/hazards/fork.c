/* fork.c - fork before first use, with calls under way, from another thread while calls run, and after a shutdown: children
 * end, with an error instead of a hang, and the parent goes on. */
#define _DEFAULT_SOURCE
#include "host.h"

static struct host_server server;

/* What the library sees: processes of two namespaces may have the same number. */
pid_t getpid(void) { return 1; }

static int works(void) {
  cognite_client *client = host_client(server.port);
  cognite_status status = host_get(client, "/ok");
  cognite_client_free(client);
  return status == COGNITE_OK && cognite_shutdown(NULL) == COGNITE_OK;
}

static pid_t child_that_works(void) {
  pid_t child;
  fflush(NULL);
  child = fork();
  if (child == 0) exit(works() && check_failed == 0 ? 0 : 1);
  return child;
}

static cognite_client *inherited;
static cognite_queue *inherited_queue;
static cognite_cancel *inherited_cancel;
static int caller_stop, caller_calls;

/* Everything one can do with what was inherited; exit status 0: every fallible call said FORKED. */
static void child_that_must_not(void) {
  cognite_response *response = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_queue *fresh = NULL;
  int bad = 0;
  alarm(10);
  notify.queue = inherited_queue;
  if (cognite_client_get(inherited, "/ok", NULL, NULL, &response, NULL) != COGNITE_ERR_FORKED) bad |= 1;
  if (cognite_client_get_async(inherited, "/ok", NULL, NULL, &notify, NULL) != COGNITE_ERR_FORKED) bad |= 2;
  if (cognite_queue_next(inherited_queue, -1, &done, NULL) != COGNITE_ERR_FORKED) bad |= 4;
  if (cognite_queue_new(0, &fresh, NULL) != COGNITE_ERR_FORKED) bad |= 8;
  if (cognite_shutdown(NULL) != COGNITE_ERR_FORKED) bad |= 16;
  if (cognite_queue_os_handle(inherited_queue) != -1) bad |= 32;
  cognite_cancel_trigger(inherited_cancel);
  cognite_cancel_free(inherited_cancel);
  cognite_queue_close(inherited_queue);
  cognite_queue_free(inherited_queue);
  cognite_client_free(inherited);
  exit(bad == 0 ? 0 : 64 + bad); /* with exit handlers */
}

static void *calls(void *unused) {
  while (!__atomic_load_n(&caller_stop, __ATOMIC_SEQ_CST)) {
    if (host_get(inherited, "/ok") == COGNITE_OK) __atomic_add_fetch(&caller_calls, 1, __ATOMIC_SEQ_CST);
  }
  return unused;
}

int main(void) {
  int i, rounds = host_long() ? 100 : 20, told = 0;
  pthread_t threads[4];
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  host_start(&server);
  host_ended(child_that_works(), 20000, "forked before first use");

  inherited = host_client(server.port);
  inherited_cancel = cognite_cancel_new();
  CHECK_STATUS(cognite_queue_new(0, &inherited_queue, NULL), COGNITE_OK);
  notify.queue = inherited_queue;
  request.method = "GET";
  request.url = "/hang";
  request.cancel = inherited_cancel;
  for (i = 0; i < 50; i++) CHECK_STATUS(cognite_client_call_async(inherited, &request, &notify, NULL), COGNITE_OK);
  for (i = 0; i < 2; i++) {
    pid_t child;
    fflush(NULL);
    child = fork();
    if (child == 0) child_that_must_not();
    host_ended(child, 20000, "forked with 50 calls under way");
  }
  CHECK(!cognite_cancel_is_triggered(inherited_cancel)); /* the child's was its own */
  cognite_cancel_trigger(inherited_cancel);
  for (i = 0; i < 50; i++)
    if (cognite_queue_next(inherited_queue, 20000, &done, NULL) == COGNITE_OK) {
      told += done.status == COGNITE_ERR_CANCELLED;
      cognite_error_free(done.error);
      cognite_response_free(done.response);
    }
  CHECK(told == 50);

  /* Locks of the library are likely to be held at the moment of the fork. */
  for (i = 0; i < 4; i++) pthread_create(&threads[i], NULL, calls, NULL);
  for (i = 0; i < rounds; i++) {
    pid_t child;
    host_pause(i % 7);
    fflush(NULL);
    child = fork();
    if (child == 0) child_that_must_not();
    host_ended(child, 20000, "forked during calls");
  }
  host_pause(100);
  __atomic_store_n(&caller_stop, 1, __ATOMIC_SEQ_CST);
  for (i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  CHECK(caller_calls > 0);
  CHECK_STATUS(host_get(inherited, "/ok"), COGNITE_OK);

  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  host_ended(child_that_works(), 20000, "forked after shutdown");
  CHECK_STATUS(host_get(inherited, "/ok"), COGNITE_OK);
  printf("fork: %d children of a busy parent, %d calls beside them\n", rounds + 2, caller_calls);
  cognite_cancel_free(inherited_cancel);
  cognite_queue_free(inherited_queue);
  cognite_client_free(inherited);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  host_stop(&server);
  return REPORT();
}
