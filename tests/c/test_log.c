/* test_log.c - log records: what they say, what they never say, and when they come. */
#define _DEFAULT_SOURCE
#include "check.h"
#include "server.h"

#define TOKEN "canary-token-1"
#define SECRET "canary-secret-2"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char all[4 << 20]; /* every record, a line each; guarded by lock */
static size_t used;
static int records, running, overlapping, on_caller, destroyed, destroyed_while_running, slow_ms, held, levels[5];
static pthread_t caller;

static void on_record(void *user_data, int32_t level, const char *record, size_t len) {
  pthread_mutex_lock(&lock);
  overlapping += running;
  running = 1;
  on_caller += pthread_equal(pthread_self(), caller) != 0;
  if (level >= 1 && level <= 4) levels[level]++;
  if (strlen(record) == len && strchr(record, '\n') == NULL && used + len + 2 < sizeof all) {
    memcpy(all + used, record, len);
    used += len;
    all[used++] = '\n';
    all[used] = '\0';
  } else {
    overlapping += 1000; /* cannot be: fails the check below */
  }
  records++;
  pthread_mutex_unlock(&lock);
  if (slow_ms != 0) server_pause_ms(slow_ms);
  while (__atomic_load_n(&held, __ATOMIC_SEQ_CST)) server_pause_ms(1);
  if (user_data == &slow_ms) { /* a callback may call the library, but not end it */
    CHECK_STATUS(cognite_shutdown(NULL), COGNITE_ERR_WOULD_DEADLOCK);
  }
  pthread_mutex_lock(&lock);
  running = 0;
  pthread_mutex_unlock(&lock);
}

static void on_destroy(void *user_data) {
  (void)user_data;
  pthread_mutex_lock(&lock);
  destroyed++;
  destroyed_while_running += running;
  pthread_mutex_unlock(&lock);
}

static void clear(void) {
  pthread_mutex_lock(&lock);
  used = 0;
  all[0] = '\0';
  records = 0;
  memset(levels, 0, sizeof levels);
  pthread_mutex_unlock(&lock);
}

static int count(const char *part) {
  int n = 0;
  const char *at = all;
  pthread_mutex_lock(&lock);
  while ((at = strstr(at, part)) != NULL) {
    n++;
    at++;
  }
  pthread_mutex_unlock(&lock);
  return n;
}

static int destroyed_so_far(void) {
  int n;
  pthread_mutex_lock(&lock);
  n = destroyed;
  pthread_mutex_unlock(&lock);
  return n;
}

static void start(void *user_data, int32_t level) {
  CHECK_STATUS(cognite_log_set_callback(on_record, user_data, on_destroy, level, NULL), COGNITE_OK);
}

/* ---- the server ---- */

static void a_answer(struct server *server, int fd) {
  static const char ok[] =
      "{\"items\":[{\"name\":\"visible\",\"downloadUrl\":\"https://blob/f?sig=canary-signature-3\",\"password\":\"canary-password-4\","
      "\"echo\":\"" TOKEN "\"}]}";
  static const char token[] = "{\"access_token\":\"" TOKEN "\",\"expires_in\":3600}";
  static const char refused[] = "{\"error\":\"invalid_client\",\"error_description\":\"no " SECRET "\"}";
  static const char busy[] = "{\"error\":{\"code\":503,\"message\":\"busy " TOKEN "\"}}";
  static int turn = 0;
  if (strncmp(server->head, "POST /token", 11) == 0) server_reply(fd, "200 OK", "", token, sizeof token - 1);
  else if (strncmp(server->head, "POST /refused", 13) == 0) server_reply(fd, "401 Unauthorized", "", refused, sizeof refused - 1);
  else if (strncmp(server->head, "GET /retry", 10) == 0 && turn++ % 2 == 0) server_reply(fd, "503 Busy", "", busy, sizeof busy - 1);
  else if (strncmp(server->head, "GET /gone", 9) == 0) server_reply(fd, "404 Not Found", "", busy, sizeof busy - 1);
  else
    server_reply(fd, "200 OK", "x-request-id: rid-9\r\nSet-Cookie: s=canary-cookie-5\r\nContent-Type: application/json\r\n", ok,
                 sizeof ok - 1);
}

static cognite_client *connect_to(int port, const char *token_path, int debug) {
  char yaml[1024];
  cognite_client *client = NULL;
  cognite_error *err = NULL;
  snprintf(yaml, sizeof yaml,
           "client_name: log\nproject: p\nbase_url: http://127.0.0.1:%d\ndebug: %s\ngzip_min_bytes: 10\n"
           "headers: {X-Api-Key: canary-header-6, x-team: pumps}\n"
           "credentials:\n  client_credentials:\n    token_url: http://127.0.0.1:%d%s\n    client_id: id\n"
           "    client_secret: " SECRET "\n    scopes: null\n",
           port, debug ? "true" : "false", port, token_path);
  cognite_client_load(yaml, strlen(yaml), &client, &err);
  CHECK_(client != NULL, cognite_error_message(err));
  cognite_error_free(err);
  return client;
}

static cognite_status get(cognite_client *client, const char *url) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  cognite_status status = cognite_client_get(client, url, NULL, NULL, &response, &err);
  cognite_response_free(response);
  cognite_error_free(err);
  return status;
}

static cognite_status post(cognite_client *client, const char *body) {
  cognite_response *response = NULL;
  cognite_status status = cognite_client_post(client, "/events/list", body, strlen(body), NULL, NULL, &response, NULL);
  cognite_response_free(response);
  return status;
}

/* All kinds of records, with secrets in every place that has some. */
static void everything(int port, int debug) {
  cognite_client *client, *locked_out;
  static const char body[] =
      "{\"visible\":\"text\",\"clientSecret\":\"canary-secret-7\",\"nonce\":\"canary-nonce-8\",\"auth\":{\"type\":\"header\",\"value\":\"canary-value-9\"},"
      "\"uploadUrl\":\"https://b/?X-Goog-Signature=canary-signature-10\"}";
  clear();
  client = connect_to(port, "/token", debug);
  locked_out = connect_to(port, "/refused", debug);
  start(NULL, COGNITE_LOG_DEBUG);
  CHECK_STATUS(get(client, "/plain?limit=5&sig=canary-signature-11&X-Amz-Signature=canary-signature-12"), COGNITE_OK);
  CHECK_STATUS(get(client, "/retry?x=1"), COGNITE_OK);
  CHECK_STATUS(get(client, "/gone"), COGNITE_ERR_NOT_FOUND);
  CHECK_STATUS(post(client, body), COGNITE_OK);
  CHECK_STATUS(post(client, "{\"password\": \"canary-password-13\"}"), COGNITE_OK);
  CHECK_STATUS(get(locked_out, "/plain"), COGNITE_ERR_AUTH);
  CHECK_STATUS(cognite_global_apply_settings("max_workers: 5", 14, NULL), COGNITE_OK);
  cognite_client_free(client);
  cognite_client_free(locked_out);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK); /* delivers what waits */

  CHECK(overlapping == 0 && on_caller == 0);
  CHECK_LACKS(all, "canary");
  CHECK(count("\"event\":\"request\"") == 6);
  CHECK(count("\"event\":\"retry\"") == 1 && count("\"event\":\"token\"") == 2 && count("\"event\":\"warning\"") == 1);
  CHECK(levels[COGNITE_LOG_DEBUG] == 4 && levels[COGNITE_LOG_WARNING] == 4 && levels[COGNITE_LOG_INFO] == 2);
  CHECK_CONTAINS(all, "?limit=5&sig=***&X-Amz-Signature=***");
  CHECK_CONTAINS(all, "\"request_id\":\"rid-9\"");
  CHECK_CONTAINS(all, "\"attempt\":1,\"wait_ms\":");
  CHECK_CONTAINS(all, "\"reason\":\"503\"");
  CHECK_CONTAINS(all, "\"setting\":\"max_workers\"");
  CHECK_CONTAINS(all, "\"oauth_error\":\"invalid_client\"");
  CHECK_CONTAINS(all, "\"expires_in_s\":3600");
  CHECK_CONTAINS(all, "\"elapsed_us\":");
  CHECK_CONTAINS(all, "\"attempts\":2");
  if (debug) {
    CHECK_CONTAINS(all, "\\\"visible\\\":\\\"text\\\"");
    CHECK_CONTAINS(all, "\"x-team\":\"pumps\"");
    CHECK_CONTAINS(all, "\"authorization\":\"***\"");
    CHECK_CONTAINS(all, "\"set-cookie\":\"***\"");
    CHECK_CONTAINS(all, "\\\"downloadUrl\\\":\\\"https://blob/f\\\"");
  } else {
    CHECK_LACKS(all, "visible");
  }
  CHECK_STATUS(cognite_log_set_callback(NULL, NULL, NULL, 0, NULL), COGNITE_OK);
}

/* What `debug` writes to standard error, caught in a file. */
static void debug_lines(int port) {
  static char text[1 << 20];
  FILE *caught = tmpfile();
  int before;
  size_t length;
  fflush(stderr);
  before = dup(2);
  if (!CHECK(caught != NULL && before >= 0)) return;
  dup2(fileno(caught), 2);
  everything(port, 1);
  fflush(stderr);
  dup2(before, 2);
  close(before);
  rewind(caught);
  length = fread(text, 1, sizeof text - 1, caught);
  text[length] = '\0';
  fclose(caught);
  CHECK_LACKS(text, "canary");
  CHECK_LACKS(text, "FAILED");
  CHECK_CONTAINS(text, "[cognite] GET http://127.0.0.1:");
  CHECK_CONTAINS(text, "    - payload: {\"visible\":\"text\"");
  CHECK_CONTAINS(text, "    - reason: 503");
  CHECK_CONTAINS(text, "    - response-payload: {");
}

/* A slow callback loses the oldest, and is told how many; calls do not wait for it. */
static void overflow(int port) {
  cognite_client *client = connect_to(port, "/token", 0);
  int i, wanted = 1400, dropped = 0;
  const char *at;
  clear();
  __atomic_store_n(&held, 1, __ATOMIC_SEQ_CST);
  start(NULL, COGNITE_LOG_DEBUG);
  CHECK_STATUS(get(client, "/plain"), COGNITE_OK);
  for (i = 0; i < wanted; i++) CHECK_STATUS(cognite_global_apply_settings("max_workers: 5", 14, NULL), COGNITE_OK);
  __atomic_store_n(&held, 0, __ATOMIC_SEQ_CST);
  cognite_client_free(client);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  for (at = all; (at = strstr(at, "\"dropped\":")) != NULL; at++) dropped += atoi(at + 10);
  CHECK(records + dropped == wanted + 2); /* and one request, one token */
  CHECK(dropped > 0);
}

static void ends(int port) {
  cognite_client *client;
  cognite_error *err = NULL;
  int before = destroyed_so_far();
  /* failures own user_data too, and leave the old callback in place */
  CHECK_STATUS(cognite_log_set_callback(on_record, NULL, on_destroy, 9, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "level");
  cognite_error_free(err);
  CHECK(destroyed_so_far() == before + 1);
  CHECK_STATUS(cognite_log_set_callback(on_record, NULL, on_destroy, -1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(destroyed_so_far() == before + 2);
  /* replaced: the old one is destroyed, once */
  start(&slow_ms, 0);
  CHECK(destroyed_so_far() == before + 3);
  clear();
  client = connect_to(port, "/token", 0);
  CHECK_STATUS(get(client, "/plain"), COGNITE_OK);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK(count("\"event\":\"token\"") == 1 && count("\"event\":\"request\"") == 0); /* level 0 is INFO */
  /* nothing after shutdown, until the library is used again; then what was said meanwhile */
  clear();
  CHECK_STATUS(cognite_global_apply_settings("max_workers: 5", 14, NULL), COGNITE_OK);
  server_pause_ms(100);
  CHECK(records == 0);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK); /* a second shutdown delivers too */
  CHECK(count("\"event\":\"warning\"") == 1);
  /* removed while a record is being given: destroyed after it */
  slow_ms = 300;
  clear();
  CHECK_STATUS(get(client, "/gone"), COGNITE_ERR_NOT_FOUND);
  for (before = 0; before < 200 && records == 0; before++) server_pause_ms(10);
  before = destroyed_so_far();
  CHECK_STATUS(cognite_log_set_callback(NULL, NULL, NULL, 0, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  slow_ms = 0;
  CHECK(destroyed_so_far() == before + 1 && destroyed_while_running == 0);
  clear();
  CHECK_STATUS(get(client, "/plain"), COGNITE_OK);
  cognite_client_free(client);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK(records == 0);
}

int main(void) {
  struct server server;
  caller = pthread_self();
  server_start(&server, a_answer);
  everything(server.port, 0);
  server_stop(&server);
  server_start(&server, a_answer);
  debug_lines(server.port);
  overflow(server.port);
  ends(server.port);
  server_stop(&server);
  return REPORT();
}
