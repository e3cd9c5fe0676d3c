/* shutdown.c - the end from everywhere: ten threads at once while others make calls, threads that are ending, callbacks of
 * every kind, and what is destroyed when the last call of a client that was freed ends with the library. */
#define _DEFAULT_SOURCE
#include "host.h"

enum { CALLERS = 6, ENDERS = 10, CLIENTS = 20 };

static struct host_server server;
static cognite_client *client;
static int accepted, told, odd, stop;

static void count(int *what) { __atomic_add_fetch(what, 1, __ATOMIC_SEQ_CST); }

/* From a callback it would wait for itself. */
static void refused_here(void) {
  if (cognite_shutdown(NULL) != COGNITE_ERR_WOULD_DEADLOCK) count(&odd);
}

static void on_done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  (void)user_data;
  if ((status == COGNITE_OK) != (response != NULL) || (status == COGNITE_OK) != (error == NULL)) count(&odd);
  refused_here();
  cognite_response_free(response);
  cognite_error_free(error);
  count(&told);
}

static cognite_status submit(cognite_client *to, const char *url) {
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_status status;
  notify.done = on_done;
  status = cognite_client_get_async(to, url, NULL, NULL, &notify, NULL);
  if (status == COGNITE_OK) count(&accepted);
  return status;
}

/* ---- many at once ---- */

static void *make_calls(void *argument) {
  int number = *(int *)argument;
  while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
    const char *url = number == 0 ? "/slow" : number == 1 ? "/hang" : "/ok";
    cognite_status status = number % 2 == 0 ? host_get(client, url) : submit(client, url);
    if (status != COGNITE_OK && status != COGNITE_ERR_SHUTDOWN && status != COGNITE_ERR_BUSY) count(&odd);
    if (number % 2 == 1) usleep(200);
  }
  return NULL;
}

static void *end(void *unused) {
  if (cognite_shutdown(NULL) != COGNITE_OK) count(&odd);
  return unused;
}

static void at_once(int rounds) {
  static int numbers[CALLERS];
  pthread_t callers[CALLERS], enders[ENDERS];
  int round, i;
  for (round = 0; round < rounds; round++) {
    __atomic_store_n(&stop, 0, __ATOMIC_SEQ_CST);
    for (i = 0; i < CALLERS; i++) {
      numbers[i] = i;
      if (pthread_create(&callers[i], NULL, make_calls, &numbers[i]) != 0) exit(1);
    }
    host_pause(10);
    for (i = 0; i < ENDERS; i++)
      if (pthread_create(&enders[i], NULL, end, NULL) != 0) exit(1);
    for (i = 0; i < ENDERS; i++) pthread_join(enders[i], NULL);
    __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
    for (i = 0; i < CALLERS; i++) pthread_join(callers[i], NULL);
  }
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK(told == accepted && accepted > 0 && odd == 0);
  CHECK(host_threads(0) == 0);
}

/* ---- in threads that are ending, which have lost what belonged to them ---- */

static pthread_key_t last_words;
static int spoken;

/* What a thread makes for itself at this point, in any library, nobody takes away again: no leak of ours. */
static void count_no_leaks(void) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  extern void __lsan_disable(void);
  __lsan_disable();
#endif
#endif
}

static void speak(void *unused) {
  (void)unused;
  count_no_leaks();
  if (host_get(client, "/ok") == COGNITE_OK && submit(client, "/ok") == COGNITE_OK && cognite_shutdown(NULL) == COGNITE_OK) count(&spoken);
}

static void *be_short(void *unused) {
  pthread_setspecific(last_words, &last_words);
  if (unused != NULL && host_get(client, "/ok") != COGNITE_OK) count(&odd);
  return unused;
}

static void in_their_last_moment(void) {
  int i;
  if (!CHECK(pthread_key_create(&last_words, speak) == 0)) return;
  for (i = 0; i < 20; i++) {
    pthread_t thread;
    if (CHECK(pthread_create(&thread, NULL, be_short, i % 2 == 0 ? &last_words : NULL) == 0)) pthread_join(thread, NULL);
  }
  pthread_key_delete(last_words);
  CHECK(spoken == 20 && told == accepted);
}

/* ---- in what the host is called for ---- */

static int destroyed, in_destroy[100];

static void destroy(void *unused) {
  cognite_status status = cognite_shutdown(NULL);
  (void)unused;
  if (status == COGNITE_OK || status == COGNITE_ERR_WOULD_DEADLOCK) count(&in_destroy[status]);
  count(&destroyed);
}

static void provide(void *unused, cognite_token_request *request) {
  (void)unused;
  refused_here();
  if (cognite_token_request_answer(request, "t", 3600000, NULL) != COGNITE_OK) count(&odd);
}

static void on_record(void *unused, int32_t level, const char *record, size_t len) {
  (void)unused, (void)level, (void)record, (void)len;
  refused_here();
}

/* A client that is free while its calls run: the last of them frees what the host has to destroy. */
static void freed_before_its_calls(void) {
  int64_t slowest = 0;
  int i, j;
  CHECK_STATUS(cognite_log_set_callback(on_record, NULL, NULL, COGNITE_LOG_DEBUG, NULL), COGNITE_OK);
  for (i = 0; i < CLIENTS; i++) {
    cognite_credentials *credentials = NULL;
    cognite_config *config = cognite_config_new();
    cognite_client *other = NULL;
    int64_t begun;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", server.port);
    CHECK_STATUS(cognite_credentials_new_token_provider(provide, NULL, destroy, &credentials, NULL), COGNITE_OK);
    CHECK_STATUS(cognite_config_set_client_name(config, "n", NULL), COGNITE_OK);
    CHECK_STATUS(cognite_config_set_project(config, "p", NULL), COGNITE_OK);
    CHECK_STATUS(cognite_config_set_base_url(config, url, NULL), COGNITE_OK);
    CHECK_STATUS(cognite_config_set_credentials(config, credentials, NULL), COGNITE_OK);
    CHECK_STATUS(cognite_client_new(config, &other, NULL), COGNITE_OK);
    cognite_credentials_free(credentials);
    cognite_config_free(config);
    for (j = 0; j < 5; j++) CHECK_STATUS(submit(other, i % 2 == 0 ? "/hang" : "/slow"), COGNITE_OK);
    host_pause(i % 4 * 20);
    cognite_client_free(other);
    if (i % 4 == 3) continue; /* its calls end by themselves */
    begun = host_now();
    CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
    if (host_now() - begun > slowest) slowest = host_now() - begun;
    CHECK(told == accepted);
  }
  CHECK_STATUS(cognite_log_set_callback(NULL, NULL, NULL, 0, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK(destroyed == CLIENTS && in_destroy[COGNITE_OK] + in_destroy[COGNITE_ERR_WOULD_DEADLOCK] == CLIENTS);
  CHECK(in_destroy[COGNITE_ERR_WOULD_DEADLOCK] > 0); /* some of them on a callback thread */
  CHECK(told == accepted && odd == 0);
  CHECK(slowest < 10000);
}

int main(void) {
  host_start(&server);
  host_set("{\"max_connection_pool_size\":64}");
  client = host_client(server.port);
  at_once(host_long() ? 100 : 20);
  in_their_last_moment();
  freed_before_its_calls();
  CHECK(host_threads(0) == 0);
  printf("shutdown: %d calls told, %d threads' last words, %d destroyed\n", told, spoken, destroyed);
  cognite_client_free(client);
  host_stop(&server);
  return REPORT();
}
