/* test_queue.c - completion queues: told exactly once, a handle that is readable exactly while there is something, many
 * producers and consumers, limits, close, free, and callers with the structs of an older header. */
#define _DEFAULT_SOURCE
#include "check.h"
#include "server.h"
#include <stddef.h>

#define URL "/api/v1/projects/p/assets"
enum { MANY = 600 };

static struct server server;

static void a_ok(struct server *s, int fd) {
  (void)s;
  server_reply(fd, "200 OK", "", "{\"items\":[]}", 12);
}
static void a_silent(struct server *s, int fd) { server_hold(s, fd, 20000); }
static void a_refuse(struct server *s, int fd) {
  (void)s;
  server_reply(fd, "400 Bad Request", "", "{\"error\":{\"code\":400,\"message\":\"no\"}}", 37);
}

static cognite_client *make_client(const char *more) {
  char text[512];
  cognite_client *made = NULL;
  cognite_error *err = NULL;
  snprintf(text, sizeof text,
           "{\"client_name\":\"queue\",\"project\":\"p\",\"base_url\":\"http://127.0.0.1:%d\"%s,\"credentials\":{\"token\":\"t\"}}",
           server.port, more);
  cognite_client_load(text, strlen(text), &made, &err);
  CHECK_(made != NULL, cognite_error_message(err));
  cognite_error_free(err);
  return made;
}

static cognite_queue *make_queue(uint64_t limit) {
  cognite_queue *queue = NULL;
  CHECK_STATUS(cognite_queue_new(limit, &queue, NULL), COGNITE_OK);
  return queue;
}

static cognite_status submit(cognite_client *client, cognite_queue *queue, uint64_t tag) {
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  notify.queue = queue;
  notify.tag = tag;
  return cognite_client_get_async(client, URL, NULL, NULL, &notify, NULL);
}

static int readable(cognite_queue *queue) {
  struct pollfd wait = {(int)cognite_queue_os_handle(queue), POLLIN, 0};
  return poll(&wait, 1, 0) == 1;
}

static void drop(cognite_completion *done) {
  cognite_response_free(done->response);
  cognite_error_free(done->error);
}

/* A number of cognite_process_usage(). */
static long usage(const char *name) {
  cognite_response *response = NULL;
  const char *found;
  long number = -1;
  char key[64];
  CHECK_STATUS(cognite_process_usage(&response, NULL), COGNITE_OK);
  snprintf(key, sizeof key, "\"%s\":", name);
  found = strstr(cognite_response_body(response, NULL), key);
  if (CHECK_(found != NULL, name)) number = strtol(found + strlen(key), NULL, 10);
  cognite_response_free(response);
  return number;
}

static void one(cognite_client *client) {
  cognite_queue *queue = make_queue(0);
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_error *err = POISON(cognite_error);
  CHECK(!readable(queue));
  CHECK_STATUS(cognite_queue_next(queue, 0, &done, &err), COGNITE_ERR_EMPTY);
  CHECK_STATUS(cognite_error_status(err), COGNITE_ERR_EMPTY);
  cognite_error_free(err);
  done.response = POISON(cognite_response);
  CHECK_STATUS(cognite_queue_next(queue, 30, &done, NULL), COGNITE_ERR_EMPTY);
  CHECK(done.response == NULL);

  server_set(&server, a_ok);
  CHECK_STATUS(submit(client, queue, 0xfedcba9876543210u), COGNITE_OK);
  err = POISON(cognite_error);
  CHECK_STATUS(cognite_queue_next(queue, -1, &done, &err), COGNITE_OK);
  CHECK(err == NULL && done.tag == 0xfedcba9876543210u && done.error == NULL && done.reserved == 0);
  CHECK_STATUS(done.status, COGNITE_OK);
  CHECK_EQUAL(cognite_response_body(done.response, NULL), "{\"items\":[]}");
  CHECK(usage("body_bytes") >= 12);
  drop(&done);
  CHECK(!readable(queue));

  server_set(&server, a_refuse);
  CHECK_STATUS(submit(client, queue, 5), COGNITE_OK);
  CHECK_STATUS(cognite_queue_next(queue, 10000, &done, NULL), COGNITE_OK);
  CHECK(done.tag == 5 && done.response == NULL);
  CHECK_STATUS(done.status, COGNITE_ERR_API);
  CHECK_STATUS(cognite_error_status(done.error), COGNITE_ERR_API);
  drop(&done);
  server_set(&server, a_ok);
  cognite_queue_free(queue);
}

static void refused(cognite_client *client) {
  cognite_queue *queue = make_queue(2);
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_error *err = NULL;
  cognite_client *small = make_client(",\"max_accepted_calls\":1");
  size_t sizes[] = {0, 8, 39, 100000};
  unsigned i;

  CHECK_STATUS(cognite_client_get_async(client, URL, NULL, NULL, &notify, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "nobody to tell");
  cognite_error_free(err);
  notify.queue = queue;
  notify.done = (cognite_done)(void (*)(void))drop;
  CHECK_STATUS(cognite_client_get_async(client, URL, NULL, NULL, &notify, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "both");
  cognite_error_free(err);
  notify.done = NULL;
  notify.queue = (cognite_queue *)(void *)client;
  CHECK_STATUS(cognite_client_get_async(client, URL, NULL, NULL, &notify, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "notify.queue");
  cognite_error_free(err);
  /* A refused call gives its place back. */
  notify.queue = queue;
  for (i = 0; i < 5; i++)
    CHECK_STATUS(cognite_client_get_async(client, "nonsense", NULL, NULL, &notify, NULL), COGNITE_ERR_INVALID_ARGUMENT);

  CHECK_STATUS(cognite_queue_next(NULL, 0, &done, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_queue_next(queue, 0, NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_queue_new(0, NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    done.struct_size = sizes[i];
    CHECK_STATUS(cognite_queue_next(queue, 0, &done, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  }
  CHECK(cognite_queue_os_handle(NULL) == -1);
  cognite_queue_close(NULL);
  cognite_queue_free(NULL);

  /* Two places: what is still to come counts, and what waits. */
  server_set(&server, a_silent);
  CHECK_STATUS(submit(client, queue, 1), COGNITE_OK);
  CHECK_STATUS(submit(client, queue, 2), COGNITE_OK);
  notify.queue = queue;
  CHECK_STATUS(cognite_client_get_async(client, URL, NULL, NULL, &notify, &err), COGNITE_ERR_BUSY);
  CHECK_CONTAINS(cognite_error_message(err), "cognite_queue_next");
  cognite_error_free(err);
  CHECK(usage("accepted_calls") == 2);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK(usage("accepted_calls") == 0 && usage("queued_completions") == 2 && usage("threads") == 0);
  server_set(&server, a_ok);
  CHECK_STATUS(submit(client, queue, 3), COGNITE_ERR_BUSY);
  for (i = 0; i < 2; i++) {
    done.struct_size = sizeof done;
    CHECK_STATUS(cognite_queue_next(queue, 0, &done, NULL), COGNITE_OK);
    CHECK_STATUS(done.status, COGNITE_ERR_SHUTDOWN);
    drop(&done);
  }
  CHECK_STATUS(submit(client, queue, 3), COGNITE_OK);
  CHECK_STATUS(cognite_queue_next(queue, 10000, &done, NULL), COGNITE_OK);
  CHECK(done.tag == 3 && done.status == COGNITE_OK);
  drop(&done);
  CHECK(usage("threads") >= 1);

  /* The client's own limit. */
  server_set(&server, a_silent);
  CHECK_STATUS(submit(small, queue, 1), COGNITE_OK);
  notify.queue = queue;
  CHECK_STATUS(cognite_client_get_async(small, URL, NULL, NULL, &notify, &err), COGNITE_ERR_BUSY);
  CHECK_CONTAINS(cognite_error_message(err), "max_accepted_calls");
  cognite_error_free(err);
  cognite_client_free(small);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  server_set(&server, a_ok);
  cognite_queue_free(queue); /* with one completion in it */
  CHECK(usage("queued_completions") == 0);
}

/* Callers built with the first header know neither queue nor tag nor cancel. */
static int old_told;
static void old_done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  cognite_response_free(response);
  cognite_error_free(error);
  __atomic_store_n((int *)user_data, status == COGNITE_OK ? 1 : 2, __ATOMIC_SEQ_CST);
}
static void old_callers(cognite_client *client) {
  cognite_notify notify;
  cognite_request request;
  int i;
  memset(&notify, 0x55, sizeof notify);
  memset(&request, 0x55, sizeof request);
  memset(&request, 0, offsetof(cognite_request, cancel));
  notify.struct_size = offsetof(cognite_notify, queue);
  notify.done = old_done;
  notify.user_data = &old_told;
  request.struct_size = offsetof(cognite_request, cancel);
  request.method = "GET";
  request.url = URL;
  CHECK_STATUS(cognite_client_call_async(client, &request, &notify, NULL), COGNITE_OK);
  for (i = 0; i < 1000 && __atomic_load_n(&old_told, __ATOMIC_SEQ_CST) == 0; i++) server_pause_ms(10);
  CHECK(old_told == 1);
}

/* A newer caller's completion is longer; what lies behind struct_size is not touched. */
static void sizes(cognite_client *client) {
  struct {
    cognite_completion done;
    unsigned char tail[32];
  } longer;
  cognite_queue *queue = make_queue(0);
  unsigned i;
  int zero = 0, kept = 0;
  memset(&longer, 0x55, sizeof longer);
  longer.done.struct_size = sizeof(cognite_completion) + 16;
  CHECK_STATUS(submit(client, queue, 7), COGNITE_OK);
  CHECK_STATUS(cognite_queue_next(queue, 10000, &longer.done, NULL), COGNITE_OK);
  for (i = 0; i < 16; i++) zero += longer.tail[i] == 0;
  for (i = 16; i < 32; i++) kept += longer.tail[i] == 0x55;
  CHECK(zero == 16 && kept == 16 && longer.done.tag == 7 && longer.done.struct_size == sizeof(cognite_completion) + 16);
  drop(&longer.done);
  cognite_queue_free(queue);
}

/* ---- races ---- */

static cognite_queue *shared;
static unsigned char fetched[MANY];
static int fetched_total, wrong_wakes, polls;

static void *consume(void *unused) {
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_status status;
  while ((status = cognite_queue_next(shared, -1, &done, NULL)) == COGNITE_OK) {
    if (done.status == COGNITE_OK && done.tag < MANY) __atomic_add_fetch(&fetched[done.tag], 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&fetched_total, 1, __ATOMIC_SEQ_CST);
    drop(&done);
  }
  return status == COGNITE_ERR_SHUTDOWN ? unused : NULL;
}

static void all_fetched_once(void) {
  int i, bad = 0;
  for (i = 0; i < MANY; i++) bad += fetched[i] != 1;
  CHECK(bad == 0 && fetched_total == MANY);
}

/* Four threads fetch; close wakes them all. */
static void many_consumers(cognite_client *client) {
  pthread_t threads[4];
  int i, ended = 0, mark;
  memset(fetched, 0, sizeof fetched);
  fetched_total = 0;
  shared = make_queue(0);
  for (i = 0; i < 4; i++) pthread_create(&threads[i], NULL, consume, &mark);
  for (i = 0; i < MANY; i++) CHECK_STATUS(submit(client, shared, (uint64_t)i), COGNITE_OK);
  for (i = 0; i < 6000 && __atomic_load_n(&fetched_total, __ATOMIC_SEQ_CST) < MANY; i++) server_pause_ms(10);
  server_pause_ms(50); /* all of them wait now; time for a second completion that must not come */
  cognite_queue_close(shared);
  for (i = 0; i < 4; i++) {
    void *end = NULL;
    pthread_join(threads[i], &end);
    ended += end == &mark;
  }
  CHECK(ended == 4);
  all_fetched_once();
  cognite_queue_free(shared);
}

/* An event loop: whenever poll() says readable there is something, and whenever there is something poll() says so. The only
 * consumer, so both are exact. */
static void exact_readiness(cognite_client *client) {
  cognite_completion done = COGNITE_COMPLETION_INIT;
  int sent = 0;
  int64_t end = server_now_ms() + 120000;
  memset(fetched, 0, sizeof fetched);
  fetched_total = wrong_wakes = polls = 0;
  shared = make_queue(0);
  while (fetched_total < MANY && server_now_ms() < end) {
    struct pollfd wait = {(int)cognite_queue_os_handle(shared), POLLIN, 0};
    int ready, burst = 0;
    while (sent < MANY && sent - fetched_total < 40 && burst++ < 3) CHECK_STATUS(submit(client, shared, (uint64_t)sent++), COGNITE_OK);
    ready = poll(&wait, 1, 10000); /* what is on its way must wake us */
    polls++;
    if (ready != 1) {
      wrong_wakes++;
      break;
    }
    /* One at a time: as long as something is left, the next poll must return at once. */
    if (cognite_queue_next(shared, 0, &done, NULL) != COGNITE_OK) {
      wrong_wakes++;
      continue;
    }
    fetched_total++;
    if (done.tag < MANY) fetched[done.tag]++;
    drop(&done);
    if (polls % 7 == 0) { /* and drained: not readable, unless something came in between */
      while (cognite_queue_next(shared, 0, &done, NULL) == COGNITE_OK) {
        fetched_total++;
        if (done.tag < MANY) fetched[done.tag]++;
        drop(&done);
      }
      if (readable(shared) && usage("queued_completions") == 0) wrong_wakes++;
    }
  }
  CHECK(wrong_wakes == 0 && polls > 50);
  all_fetched_once();
  CHECK(!readable(shared));
  cognite_queue_close(shared);
  CHECK(readable(shared)); /* wakes an event loop, for good */
  CHECK_STATUS(cognite_queue_next(shared, -1, &done, NULL), COGNITE_ERR_SHUTDOWN);
  CHECK(readable(shared));
  CHECK_STATUS(submit(client, shared, 1), COGNITE_ERR_SHUTDOWN);
  cognite_queue_free(shared);
}

static void freed_with_calls_pending(void) {
  cognite_client *client = make_client("");
  cognite_queue *queue = make_queue(0);
  int i;
  server_set(&server, a_silent);
  for (i = 0; i < 30; i++) CHECK_STATUS(submit(client, queue, 1), COGNITE_OK);
  cognite_client_free(client);
  cognite_queue_free(queue);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK(usage("accepted_calls") == 0 && usage("queued_completions") == 0 && usage("body_bytes") < 200);
  server_set(&server, a_ok);
}

/* A forked child shares the descriptor with its parent: it must keep off, also when no thread of the library ran. */
#include <sys/wait.h>
static void forked(void) {
  cognite_queue *queue = make_queue(0);
  cognite_completion done = COGNITE_COMPLETION_INIT;
  int status = -1;
  pid_t child;
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  fflush(NULL);
  child = fork();
  if (child == 0) {
    int good = cognite_queue_next(queue, 0, &done, NULL) == COGNITE_ERR_FORKED && cognite_queue_os_handle(queue) == -1;
    cognite_queue_close(queue);
    cognite_queue_free(queue);
    _exit(good ? 0 : 1);
  }
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(!readable(queue));
  CHECK_STATUS(cognite_queue_next(queue, 0, &done, NULL), COGNITE_ERR_EMPTY);
  cognite_queue_free(queue);
}

int main(void) {
  cognite_client *client;
  server_start(&server, a_ok);
  client = make_client("");
  one(client);
  refused(client);
  old_callers(client);
  sizes(client);
  many_consumers(client);
  exact_readiness(client);
  cognite_client_free(client);
  freed_with_calls_pending();
  forked();
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  server_stop(&server);
  return REPORT();
}
