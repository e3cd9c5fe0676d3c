/* test_metrics.c - what a client counts, as JSON and for Prometheus; and the diagnosis of what is wrong. */
#define _DEFAULT_SOURCE
#include "connection.h"
#include "server.h"

static char text[1 << 16];

/* ---- metrics ---- */

static const char *metrics(cognite_client *client) {
  cognite_response *response = NULL;
  CHECK_STATUS(cognite_client_metrics(client, &response, NULL), COGNITE_OK);
  snprintf(text, sizeof text, "%s", cognite_response_body(response, NULL));
  cognite_response_free(response);
  return text;
}

static long number(const char *json, const char *name) {
  char key[64];
  const char *at;
  snprintf(key, sizeof key, "\"%s\":", name);
  at = strstr(json, key);
  return CHECK_(at != NULL, name) ? strtol(at + strlen(key), NULL, 10) : -1;
}

static int turn;
static void a_service(struct server *server, int fd) {
  static const char ok[] = "{\"items\":[]}";
  turn++;
  if (strncmp(server->head, "GET /retry", 10) == 0 && turn % 2 != 0) server_reply(fd, "503 Busy", "", "{}", 2);
  else if (strncmp(server->head, "GET /gone", 9) == 0) server_reply(fd, "404 Not Found", "", "{}", 2);
  else if (strncmp(server->head, "GET /hold", 9) == 0) server_hold(server, fd, 60000);
  else server_reply(fd, "200 OK", "", ok, sizeof ok - 1);
}

static cognite_client *at_port(int port) {
  char yaml[512];
  cognite_client *client = NULL;
  cognite_error *err = NULL;
  snprintf(yaml, sizeof yaml,
           "client_name: metrics\nproject: 'p \"q\" \\ r'\nbase_url: http://127.0.0.1:%d\ncredentials: {token: canary-token}\n", port);
  cognite_client_load(yaml, strlen(yaml), &client, &err);
  CHECK_(client != NULL, cognite_error_message(err));
  cognite_error_free(err);
  return client;
}

static cognite_status get(cognite_client *client, const char *url, uint64_t timeout_ms) {
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_response *response = NULL;
  cognite_status status;
  request.method = "GET";
  request.url = url;
  request.timeout_ms = timeout_ms;
  status = cognite_client_call(client, &request, &response, NULL);
  cognite_response_free(response);
  return status;
}

static void counts(void) {
  struct server server;
  cognite_client *client;
  cognite_response *response = NULL;
  const char *json, *page;
  server_start(&server, a_service);
  client = at_port(server.port);
  CHECK(number(metrics(client), "attempts") == 0);
  CHECK_STATUS(get(client, "/ok", 0), COGNITE_OK);
  turn = 0;
  CHECK_STATUS(get(client, "/retry", 0), COGNITE_OK);
  CHECK_STATUS(get(client, "/gone", 0), COGNITE_ERR_NOT_FOUND);
  CHECK_STATUS(get(client, "/hold", 200), COGNITE_ERR_TIMEOUT);
  CHECK_STATUS(cognite_client_post(client, "/events/list", "{\"a\":1}", 7, NULL, NULL, &response, NULL), COGNITE_OK);
  cognite_response_free(response);
  response = NULL;
  json = metrics(client);
  CHECK(number(json, "2xx") == 3 && number(json, "4xx") == 1 && number(json, "timeout") == 1);
  CHECK(number(json, "attempts") == 6 && number(json, "503") == 1);
  CHECK(number(json, "sent_bytes") == 7 && number(json, "received_bytes") == 3 * 12 + 2 * 2);
  CHECK(number(json, "in_flight") == 0 && number(json, "accepted") == 0 && number(json, "pool_waits") == 0);
  CHECK_CONTAINS(json, "\"request_seconds\":{\"count\":5,");
  CHECK_CONTAINS(json, "\"attempt_seconds\":{\"count\":6,");
  CHECK_LACKS(json, "canary");

  CHECK_STATUS(cognite_client_metrics_prometheus(client, &response, NULL), COGNITE_OK);
  page = cognite_response_body(response, NULL);
  CHECK_CONTAINS(page, "# TYPE cognite_requests_total counter\n");
  CHECK_CONTAINS(page, "cognite_requests_total{project=\"p \\\"q\\\" \\\\ r\",outcome=\"2xx\"} 3\n");
  CHECK_CONTAINS(page, "cognite_attempt_duration_seconds_count{project=\"p \\\"q\\\" \\\\ r\"} 6\n");
  cognite_response_free(response);

  CHECK_STATUS(cognite_client_metrics(NULL, &response, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_client_metrics(client, NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_client_metrics_prometheus(NULL, &response, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  cognite_client_free(client);
  server_stop(&server);
}

/* ---- diagnosis ---- */

/* The diagnosis of `client`, in `text`; checks that it ends in time and tells no secret. */
static const char *diagnose(cognite_client *client, uint64_t timeout_ms) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  int64_t start = server_now_ms();
  CHECK_STATUS(cognite_client_diagnose(client, timeout_ms, &response, &err), COGNITE_OK);
  CHECK(server_now_ms() - start < (int64_t)timeout_ms + 2000);
  snprintf(text, sizeof text, "%s", cognite_response_body(response, NULL));
  cognite_response_free(response);
  cognite_error_free(err);
  CHECK_LACKS(text, "canary");
  return text;
}

/* Whether the check of this name is `ok` ("true", "false" or "null"). */
static int check_is(const char *json, const char *name, const char *ok) {
  char part[64];
  snprintf(part, sizeof part, "{\"name\":\"%s\",\"ok\":%s,", name, ok);
  return strstr(json, part) != NULL;
}
#define CHECK_STEP(json, name, ok) CHECK_(check_is(json, name, ok), json)

static cognite_client *loaded(const char *base_url, const char *project, const char *credentials) {
  char yaml[2048];
  cognite_client *client = NULL;
  cognite_error *err = NULL;
  snprintf(yaml, sizeof yaml, "client_name: doctor\nproject: %s\nbase_url: %s\n%s\n", project, base_url, credentials);
  cognite_client_load(yaml, strlen(yaml), &client, &err);
  CHECK_(client != NULL, cognite_error_message(err));
  cognite_error_free(err);
  return client;
}

static void well_and_ill(void) {
  char credentials[1024];
  const char *json;
  cognite_client *client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  json = diagnose(client, 20000);
  CHECK_CONTAINS(json, "{\"ok\":true,");
  CHECK_STEP(json, "token", "true");
  CHECK_STEP(json, "inspect", "true");
  CHECK_STEP(json, "project", "true");
  CHECK_STEP(json, "clock", "true");
  CHECK_STEP(json, "tls", "null");
  CHECK_CONTAINS(json, "Everything works.");
  CHECK_LACKS(json, need("COGNITE_CLIENT_SECRET"));
  cognite_client_free(client);

  client = connect_oauth("canary-wrong-secret");
  json = diagnose(client, 20000);
  CHECK_CONTAINS(json, "{\"ok\":false,");
  CHECK_STEP(json, "tcp", "true");
  CHECK_STEP(json, "token", "false");
  CHECK_STEP(json, "project", "null");
  CHECK_CONTAINS(json, "client_secret");
  cognite_client_free(client);

  snprintf(credentials, sizeof credentials,
           "credentials: {client_credentials: {token_url: '%s', client_id: '%s', client_secret: '%s', scopes: '%s'}}",
           need("COGNITE_TOKEN_URL"), need("COGNITE_CLIENT_ID"), need("COGNITE_CLIENT_SECRET"), need("COGNITE_SCOPES"));
  client = loaded(need("COGNITE_BASE_URL"), "no-such/project", credentials);
  json = diagnose(client, 20000);
  CHECK_STEP(json, "token", "true");
  CHECK_STEP(json, "inspect", "false");
  CHECK_STEP(json, "project", "false");
  CHECK_CONTAINS(json, need("COGNITE_PROJECT")); /* the one that the token does reach */
  cognite_client_free(client);
}

static void nobody_there(void) {
  struct server server;
  char url[64];
  const char *json;
  cognite_client *client = loaded("https://no-such-host.invalid", "p", "credentials: {token: canary-token}");
  json = diagnose(client, 15000);
  CHECK_STEP(json, "dns", "false");
  CHECK_STEP(json, "tcp", "null");
  CHECK_STEP(json, "inspect", "null");
  CHECK_CONTAINS(json, "no-such-host.invalid");
  cognite_client_free(client);

  server_start(&server, a_service);
  snprintf(url, sizeof url, "http://127.0.0.1:%d", server.port);
  server_stop(&server); /* and now nobody listens there */
  client = loaded(url, "p", "credentials: {token: canary-token}");
  json = diagnose(client, 15000);
  CHECK_STEP(json, "dns", "true");
  CHECK_STEP(json, "tcp", "false");
  CHECK_STEP(json, "project", "null");
  CHECK_CONTAINS(json, "refuses connections");
  CHECK_CONTAINS(json, "begin with 'tcp'");
  cognite_client_free(client);
}

static void a_html(struct server *server, int fd) {
  static const char page[] = "<html>please log in, canary-page</html>";
  (void)server;
  server_reply(fd, "200 OK", "Content-Type: text/html\r\n", page, sizeof page - 1);
}
static void a_silent(struct server *server, int fd) { server_hold(server, fd, 60000); }
static void a_late(struct server *server, int fd) {
  static const char body[] = "{\"projects\":[{\"projectUrlName\":\"p\"}],\"urlName\":\"p\"}";
  (void)server;
  server_reply(fd, "200 OK", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\n", body, sizeof body - 1);
}

/* Any other server than CDF, and CDF with another clock. */
static void odd_servers(void) {
  static const server_answer answers[] = {a_html, a_silent, a_late, a_html};
  size_t i;
  for (i = 0; i < sizeof answers / sizeof *answers; i++) {
    struct server server;
    char url[64];
    const char *json;
    cognite_client *client;
    server_start(&server, answers[i]);
    /* the last one: spoken to in TLS */
    snprintf(url, sizeof url, "%s://127.0.0.1:%d", i == 3 ? "https" : "http", server.port);
    client = loaded(url, "p", "credentials: {token: canary-token}");
    json = diagnose(client, i == 1 ? 1500 : 10000);
    CHECK_STEP(json, "tcp", "true");
    CHECK_CONTAINS(json, "{\"ok\":false,");
    if (i == 0) {
      CHECK_STEP(json, "inspect", "false");
      CHECK_CONTAINS(json, "not JSON (text/html)");
    } else if (i == 1) {
      CHECK_STEP(json, "inspect", "false");
      CHECK_STEP(json, "project", "false");
    } else if (i == 2) {
      CHECK_STEP(json, "project", "true");
      CHECK_STEP(json, "clock", "false");
      CHECK_CONTAINS(json, "ahead of the server");
    } else {
      CHECK_STEP(json, "tls", "false");
      CHECK_STEP(json, "inspect", "false");
    }
    cognite_client_free(client);
    server_stop(&server);
  }
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int told, told_well;
static void on_done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  pthread_mutex_lock(&lock);
  told++;
  told_well += status == COGNITE_OK && error == NULL && strstr(cognite_response_body(response, NULL), "\"checks\":[") != NULL && user_data == &told;
  pthread_mutex_unlock(&lock);
  cognite_response_free(response);
  cognite_error_free(error);
}

static void asynchronous(void) {
  cognite_client *client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  int i, done = 0;
  CHECK_STATUS(cognite_client_diagnose_async(client, 0, &notify, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  notify.done = on_done;
  notify.user_data = &told;
  CHECK_STATUS(cognite_client_diagnose_async(client, 0, &notify, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_client_diagnose_async(NULL, 0, &notify, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_client_diagnose(client, 0, NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  for (i = 0; i < 3000 && !done; i++) {
    server_pause_ms(10);
    pthread_mutex_lock(&lock);
    done = told;
    pthread_mutex_unlock(&lock);
  }
  cognite_client_free(client);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK(told == 1 && told_well == 1);
}

int main(void) {
  counts();
  well_and_ill();
  nobody_there();
  odd_servers();
  asynchronous();
  return REPORT();
}
