/* test_async.c - callbacks: told exactly once, whatever happens; token providers; shutdown and starting again. */
#define _DEFAULT_SOURCE
#include "connection.h"
#include "server.h"
#include <dirent.h>

enum { MANY = 500, LIMIT_MS = 60000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* What one call was told. Guarded by lock. */
struct told {
  int times;
  cognite_status status;
  int on_caller; /* told on the thread that submitted, which must not be */
  pthread_t submitter;
};
static struct told all[MANY];
static int told_total;

static void reset(void) {
  pthread_mutex_lock(&lock);
  memset(all, 0, sizeof all);
  told_total = 0;
  pthread_mutex_unlock(&lock);
}

static void on_done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  struct told *told = user_data;
  int odd = status == COGNITE_OK ? response == NULL || error != NULL : response != NULL || cognite_error_status(error) != status;
  pthread_mutex_lock(&lock);
  told->times += odd ? 1000 : 1;
  told->status = status;
  told->on_caller = pthread_equal(pthread_self(), told->submitter);
  told_total++;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  cognite_response_free(response);
  cognite_error_free(error);
}

/* 1: `count` calls have been told within the limit. */
static int wait_for(int count) {
  struct timespec until;
  int good = 1;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += LIMIT_MS / 1000;
  pthread_mutex_lock(&lock);
  while (told_total < count && good) good = pthread_cond_timedwait(&changed, &lock, &until) == 0;
  pthread_mutex_unlock(&lock);
  return good;
}

/* GETs `url`, told to all[i]. */
static int submit(cognite_client *client, const char *url, int i, cognite_done done) {
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_error *err = NULL;
  cognite_status status;
  notify.done = done;
  notify.user_data = &all[i];
  all[i].submitter = pthread_self();
  status = cognite_client_get_async(client, url, "{\"limit\": 1}", NULL, &notify, &err);
  memset(&notify, 0x55, sizeof notify); /* it was copied */
  CHECK_(status == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  return status == COGNITE_OK;
}

static void check_told(int count, cognite_status wanted, int line) {
  int i, wrong = 0;
  cognite_status other = wanted;
  char detail[128];
  pthread_mutex_lock(&lock);
  for (i = 0; i < count; i++) {
    if (all[i].times == 1 && all[i].status == wanted && !all[i].on_caller) continue;
    wrong++;
    other = all[i].status;
  }
  snprintf(detail, sizeof detail, "line %d: %d of %d not told once with %s on another thread (one: %s)", line, wrong, count,
           cognite_status_name(wanted), cognite_status_name(other));
  pthread_mutex_unlock(&lock);
  CHECK_(wrong == 0, detail);
}
#define CHECK_TOLD(count, wanted) check_told(count, wanted, __LINE__)

static void many(cognite_client *client) {
  int i;
  reset();
  for (i = 0; i < MANY; i++) submit(client, path("/assets"), i, on_done);
  CHECK(wait_for(MANY));
  server_pause_ms(100); /* time for a second one that must not come */
  CHECK_TOLD(MANY, COGNITE_OK);
  CHECK(told_total == MANY);
}

static void post_and_put(cognite_client *client) {
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_request request = COGNITE_REQUEST_INIT;
  char body[] = "{\"limit\": 1}";
  reset();
  notify.done = on_done;
  notify.user_data = &all[0];
  CHECK_STATUS(cognite_client_post_async(client, path("/assets/list"), body, strlen(body), NULL, NULL, &notify, NULL), COGNITE_OK);
  request.method = "POST";
  request.url = path("/assets/list");
  request.body = body;
  request.body_len = strlen(body);
  notify.user_data = &all[1];
  CHECK_STATUS(cognite_client_call_async(client, &request, &notify, NULL), COGNITE_OK);
  notify.user_data = &all[2];
  CHECK_STATUS(cognite_client_authorization_async(client, &notify, NULL), COGNITE_OK);
  notify.user_data = &all[3];
  CHECK_STATUS(cognite_client_put_async(client, path("/assets"), body, strlen(body), NULL, NULL, &notify, NULL), COGNITE_OK);
  memset(body, 'x', sizeof body); /* inputs are read during the call only */
  CHECK(wait_for(4));
  CHECK_TOLD(3, COGNITE_OK);
  CHECK(all[3].times == 1 && all[3].status != COGNITE_OK); /* nothing can be PUT there */
}

/* ---- inside a callback ---- */

static cognite_client *inside_client;
static char inside_url[512];
static cognite_status inside_call, inside_shutdown;

static void calls_inside(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  cognite_response *inner = NULL;
  inside_call = cognite_client_get(inside_client, inside_url, NULL, NULL, &inner, NULL);
  inside_shutdown = cognite_shutdown(NULL);
  cognite_response_free(inner);
  on_done(user_data, status, response, error);
}

static void inside(cognite_client *client) {
  reset();
  inside_client = client;
  strcpy(inside_url, path("/assets"));
  inside_call = inside_shutdown = -1;
  submit(client, inside_url, 0, calls_inside);
  CHECK(wait_for(1));
  CHECK_STATUS(inside_call, COGNITE_OK);
  CHECK_STATUS(inside_shutdown, COGNITE_ERR_WOULD_DEADLOCK);
  CHECK_TOLD(1, COGNITE_OK);
}

/* ---- token providers ---- */

static char token[4096];
static int asked, destroyed, mode; /* mode 0: answer now, 1: later from another thread, 2: fail, 3: never */
static cognite_token_request *kept;

static void *answer_later(void *request) {
  server_pause_ms(100);
  return cognite_token_request_answer(request, token, 60000, NULL) == COGNITE_OK ? NULL : request;
}

static void provide(void *user_data, cognite_token_request *request) {
  pthread_t thread;
  pthread_mutex_lock(&lock);
  asked += *(int *)user_data;
  pthread_mutex_unlock(&lock);
  if (mode == 0) (void)cognite_token_request_answer(request, token, 60000, NULL);
  if (mode == 1 && pthread_create(&thread, NULL, answer_later, request) == 0) pthread_detach(thread);
  if (mode == 2) (void)cognite_token_request_fail(request, "the vault is closed", NULL);
  if (mode == 3) kept = request;
}
static void count_destroy(void *user_data) { destroyed += *(int *)user_data; }

static void provider(int how) {
  static int one = 1;
  cognite_credentials *credentials = NULL;
  cognite_client *client;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  cognite_request request = COGNITE_REQUEST_INIT;
  int i;
  mode = how;
  asked = destroyed = 0;
  CHECK_STATUS(cognite_credentials_new_token_provider(provide, &one, count_destroy, &credentials, NULL), COGNITE_OK);
  client = connect_with(credentials);
  CHECK(destroyed == 0); /* the client still has it */
  request.method = "GET";
  request.url = path("/assets");
  request.timeout_ms = how == 3 ? 300 : 0;
  for (i = 0; i < (how < 2 ? 3 : 1); i++) {
    cognite_status status = cognite_client_call(client, &request, &response, &err);
    if (how < 2) {
      CHECK_(status == COGNITE_OK, cognite_error_message(err));
    } else if (how == 2) {
      CHECK_STATUS(status, COGNITE_ERR_AUTH);
      CHECK_CONTAINS(cognite_error_message(err), "the vault is closed");
    } else {
      CHECK_STATUS(status, COGNITE_ERR_TIMEOUT);
    }
    CHECK(how < 2 || cognite_error_in_doubt(err) == 0);
    cognite_response_free(response);
    cognite_error_free(err);
  }
  if (how < 2) CHECK(asked == 1); /* the answer is kept for the time it is good */
  if (how == 3) CHECK_STATUS(cognite_token_request_answer(kept, token, 0, NULL), COGNITE_OK); /* too late, but fine */
  cognite_client_free(client);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK(destroyed == 1);
}

/* ---- the end, and again ---- */

static int threads(void) {
  DIR *tasks = opendir("/proc/self/task");
  int count = 0;
  if (tasks == NULL) return -1;
  while (readdir(tasks) != NULL) count++;
  closedir(tasks);
  return count;
}

static void a_silent(struct server *s, int fd) { server_hold(s, fd, 60000); }

static void rounds(void) {
  struct server silent;
  char url[64];
  int round, i, before;
  server_start(&silent, a_silent);
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", silent.port);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK); /* twice is fine */
  before = threads();
  if (before < 0) printf("NOT CHECKED: threads left after shutdown (no /proc/self/task here)\n");
  for (round = 0; round < 5; round++) {
    cognite_client *client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
    cognite_response *response = NULL;
    reset();
    CHECK_STATUS(cognite_client_get(client, path("/assets"), NULL, NULL, &response, NULL), COGNITE_OK);
    cognite_response_free(response);
    for (i = 0; i < 20; i++) submit(client, url, i, on_done); /* nobody will ever answer these */
    CHECK(before < 0 || threads() > before);
    CHECK(told_total == 0);
    if (round % 2 == 0) cognite_client_free(client); /* accepted calls go on */
    CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
    CHECK_TOLD(20, COGNITE_ERR_SHUTDOWN); /* all of them, before shutdown returned */
    CHECK(threads() == before);
    if (round % 2 != 0) cognite_client_free(client);
  }
  server_stop(&silent);
}

/* A client outlives a shutdown: the next call on it starts afresh. */
static void old_client(cognite_client *client) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  cognite_client_get(client, path("/assets"), NULL, NULL, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  cognite_response_free(response);
  cognite_error_free(err);
}

static void freed_early(void) {
  cognite_client *client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  int i;
  reset();
  for (i = 0; i < 50; i++) submit(client, path("/assets"), i, on_done);
  cognite_client_free(client);
  CHECK(wait_for(50));
  CHECK_TOLD(50, COGNITE_OK);
}

int main(void) {
  cognite_client *client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  int how;
  fetch_token(client, token, sizeof token);
  many(client);
  post_and_put(client);
  inside(client);
  freed_early();
  for (how = 0; how < 4; how++) provider(how);
  rounds();
  old_client(client);
  cognite_client_free(client);
  return REPORT();
}
