/* starved.c - a process that is short of threads or of files, or about to end: calls get an error or an answer, never a hang,
 * and work again once there is what was lacking. The creation of threads fails here, in this program's own function, which
 * also sees that the library's threads never have the mask of the host's, not even when they begin. */
#define _GNU_SOURCE
#include "host.h"
#include <dlfcn.h>
#include <sys/resource.h>

enum { FILES = 400, EACH = 3 };

static struct host_server server;
static cognite_client *client;
static int told;

/* ---- threads ---- */

static int created, refused_from, refused_to;
static int watched, seen, open_to_signals;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  static int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  int number = __atomic_add_fetch(&created, 1, __ATOMIC_SEQ_CST);
  if (create == NULL) *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
  if (watched) {
    sigset_t inherited;
    pthread_sigmask(SIG_SETMASK, NULL, &inherited);
    __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
    if (!sigismember(&inherited, SIGUSR1) || !sigismember(&inherited, SIGTERM) || !sigismember(&inherited, SIGPIPE))
      __atomic_add_fetch(&open_to_signals, 1, __ATOMIC_SEQ_CST);
  }
  return number >= refused_from && number <= refused_to ? EAGAIN : create(thread, attributes, run, argument);
}

static void on_done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  (void)user_data;
  (void)status;
  cognite_response_free(response);
  cognite_error_free(error);
  __atomic_add_fetch(&told, 1, __ATOMIC_SEQ_CST);
}

/* The library's own defects are not an answer. */
static int good(cognite_status status) { return status != COGNITE_ERR_INTERNAL; }

static void short_of_threads(int from, int to) {
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_status accepted;
  int bad = 0;
  host_start(&server);
  client = host_client(server.port);
  notify.done = on_done;
  refused_from = created + from;
  refused_to = created + to;
  if (!good(host_get(client, "/ok")) || !good(host_get(client, "/ok"))) bad |= 1;
  accepted = cognite_client_get_async(client, "/hang", NULL, NULL, &notify, NULL);
  if (!good(accepted)) bad |= 2;
  refused_to = 0;
  if (host_get(client, "/ok") != COGNITE_OK) bad |= 4;
  if (cognite_shutdown(NULL) != COGNITE_OK || told != (accepted == COGNITE_OK)) bad |= 8;
  if (host_get(client, "/ok") != COGNITE_OK) bad |= 16;
  _exit(bad);
}

/* In a process of its own, so that every thread that begins here, and every descriptor, is the library's. */
static pid_t serve_elsewhere(void) {
  int ports[2];
  pid_t serving;
  if (pipe(ports) != 0) _exit(70);
  serving = fork();
  if (serving == 0) {
    host_start(&server);
    if (write(ports[1], &server.port, sizeof server.port) != sizeof server.port) _exit(1);
    for (;;) pause();
  }
  if (read(ports[0], &server.port, sizeof server.port) != sizeof server.port) _exit(71);
  close(ports[0]);
  close(ports[1]);
  return serving;
}

static void begun_under_a_mask(void) {
  char url[64], text[200];
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_upload upload = COGNITE_UPLOAD_INIT;
  cognite_download download = COGNITE_DOWNLOAD_INIT;
  int round, bad = 0;
  pid_t serving = serve_elsewhere();
  snprintf(url, sizeof url, "http://localhost:%d", server.port); /* a name, which is looked up */
  snprintf(text, sizeof text, "/tmp/cognite-hazards-%ld", (long)getpid());
  client = host_client_at(url);
  notify.done = on_done;
  upload.file = download.file = "{\"id\":1}";
  upload.file_len = download.file_len = strlen(upload.file);
  upload.flags = COGNITE_UPLOAD_EXISTING;
  upload.path = "/proc/self/exe";
  download.path = text;
  watched = 1;
  for (round = 0; round < 5; round++) {
    cognite_response *response = NULL;
    switch (round) { /* each is the first of an engine */
      case 0: bad |= host_get(client, "/ok") != COGNITE_OK; break;
      case 1: bad |= cognite_client_get_async(client, "/ok", NULL, NULL, &notify, NULL) != COGNITE_OK; break;
      /* The server knows of no files: what matters happened before it was asked. */
      case 2: bad |= cognite_client_upload(client, &upload, &response, NULL) != COGNITE_ERR_DECODE; break;
      case 3: bad |= cognite_client_download(client, &download, &response, NULL) != COGNITE_ERR_DECODE; break;
      default: bad |= cognite_client_diagnose(client, 5000, &response, NULL) != COGNITE_OK;
    }
    cognite_response_free(response);
    bad |= cognite_shutdown(NULL) != COGNITE_OK;
  }
  kill(serving, SIGKILL);
  _exit(bad ? 72 : open_to_signals != 0 ? 73 : seen < 10 ? 74 : 0);
}

/* ---- files ---- */

/* Standard streams that are closed, and used all the same: what is printed goes nowhere, not into what took their numbers. */
static void without_streams(void) {
  static const char *const words[] = {"false", "true"};
  char text[300], kind[64], path[32];
  int way, i, bad = 0;
  pid_t serving = serve_elsewhere();
  client = host_client(server.port);
  if (host_get(client, "/ok") != COGNITE_OK) _exit(80); /* what the engine needs for itself is there */
  for (way = 0; way < 2; way++) {
    cognite_client *other = NULL;
    cognite_queue *queue = NULL;
    snprintf(text, sizeof text,
             "{\"client_name\":\"n\",\"project\":\"p\",\"debug\":%s,\"base_url\":\"http://127.0.0.1:%d\",\"credentials\":{\"token\":\"t\"}}",
             words[way], server.port);
    for (i = 0; i < 3; i++) close(i);
    if (cognite_client_load(text, strlen(text), &other, NULL) != COGNITE_OK) _exit(81);
    if (cognite_queue_new(0, &queue, NULL) != COGNITE_OK) _exit(82);
    for (i = 0; i < 20; i++) {
      cognite_response *response = NULL;
      cognite_notify notify = COGNITE_NOTIFY_INIT;
      cognite_completion done = COGNITE_COMPLETION_INIT;
      notify.queue = queue;
      if (cognite_client_get_async(other, "/ok", NULL, NULL, &notify, NULL) != COGNITE_OK) bad |= 1;
      if (cognite_client_get(other, "/ok", NULL, NULL, &response, NULL) != COGNITE_OK || cognite_response_attempts(response) != 1) bad |= 2;
      if (cognite_queue_next(queue, 20000, &done, NULL) != COGNITE_OK || done.status != COGNITE_OK) bad |= 4;
      if (cognite_response_attempts(done.response) != 1) bad |= 4;
      cognite_response_free(response);
      cognite_response_free(done.response);
      (void)!write(1, "printed\n", 8);
      (void)!write(2, "told\n", 5);
    }
    for (i = 0; i < 3; i++) {
      ssize_t n;
      snprintf(path, sizeof path, "/proc/self/fd/%d", i);
      n = readlink(path, kind, sizeof kind - 1);
      kind[n > 0 ? n : 0] = '\0';
      if (strncmp(kind, "socket:", 7) == 0) bad |= 8;
    }
    cognite_queue_free(queue);
    cognite_client_free(other);
  }
  if (cognite_shutdown(NULL) != COGNITE_OK) bad |= 16;
  kill(serving, SIGKILL);
  _exit(bad);
}

static int answered;

static void *call(void *unused) {
  int i;
  for (i = 0; i < EACH; i++)
    if (host_get(client, "/slow") == COGNITE_OK) __atomic_add_fetch(&answered, 1, __ATOMIC_SEQ_CST);
  return unused;
}

/* Far more threads than there may be open files, each in a blocking call. */
static void short_of_files(int threads) {
  struct rlimit limit = {FILES, FILES};
  pthread_t *all = calloc((size_t)threads, sizeof *all);
  int i;
  host_start(&server);
  client = host_client(server.port);
  if (all == NULL || setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(90);
  for (i = 0; i < threads; i++)
    if (pthread_create(&all[i], NULL, call, NULL) != 0) _exit(91);
  for (i = 0; i < threads; i++) pthread_join(all[i], NULL);
  _exit(answered == threads * EACH && cognite_shutdown(NULL) == COGNITE_OK ? 0 : 92);
}

/* ---- an end ---- */

static void at_exit(void) {
  if (host_get(client, "/ok") != COGNITE_OK) _exit(93);
  if (cognite_shutdown(NULL) != COGNITE_OK) _exit(94);
}

/* By then the thread has lost what belonged to it. */
static void begun_anew_at_exit(void) {
  atexit(at_exit);
  host_start(&server);
  client = host_client(server.port);
  if (host_get(client, "/ok") != COGNITE_OK || cognite_shutdown(NULL) != COGNITE_OK) _exit(95);
  exit(0);
}

int main(void) {
  int threads = host_long() ? 1000 : 500, ended = 0, from, width;
  for (width = 0; width < 3; width++) {
    for (from = 1; from <= 8; from++, ended++) {
      static const int widths[] = {0, 2, 1000};
      char what[64];
      pid_t pid;
      fflush(NULL);
      pid = fork();
      if (pid == 0) short_of_threads(from, from + widths[width]);
      snprintf(what, sizeof what, "%d threads refused from the %d. on", widths[width] + 1, from);
      host_ended(pid, 60000, what);
    }
  }
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) begun_under_a_mask();
  host_ended(pid, 60000, "threads begun under a mask");
  pid = fork();
  if (pid == 0) without_streams();
  host_ended(pid, 60000, "without standard streams");
  pid = fork();
  if (pid == 0) short_of_files(threads);
  host_ended(pid, 200000, "more threads than files");
  pid = fork();
  if (pid == 0) begun_anew_at_exit();
  host_ended(pid, 20000, "begun anew at exit");
  printf("starved: %d times without threads, %d threads with %d files, begun anew at exit\n", ended, threads, FILES);
  return REPORT();
}
