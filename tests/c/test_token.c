/* test_token.c - tokens under load and under a failing identity provider. Both the provider and the API are servers of this
 * program, which count what reaches them. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "server.h"

static struct server idp, api;
/* What the provider answers; the servers' threads read it. */
static char idp_status[64], idp_headers[128], idp_body[1024];
static int idp_delay_ms;

static void provider(struct server *server, int fd) {
  char status[64], headers[128], body[1024];
  int delay;
  pthread_mutex_lock(&server->lock);
  memcpy(status, idp_status, sizeof status);
  memcpy(headers, idp_headers, sizeof headers);
  memcpy(body, idp_body, sizeof body);
  delay = idp_delay_ms;
  pthread_mutex_unlock(&server->lock);
  server_pause_ms(delay);
  server_reply(fd, status, headers, body, strlen(body));
}

static void provider_says(const char *status, const char *headers, const char *body, int delay_ms) {
  pthread_mutex_lock(&idp.lock);
  snprintf(idp_status, sizeof idp_status, "%s", status);
  snprintf(idp_headers, sizeof idp_headers, "%s", headers);
  snprintf(idp_body, sizeof idp_body, "%s", body);
  idp_delay_ms = delay_ms;
  idp.requests = 0;
  pthread_mutex_unlock(&idp.lock);
}

static int received(struct server *server) {
  int n;
  pthread_mutex_lock(&server->lock);
  n = server->requests;
  pthread_mutex_unlock(&server->lock);
  return n;
}

static void good(struct server *server, int fd) {
  (void)server;
  server_reply(fd, "200 OK", "Content-Type: application/json\r\n", "{}", 2);
}

static void refuses(struct server *server, int fd) {
  static const char body[] = "{\"error\":{\"code\":401,\"message\":\"Unauthorized\"}}";
  (void)server;
  server_reply(fd, "401 Unauthorized", "Content-Type: application/json\r\n", body, sizeof body - 1);
}

/* Quotes the token it was sent, in every place an error has. */
static void quotes(struct server *server, int fd) {
  static const char body[] =
      "{\"error\":{\"code\":403,\"message\":\"no: Bearer canary-token-1\",\"missing\":[{\"t\":\"canary-token-1\"}],\"x\":\"canary-token-1\"}}";
  (void)server;
  server_reply(fd, "403 Forbidden", "Content-Type: application/json\r\nLocation: /x?t=canary-token-1\r\n", body, sizeof body - 1);
}

static cognite_client *client_with_leeway(uint64_t leeway_ms) {
  char url[64];
  cognite_credentials *credentials = NULL;
  cognite_config *config = cognite_config_new();
  cognite_client *client = NULL;
  snprintf(url, sizeof url, "http://127.0.0.1:%d/token", idp.port);
  CHECK_STATUS(cognite_credentials_new_client_credentials(url, "id", "canary-secret", NULL, &credentials, NULL), COGNITE_OK);
  if (leeway_ms > 0) CHECK_STATUS(cognite_credentials_set_expiry_leeway_ms(credentials, leeway_ms, NULL), COGNITE_OK);
  snprintf(url, sizeof url, "http://127.0.0.1:%d", api.port);
  CHECK_STATUS(cognite_config_set_client_name(config, "token", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_project(config, "p", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_base_url(config, url, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_credentials(config, credentials, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_client_new(config, &client, NULL), COGNITE_OK);
  cognite_config_free(config);
  cognite_credentials_free(credentials);
  return client;
}

/* ---- many calls at once ---- */

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int told, with_status;
  cognite_status wanted;
} calls = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, COGNITE_OK};

static void told(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  (void)user_data;
  cognite_response_free(response);
  cognite_error_free(error);
  pthread_mutex_lock(&calls.lock);
  calls.told++;
  calls.with_status += status == calls.wanted;
  pthread_cond_signal(&calls.changed);
  pthread_mutex_unlock(&calls.lock);
}

static void call_at_once(cognite_client *client, int n, cognite_status wanted) {
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  int i;
  notify.done = told;
  calls.told = calls.with_status = 0;
  calls.wanted = wanted;
  for (i = 0; i < n; i++) CHECK_STATUS(cognite_client_get_async(client, "/x", NULL, NULL, &notify, NULL), COGNITE_OK);
  pthread_mutex_lock(&calls.lock);
  while (calls.told < n) pthread_cond_wait(&calls.changed, &calls.lock);
  pthread_mutex_unlock(&calls.lock);
  CHECK(calls.told == n && calls.with_status == n);
}

static void one_token_for_a_thousand_calls(void) {
  cognite_client *client = client_with_leeway(0);
  provider_says("200 OK", "", "{\"access_token\":\"t\",\"expires_in\":3600}", 200);
  call_at_once(client, 1000, COGNITE_OK);
  CHECK(received(&idp) == 1);
  CHECK(received(&api) == 1000);
  cognite_client_free(client);
}

static void no_storm_after_401(void) {
  cognite_client *client = client_with_leeway(0);
  provider_says("200 OK", "", "{\"access_token\":\"t\",\"expires_in\":3600}", 20);
  server_set(&api, refuses);
  call_at_once(client, 300, COGNITE_ERR_ACCESS);
  CHECK(received(&idp) == 2); /* the first token, and the one attempt to do better */
  CHECK(received(&api) <= 600);
  server_set(&api, good);
  cognite_client_free(client);
}

/* ---- secrets ---- */

static cognite_status call(cognite_client *client, cognite_error **err);

static void a_quoted_token_is_masked(void) {
  cognite_client *client = client_with_leeway(0);
  cognite_error *err = NULL;
  provider_says("200 OK", "", "{\"access_token\":\"canary-token-1\",\"expires_in\":3600}", 0);
  server_set(&api, quotes);
  CHECK_STATUS(call(client, &err), COGNITE_ERR_API);
  CHECK_CONTAINS(cognite_error_message(err), "no: Bearer ***");
  CHECK_LACKS(cognite_error_message(err), "canary-token");
  CHECK_LACKS(cognite_error_json(err), "canary-token");
  cognite_error_free(err);
  server_set(&api, good);
  cognite_client_free(client);
}

/* ---- a provider that fails ---- */

static cognite_status call(cognite_client *client, cognite_error **err) {
  cognite_response *response = NULL;
  cognite_status status = cognite_client_get(client, "/x", NULL, NULL, &response, err);
  cognite_response_free(response);
  return status;
}

/* The token lives 9 s and is to be renewed 6 s before its end. The provider is down from the first moment on. */
static void an_outage_is_survived_while_the_token_is_good(void) {
  cognite_client *client = client_with_leeway(6000);
  cognite_error *err = NULL;
  int64_t begun;
  int made = 0;
  provider_says("200 OK", "", "{\"access_token\":\"t\",\"expires_in\":9}", 0);
  CHECK_STATUS(call(client, NULL), COGNITE_OK);
  begun = server_now_ms();
  provider_says("503 Service Unavailable", "", "<html>down</html>", 0);
  while (server_now_ms() - begun < 8300) {
    if (!CHECK_(call(client, &err) == COGNITE_OK, cognite_error_message(err))) break;
    made++;
    server_pause_ms(20);
  }
  CHECK(made > 50);
  CHECK(received(&idp) >= 1 && received(&idp) <= 12); /* asked, but not by each call */
  server_pause_ms(1200);
  CHECK_STATUS(call(client, &err), COGNITE_ERR_AUTH);
  CHECK_CONTAINS(cognite_error_message(err), "503");
  CHECK(cognite_error_is_retryable(err) == 1 && cognite_error_in_doubt(err) == 0);
  cognite_error_free(err);
  provider_says("200 OK", "", "{\"access_token\":\"u\",\"expires_in\":3600}", 0);
  CHECK_STATUS(call(client, NULL), COGNITE_OK);
  cognite_client_free(client);
}

static void answers_of_a_provider(void) {
  static const struct {
    const char *status, *body, *word, *code;
  } cases[] = {
      {"401 Unauthorized", "{\"error\":\"invalid_client\",\"error_description\":\"wrong canary-secret\"}", "client_secret", "invalid_client"},
      {"401 Unauthorized", "{\"error\":\"invalid_client\",\"error_description\":\"the secret has expired\",\"correlation_id\":\"c-17\"}",
       "expired", "invalid_client"},
      {"400 Bad Request", "{\"error\":\"invalid_request\",\"error_description\":\"tenant not found\"}", "tenant not found", "invalid_request"},
      {"200 OK", "<html>sign in</html>", "not JSON", NULL},
      {"200 OK", "", "empty", NULL},
      {"200 OK", "{\"access_token\":\"t\"}", "expires_in", NULL},
      {"200 OK", "{\"access_token\":\"t\",\"expires_in\":true}", "expires_in", NULL},
      {"404 Not Found", "{\"message\":\"no such tenant\"}", "404", "HTTP 404"},
      {"200 OK", "{\"access_token\":\"t\",\"expires_in\":\"soon\"}", "expires_in", NULL},
      {"200 OK", "{\"access_token\":\"\",\"expires_in\":3600}", "access_token", NULL},
      {"200 OK", "[1]", "access_token", NULL},
  };
  size_t i;
  for (i = 0; i < sizeof cases / sizeof *cases; i++) {
    cognite_client *client = client_with_leeway(0);
    cognite_error *err = NULL;
    int64_t begun = server_now_ms();
    provider_says(cases[i].status, "", cases[i].body, 0);
    CHECK_STATUS(call(client, &err), COGNITE_ERR_AUTH);
    CHECK_CONTAINS(cognite_error_message(err), cases[i].word);
    CHECK_LACKS(cognite_error_json(err), "canary-secret");
    if (cases[i].code != NULL) CHECK_EQUAL(cognite_error_code(err), cases[i].code);
    if (strstr(cases[i].body, "c-17") != NULL) CHECK_CONTAINS(cognite_error_json(err), "\"correlationId\":\"c-17\"");
    CHECK(received(&idp) == 1); /* none of these passes by itself */
    CHECK(server_now_ms() - begun < (getenv("COGNITE_TEST_SLOW") != NULL ? 20000 : 2000));
    cognite_error_free(err);
    cognite_client_free(client);
  }
  {
    /* A number sent as text is a number. */
    cognite_client *client = client_with_leeway(0);
    provider_says("200 OK", "", "{\"access_token\":\"t\",\"expires_in\":\"3600\"}", 0);
    CHECK_STATUS(call(client, NULL), COGNITE_OK);
    cognite_client_free(client);
  }
}

int main(void) {
  server_start(&idp, provider);
  server_start(&api, good);
  one_token_for_a_thousand_calls();
  no_storm_after_401();
  a_quoted_token_is_masked();
  an_outage_is_survived_while_the_token_is_good();
  answers_of_a_provider();
  server_stop(&idp);
  server_stop(&api);
  return REPORT();
}
