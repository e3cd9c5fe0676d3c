/* test_cancel.c - cancel tokens: at every stage of a call, from other threads, blocking and told; and what a cancelled or
 * shut-down write says about itself. */
#define _DEFAULT_SOURCE
#include "check.h"
#include "server.h"

#define URL "/api/v1/projects/p/assets"

static struct server server;

/* valgrind makes everything slower; times are multiplied when this is set. */
static int slow(int ms) { return getenv("COGNITE_TEST_SLOW") != NULL ? 10 * ms : ms; }

static void a_ok(struct server *s, int fd) {
  (void)s;
  server_reply(fd, "200 OK", "", "{\"items\":[]}", 12);
}
static int dropped; /* held connections that the client closed */
static void a_silent(struct server *s, int fd) {
  int64_t start = server_now_ms();
  server_hold(s, fd, 20000);
  if (server_now_ms() - start < 19000 && !server_stopping(s)) __atomic_add_fetch(&dropped, 1, __ATOMIC_SEQ_CST);
}
static void a_unavailable(struct server *s, int fd) {
  (void)s;
  server_reply(fd, "503 Unavailable", "Retry-After: 30\r\n", "{}", 2);
}

static cognite_client *make_client(const char *more) {
  char text[512];
  cognite_client *made = NULL;
  cognite_error *err = NULL;
  snprintf(text, sizeof text, "{\"client_name\":\"cancel\",\"project\":\"p\",\"base_url\":\"http://127.0.0.1:%d\"%s}", server.port,
           more);
  cognite_client_load(text, strlen(text), &made, &err);
  CHECK_(made != NULL, cognite_error_message(err));
  cognite_error_free(err);
  return made;
}
#define TOKEN ",\"credentials\":{\"token\":\"t\"}"

struct later {
  cognite_cancel *cancel;
  int ms;
};
static void *trigger_later(void *argument) {
  struct later *later = argument;
  server_pause_ms(slow(later->ms));
  cognite_cancel_trigger(later->cancel);
  return NULL;
}

static cognite_request ask(const char *method, cognite_cancel *cancel) {
  cognite_request request = COGNITE_REQUEST_INIT;
  request.method = method;
  request.url = URL;
  if (strcmp(method, "POST") == 0) {
    request.body = "{\"items\":[]}";
    request.body_len = 12;
  }
  request.cancel = cancel;
  return request;
}

/* A blocking call, cancelled after `ms` (or before it when 0). Wanted: CANCELLED soon, with this doubt. */
static void blocking(cognite_client *client, const char *method, int ms, int doubt, const char *what) {
  struct later later;
  cognite_request request;
  cognite_response *response = POISON(cognite_response);
  cognite_error *err = NULL;
  pthread_t thread;
  int64_t start = server_now_ms();
  cognite_status status;
  later.cancel = cognite_cancel_new();
  later.ms = ms;
  request = ask(method, later.cancel);
  CHECK(!cognite_cancel_is_triggered(later.cancel));
  if (ms == 0) cognite_cancel_trigger(later.cancel);
  else pthread_create(&thread, NULL, trigger_later, &later);
  status = cognite_client_call(client, &request, &response, &err);
  CHECK_(status == COGNITE_ERR_CANCELLED, what);
  CHECK_(response == NULL && cognite_error_in_doubt(err) == doubt, what);
  CHECK_(!cognite_error_is_retryable(err), what);
  CHECK_(server_now_ms() - start < slow(ms + 5000), what);
  CHECK_CONTAINS(cognite_error_message(err), "cancelled");
  cognite_error_free(err);
  if (ms != 0) pthread_join(thread, NULL);
  CHECK(cognite_cancel_is_triggered(later.cancel));
  cognite_cancel_free(later.cancel);
}

static void never_answers(void *user_data, cognite_token_request *request) {
  __atomic_store_n((cognite_token_request **)user_data, request, __ATOMIC_SEQ_CST);
}

static void every_stage(void) {
  static const char one_place[] = "{\"max_connection_pool_size\":1}", places[] = "{\"max_connection_pool_size\":20}";
  cognite_client *client = make_client(TOKEN);
  cognite_token_request *unanswered = NULL;
  cognite_credentials *credentials = NULL;
  cognite_config *config = NULL;

  server_set(&server, a_ok);
  blocking(client, "POST", 0, 0, "cancelled before it began");
  CHECK(server_count(&server, NULL) == 0);

  { /* What is made once, at the first request, is made now: it takes long under valgrind. */
    cognite_response *response = NULL;
    CHECK_STATUS(cognite_client_get(client, URL, NULL, NULL, &response, NULL), COGNITE_OK);
    cognite_response_free(response);
  }
  server_set(&server, a_silent);
  __atomic_store_n(&dropped, 0, __ATOMIC_SEQ_CST);
  blocking(client, "GET", 100, 0, "a read waiting for its answer");
  blocking(client, "POST", 200, 1, "a write waiting for its answer");
  {
    char detail[32];
    int i, seen = 0;
    for (i = 0; i < 100 && seen < 2; i++) {
      server_pause_ms(slow(20)); /* the server notices in its own time */
      seen = __atomic_load_n(&dropped, __ATOMIC_SEQ_CST);
    }
    snprintf(detail, sizeof detail, "%d dropped", seen);
    CHECK_(seen == 2, detail); /* the connections were dropped, not left */
  }

  server_set(&server, a_unavailable);
  blocking(client, "GET", 300, 0, "in the pause before a repeat");
  CHECK(server_count(&server, NULL) == 1);
  cognite_client_free(client);

  /* Waiting for a token. */
  server_set(&server, a_ok);
  CHECK_STATUS(cognite_credentials_new_token_provider(never_answers, &unanswered, NULL, &credentials, NULL), COGNITE_OK);
  client = make_client(TOKEN);
  CHECK_STATUS(cognite_client_config(client, &config, NULL), COGNITE_OK);
  cognite_client_free(client);
  CHECK_STATUS(cognite_config_set_credentials(config, credentials, NULL), COGNITE_OK);
  client = NULL;
  CHECK_STATUS(cognite_client_new(config, &client, NULL), COGNITE_OK);
  blocking(client, "POST", 200, 0, "a write waiting for a token");
  CHECK(server_count(&server, NULL) == 0);
  unanswered = __atomic_load_n(&unanswered, __ATOMIC_SEQ_CST);
  CHECK(unanswered != NULL);
  CHECK_STATUS(cognite_token_request_fail(unanswered, "enough", NULL), COGNITE_OK);
  cognite_client_free(client);
  cognite_config_free(config);
  cognite_credentials_free(credentials);

  /* Waiting for a place: another call has the only one. */
  CHECK_STATUS(cognite_global_apply_settings(one_place, sizeof one_place - 1, NULL), COGNITE_OK);
  client = make_client(TOKEN);
  CHECK_STATUS(cognite_global_apply_settings(places, sizeof places - 1, NULL), COGNITE_OK);
  server_set(&server, a_silent);
  {
    cognite_queue *queue = NULL;
    cognite_notify notify = COGNITE_NOTIFY_INIT;
    cognite_cancel *first = cognite_cancel_new();
    cognite_request request = ask("POST", first);
    cognite_completion done = COGNITE_COMPLETION_INIT;
    CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
    notify.queue = queue;
    CHECK_STATUS(cognite_client_call_async(client, &request, &notify, NULL), COGNITE_OK);
    while (server_count(&server, NULL) == 0) server_pause_ms(5);
    blocking(client, "POST", 100, 0, "a write waiting for a place");
    cognite_cancel_trigger(first);
    cognite_cancel_free(first);
    CHECK_STATUS(cognite_queue_next(queue, 10000, &done, NULL), COGNITE_OK);
    CHECK_STATUS(done.status, COGNITE_ERR_CANCELLED);
    CHECK(cognite_error_in_doubt(done.error) == 1);
    cognite_error_free(done.error);
    cognite_queue_free(queue);
  }
  /* The place was given back. */
  server_set(&server, a_ok);
  {
    cognite_response *response = NULL;
    CHECK_STATUS(cognite_client_get(client, URL, NULL, NULL, &response, NULL), COGNITE_OK);
    cognite_response_free(response);
  }
  cognite_client_free(client);
}

/* One token for many calls; a result that is there is kept; the token may go before the calls do. */
static void many(void) {
  enum { CALLS = 200 };
  cognite_client *client = make_client(TOKEN);
  cognite_queue *queue = NULL;
  cognite_cancel *cancel = cognite_cancel_new(), *unused = cognite_cancel_new();
  cognite_request request = ask("GET", cancel);
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  int i, cancelled = 0, other = 0;
  server_set(&server, a_silent);
  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  for (i = 0; i < CALLS; i++) CHECK_STATUS(cognite_client_call_async(client, &request, &notify, NULL), COGNITE_OK);
  server_pause_ms(50);
  cognite_cancel_trigger(cancel);
  cognite_cancel_trigger(cancel);
  for (i = 0; i < CALLS; i++) {
    CHECK_STATUS(cognite_queue_next(queue, 10000, &done, NULL), COGNITE_OK);
    if (done.status == COGNITE_ERR_CANCELLED) cancelled++;
    else other++;
    cognite_error_free(done.error);
    cognite_response_free(done.response);
  }
  CHECK(cancelled == CALLS && other == 0);
  CHECK_STATUS(cognite_queue_next(queue, 100, &done, NULL), COGNITE_ERR_EMPTY); /* nobody is told twice */

  server_set(&server, a_ok);
  request.cancel = unused;
  CHECK_STATUS(cognite_client_call_async(client, &request, &notify, NULL), COGNITE_OK);
  cognite_cancel_free(unused); /* cancels nothing */
  CHECK_STATUS(cognite_queue_next(queue, 10000, &done, NULL), COGNITE_OK);
  CHECK_STATUS(done.status, COGNITE_OK);
  cognite_response_free(done.response);
  request.cancel = (cognite_cancel *)(void *)queue;
  CHECK_STATUS(cognite_client_call_async(client, &request, &notify, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  cognite_cancel_free(cancel);
  cognite_cancel_trigger(NULL);
  CHECK(cognite_cancel_is_triggered(NULL) == 0);
  cognite_cancel_free(NULL);
  cognite_queue_free(queue);
  cognite_client_free(client);
}

/* A shutdown tells of each write whether it may have been applied, blocking or not. */
static void *blocked_write(void *argument) {
  cognite_request request = ask("POST", NULL);
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  intptr_t good = cognite_client_call(argument, &request, &response, &err) == COGNITE_ERR_SHUTDOWN;
  good = good && cognite_error_in_doubt(err);
  cognite_response_free(response);
  cognite_error_free(err);
  return (void *)good;
}
static void shut_down(void) {
  cognite_client *client = make_client(TOKEN);
  cognite_queue *queue = NULL;
  cognite_request write = ask("POST", NULL), read = ask("GET", NULL);
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  pthread_t thread;
  void *good = NULL;
  int i;
  int64_t start;
  server_set(&server, a_silent);
  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  notify.tag = 1;
  CHECK_STATUS(cognite_client_call_async(client, &write, &notify, NULL), COGNITE_OK);
  notify.tag = 0;
  CHECK_STATUS(cognite_client_call_async(client, &read, &notify, NULL), COGNITE_OK);
  pthread_create(&thread, NULL, blocked_write, client);
  server_pause_ms(slow(300)); /* the server takes one connection at a time; the system takes the bytes of all three */
  start = server_now_ms();
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK(server_now_ms() - start < slow(2000));
  pthread_join(thread, &good);
  CHECK((intptr_t)good == 1);
  for (i = 0; i < 2; i++) {
    CHECK_STATUS(cognite_queue_next(queue, 0, &done, NULL), COGNITE_OK);
    CHECK_STATUS(done.status, COGNITE_ERR_SHUTDOWN);
    CHECK(cognite_error_in_doubt(done.error) == (int)done.tag);
    cognite_error_free(done.error);
  }
  cognite_queue_free(queue);
  cognite_client_free(client);
}

int main(void) {
  server_start(&server, a_ok);
  every_stage();
  many();
  shut_down();
  server_stop(&server);
  return REPORT();
}
