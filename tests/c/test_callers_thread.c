/* test_callers_thread.c - a blocking call does its I/O on the thread that makes it: with a handler that interrupts every
 * wait, in a thread that is being cancelled, on a stack with hardly any room, ended from another thread, and overtaken by a shutdown. */
#define _DEFAULT_SOURCE
#include "check.h"
#include "server.h"
#include <dirent.h>
#include <limits.h>
#include <signal.h>

#define ASSETS "/api/v1/projects/p/assets"
enum { THREADS = 8 };

static struct server server;

static void a_ok(struct server *s, int fd) {
  (void)s;
  server_reply(fd, "200 OK", "", "{\"items\":[]}", 12);
}

/* In three parts, so that there are several waits. */
static void a_slow(struct server *s, int fd) {
  (void)s;
  server_pause_ms(10);
  if (!server_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-")) return;
  server_pause_ms(10);
  if (!server_text(fd, "Length: 12\r\n\r\n{\"items\"")) return;
  server_pause_ms(10);
  server_text(fd, ":[]}");
}

static void a_silent(struct server *s, int fd) { server_hold(s, fd, 20000); }

static cognite_client *make_client(void) {
  char text[512];
  cognite_client *made = NULL;
  snprintf(text, sizeof text,
           "{\"client_name\":\"thread\",\"project\":\"p\",\"base_url\":\"http://127.0.0.1:%d\",\"timeout\":20,"
           "\"credentials\":{\"token\":\"t\"}}", server.port);
  CHECK_STATUS(cognite_client_load(text, strlen(text), &made, NULL), COGNITE_OK);
  return made;
}

static cognite_status get(cognite_client *client) {
  cognite_response *response = NULL;
  cognite_status status = cognite_client_get(client, ASSETS, NULL, NULL, &response, NULL);
  size_t length = 0;
  if (status == COGNITE_OK && (cognite_response_body(response, &length) == NULL || length != 12)) status = -1;
  cognite_response_free(response);
  return status;
}

/* ---- signals ---- */

static int interrupted, enough;
static pthread_t caller;

static void on_signal(int number) {
  (void)number;
  __atomic_add_fetch(&interrupted, 1, __ATOMIC_SEQ_CST);
}

static void *interrupt(void *unused) {
  while (!__atomic_load_n(&enough, __ATOMIC_SEQ_CST)) {
    pthread_kill(caller, SIGUSR1);
    usleep(500);
  }
  return unused;
}

static void interrupted_calls(void) {
  cognite_client *client = make_client();
  struct sigaction action;
  sigset_t before, after;
  pthread_t thread;
  int i;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal; /* no SA_RESTART */
  sigaction(SIGUSR1, &action, NULL);
  caller = pthread_self();
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  server_set(&server, a_slow);
  if (!CHECK(pthread_create(&thread, NULL, interrupt, NULL) == 0)) return;
  for (i = 0; i < 20; i++) CHECK_STATUS(get(client), COGNITE_OK);
  __atomic_store_n(&enough, 1, __ATOMIC_SEQ_CST);
  pthread_join(thread, NULL);
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  CHECK(interrupted > 100);
  CHECK(server_count(&server, NULL) == 20); /* nothing was repeated */
  for (i = 1; i < 65; i++) CHECK(sigismember(&before, i) == sigismember(&after, i));
  cognite_client_free(client);
  server_set(&server, a_ok);
}

/* ---- pthread_cancel ---- */

static int call_ended;

static void *get_then_end(void *client) {
  if (get(client) == COGNITE_OK) __atomic_store_n(&call_ended, 1, __ATOMIC_SEQ_CST);
  for (;;) pthread_testcancel();
  return NULL;
}

/* Waits inside a call are no places where a thread ends: the call goes on, then the thread ends. */
static void cancelled_thread(void) {
  cognite_client *client = make_client();
  pthread_t thread;
  void *result = NULL;
  server_set(&server, a_slow);
  if (!CHECK(pthread_create(&thread, NULL, get_then_end, client) == 0)) return;
  while (server_count(&server, NULL) == 0) server_pause_ms(1);
  pthread_cancel(thread);
  pthread_join(thread, &result);
  CHECK(result == PTHREAD_CANCELED);
  CHECK(__atomic_load_n(&call_ended, __ATOMIC_SEQ_CST) == 1);
  CHECK_STATUS(get(client), COGNITE_OK);
  cognite_client_free(client);
  server_set(&server, a_ok);
}

static struct {
  cognite_client *client;
  cognite_queue *queue;
  cognite_cancel *cancel;
  int steps;
} doomed;

static void ignore(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  (void)user_data;
  (void)status;
  cognite_response_free(response);
  cognite_error_free(error);
}

static void *do_everything(void *unused) {
  static const int64_t times[] = {1, 2};
  static const double values[] = {1, 2};
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_upload upload = COGNITE_UPLOAD_INIT;
  cognite_points *points;
  cognite_config *config;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  (void)unused;
  /* What is cancelled now ends at the next place where threads end. */
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  pthread_cancel(pthread_self());
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
  notify.done = ignore;
  doomed.client = make_client();
  doomed.steps += get(doomed.client) == COGNITE_OK;
  doomed.steps += cognite_client_get_async(doomed.client, ASSETS, NULL, NULL, &notify, NULL) == COGNITE_OK;
  doomed.steps += cognite_queue_new(0, &doomed.queue, NULL) == COGNITE_OK;
  notify.done = NULL;
  notify.queue = doomed.queue;
  doomed.steps += cognite_client_get_async(doomed.client, ASSETS, NULL, NULL, &notify, NULL) == COGNITE_OK;
  doomed.steps += cognite_queue_next(doomed.queue, 20000, &done, NULL) == COGNITE_OK && done.status == COGNITE_OK;
  doomed.steps += strstr(cognite_response_headers_json(done.response), "content-length") != NULL;
  cognite_response_free(done.response);
  doomed.steps += cognite_queue_next(doomed.queue, 1, &done, &err) == COGNITE_ERR_EMPTY;
  doomed.steps += strlen(cognite_error_json(err)) > 2;
  cognite_error_free(err);
  doomed.cancel = cognite_cancel_new();
  cognite_cancel_trigger(doomed.cancel);
  doomed.steps += cognite_process_usage(&response, NULL) == COGNITE_OK;
  cognite_response_free(response);
  points = cognite_points_new();
  doomed.steps += cognite_points_add_f64(points, "a", times, values, 2, NULL) == COGNITE_OK;
  doomed.steps += cognite_points_insert(doomed.client, points, NULL, &response, NULL) == COGNITE_OK;
  cognite_response_free(response);
  cognite_points_free(points);
  upload.file = "{}";
  upload.file_len = 2;
  upload.path = "/proc/version";
  doomed.steps += cognite_client_upload(doomed.client, &upload, &response, NULL) != COGNITE_OK && response == NULL;
  config = cognite_config_new();
  doomed.steps += strlen(cognite_config_json(config)) > 2;
  cognite_config_free(config);
  cognite_queue_close(doomed.queue);
  cognite_queue_free(doomed.queue);
  cognite_cancel_free(doomed.cancel);
  cognite_client_free(doomed.client);
  doomed.steps += cognite_shutdown(NULL) == COGNITE_OK;
  pthread_testcancel();
  return NULL;
}

/* The same for what neither waits nor uses the network, but writes to a handle, closes a file, asks the system for chance. */
static void cancelled_before(void) {
  pthread_t thread;
  void *result = NULL;
  doomed.steps = 0;
  /* It counts checks itself: none is made here before it has ended. */
  if (pthread_create(&thread, NULL, do_everything, NULL) != 0) exit(1);
  pthread_join(thread, &result);
  CHECK(result == PTHREAD_CANCELED);
  CHECK(doomed.steps == 14);
}

/* ---- stacks ---- */

static void *get_thrice(void *client) {
  int i, good = 1;
  for (i = 0; i < 3; i++) good &= get(client) == COGNITE_OK;
  return good ? client : NULL;
}

/* Encoded and compressed on the calling thread, which takes more of it. */
static void *insert_many(void *client) {
  static int64_t times[3000];
  static double values[3000];
  cognite_points *points = cognite_points_new();
  cognite_response *response = NULL;
  int i, good;
  for (i = 0; i < 3000; i++) {
    times[i] = i;
    values[i] = i * 1.5;
  }
  good = cognite_points_add_f64(points, "a", times, values, 3000, NULL) == COGNITE_OK &&
         cognite_points_insert(client, points, NULL, &response, NULL) == COGNITE_OK;
  cognite_response_free(response);
  cognite_points_free(points);
  return good ? client : NULL;
}

static void small_stacks(void) {
  static const size_t sizes[] = {48 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 8 << 20};
  cognite_client *client = make_client();
  size_t i;
  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    pthread_attr_t attributes;
    pthread_t thread;
    void *good = NULL;
    char detail[64];
    pthread_attr_init(&attributes);
    /* What the C library keeps of it for itself differs. */
    if (!CHECK(pthread_attr_setstacksize(&attributes, sizes[i] + (size_t)sysconf(_SC_THREAD_STACK_MIN)) == 0)) continue;
    if (CHECK(pthread_create(&thread, &attributes, get_thrice, client) == 0)) pthread_join(thread, &good);
    snprintf(detail, sizeof detail, "a stack of %lu KiB", (unsigned long)(sizes[i] >> 10));
    CHECK_(good == client, detail);
    good = client;
    /* A library that is not optimised needs most of 96 KiB for it. */
    if (sizes[i] > 100 << 10 && CHECK(pthread_create(&thread, &attributes, insert_many, client) == 0)) pthread_join(thread, &good);
    CHECK_(good == client, detail);
    pthread_attr_destroy(&attributes);
  }
  cognite_client_free(client);
}

/* ---- ended by others ---- */

struct waiting {
  cognite_client *client;
  cognite_cancel *cancel;
  cognite_status status;
  int64_t ended;
};

static void *wait_in_vain(void *argument) {
  struct waiting *w = argument;
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_response *response = NULL;
  request.method = "GET";
  request.url = ASSETS;
  request.cancel = w->cancel;
  w->status = cognite_client_call(w->client, &request, &response, NULL);
  w->ended = server_now_ms();
  cognite_response_free(response);
  return NULL;
}

static int open_files(void) {
  DIR *dir = opendir("/proc/self/fd");
  int n = 0;
  if (dir == NULL) return -1;
  while (readdir(dir) != NULL) n++;
  closedir(dir);
  return n;
}

#if defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_SANITIZER
#endif
#endif

/* What the thread sanitizer sees is named by a program that it starts at its first report, wanted or not, and the pipes to
 * that stay. They are to be there before files are counted. */
static void start_sanitizers_helper(void) {
#ifdef UNDER_SANITIZER
  extern void __sanitizer_symbolize_pc(void *place, const char *format, char *out, size_t size);
  char name[128];
  __sanitizer_symbolize_pc(__builtin_return_address(0), "%f", name, sizeof name);
#endif
}

static void ended_by_others(int by_shutdown) {
  static struct waiting all[THREADS];
  pthread_t threads[THREADS];
  cognite_client *client = make_client();
  cognite_cancel *cancel = by_shutdown ? NULL : cognite_cancel_new();
  int64_t begun;
  int i;
  server_set(&server, a_silent);
  for (i = 0; i < THREADS; i++) {
    all[i].client = client;
    all[i].cancel = cancel;
    if (!CHECK(pthread_create(&threads[i], NULL, wait_in_vain, &all[i]) == 0)) return;
  }
  server_pause_ms(200);
  begun = server_now_ms();
  if (by_shutdown) CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  else cognite_cancel_trigger(cancel);
  for (i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    CHECK_STATUS(all[i].status, by_shutdown ? COGNITE_ERR_SHUTDOWN : COGNITE_ERR_CANCELLED);
    CHECK(all[i].ended - begun < 3000);
  }
  cognite_cancel_free(cancel);
  cognite_client_free(client);
  server_set(&server, a_ok);
}

int main(void) {
  int before, round;
  server_start(&server, a_ok);
  start_sanitizers_helper();
  before = open_files();
  interrupted_calls();
  cancelled_thread();
  cancelled_before();
  small_stacks();
  ended_by_others(0);
  for (round = 0; round < 3; round++) ended_by_others(1);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  /* The server's ends are counted as well: it notices in its own time. */
  for (round = 0; round < 250 && open_files() > before; round++) server_pause_ms(20);
  if (before >= 0) CHECK(open_files() <= before);
  else printf("NOT CHECKED: files left open (no /proc/self/fd here)\n");
  server_stop(&server);
  return REPORT();
}
