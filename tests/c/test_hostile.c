/* test_hostile.c - servers that answer nonsense, too much, too little, or not at all. Each must give a clear error soon:
 * the right status, a message, and whether a write may have been applied. */
#define _DEFAULT_SOURCE
#include "check.h"
#include "deflate.h"
#include "server.h"
#include <sys/resource.h>

#define CANARY "canary-secret-77"
#define ASSETS "/api/v1/projects/p/assets"

static struct server server, other;
static int slow; /* under valgrind: more patience, and memory is not measured */
static cognite_client *client;
static unsigned char *blob; /* what gzip answers send */
static unsigned char *sent[4]; /* earlier ones: a client that has seen enough does not wait until all is sent */
static size_t blob_length;

static cognite_client *make_client(int port, const char *credentials) {
  char text[1024];
  cognite_client *made = NULL;
  cognite_error *err = NULL;
  snprintf(text, sizeof text,
           "{\"client_name\":\"hostile\",\"project\":\"p\",\"base_url\":\"http://127.0.0.1:%d\",\"timeout\":5,"
           "\"total_timeout\":20,\"max_response_bytes\":1000000,\"credentials\":%s}", port, credentials);
  cognite_client_load(text, strlen(text), &made, &err);
  CHECK_(made != NULL, cognite_error_message(err));
  cognite_error_free(err);
  return made;
}

static long peak_kib(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

/* ---- answers ---- */

#define BODY(text) text, sizeof text - 1

static const char html[] = "<!DOCTYPE html><html><body>Sign in to the proxy</body></html>";
static void a_html_200(struct server *s, int fd) { (void)s; server_reply(fd, "200 OK", "Content-Type: text/html\r\n", html, sizeof html - 1); }
static void a_html_500(struct server *s, int fd) { (void)s; server_reply(fd, "500 Oops", "Content-Type: text/html\r\n", html, sizeof html - 1); }
static void a_empty_200(struct server *s, int fd) { (void)s; server_reply(fd, "200 OK", "", "", 0); }
static void a_empty_500(struct server *s, int fd) { (void)s; server_reply(fd, "500 Oops", "", "", 0); }
static void a_odd_400(struct server *s, int fd) { (void)s; server_reply(fd, "400 Bad", "x-request-id: rid-1\r\n", BODY("{\"error\":[1,2]}")); }
static void a_binary_400(struct server *s, int fd) { (void)s; server_reply(fd, "400 Bad", "", BODY("\xff\xfe\0\x01\r\n\x1b[31m")); }
static void a_redirect(struct server *s, int fd) { (void)s; server_reply(fd, "301 Moved", "Location: http://127.0.0.1:9/elsewhere\r\n", "", 0); }
static void a_huge(struct server *s, int fd) { server_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n{"); server_hold(s, fd, 5000); }
static void a_cut(struct server *s, int fd) { (void)s; server_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"items\":"); }
static void a_garbage(struct server *s, int fd) { (void)s; server_text(fd, "SSH-2.0-OpenSSH_9.2\r\nhello\r\n\r\n"); }
static void a_silent(struct server *s, int fd) { server_hold(s, fd, 5000); }
static void a_close(struct server *s, int fd) { (void)s; (void)fd; }
static void a_reset(struct server *s, int fd) { (void)s; server_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"); server_pause_ms(50); server_reset(fd); }
static void a_gzip(struct server *s, int fd) { (void)s; server_reply(fd, "200 OK", "Content-Encoding: gzip\r\n", blob, blob_length); }
static void a_bad_gzip(struct server *s, int fd) { (void)s; server_reply(fd, "200 OK", "Content-Encoding: gzip\r\n", BODY("\x1f\x8b\x08 not gzip at all")); }
static void a_endless(struct server *s, int fd) {
  char part[8192];
  memset(part, 'x', sizeof part);
  server_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  while (!server_stopping(s) && server_send(fd, part, sizeof part)) { }
}
static void a_headers(struct server *s, int fd) {
  char line[1024];
  int i;
  (void)s;
  memset(line, 'x', sizeof line);
  memcpy(line, "x-a: ", 5);
  memcpy(line + sizeof line - 3, "\r\n", 3);
  server_text(fd, "HTTP/1.1 200 OK\r\n");
  for (i = 0; i < 20000 && server_text(fd, line); i++) { }
  server_text(fd, "\r\n");
}

/* ---- one call ---- */

/* Sends `method` to the server that answers like that; the call must fail with `wanted` within `seconds`. */
static void fails(const char *what, server_answer answer, const char *method, cognite_status wanted, int in_doubt) {
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_response *response = POISON(cognite_response);
  cognite_error *err = NULL;
  cognite_status status;
  int64_t start = server_now_ms();
  char detail[400];
  long before = peak_kib();

  server_set(&server, answer);
  request.method = method;
  request.url = ASSETS;
  if (strcmp(method, "POST") == 0) {
    request.body = "{\"items\":[]}";
    request.body_len = 12;
  }
  status = cognite_client_call(client, &request, &response, &err);
  snprintf(detail, sizeof detail, "%s %s: %s, in doubt %d, \"%.200s\"", method, what, cognite_status_name(status),
           (int)cognite_error_in_doubt(err), cognite_error_message(err));
  CHECK_(status == wanted && cognite_error_status(err) == wanted, detail);
  CHECK_(response == NULL, detail);
  CHECK_(cognite_error_in_doubt(err) == in_doubt, detail);
  CHECK_(strlen(cognite_error_message(err)) >= 10 && strlen(cognite_error_message(err)) < 4000, detail);
  CHECK_(strpbrk(cognite_error_message(err), "\r\n\x1b") == NULL, detail);
  CHECK_(strstr(cognite_error_json(err), CANARY) == NULL, detail);
  CHECK_(server_now_ms() - start < (slow ? 80000 : 8000), detail);
  if (!slow) CHECK_(peak_kib() - before < 64 * 1024, detail);
  CHECK_(server_count(&server, NULL) >= 1, detail); /* the server was really asked */
  if (getenv("VERBOSE") != NULL) printf("%s\n  %s\n", detail, cognite_error_json(err));
  cognite_error_free(err);
}

static void get_fails(const char *what, server_answer answer, cognite_status wanted) { fails(what, answer, "GET", wanted, 0); }

static void succeeds(server_answer answer, const char *body, size_t length) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  size_t got = 1;
  server_set(&server, answer);
  cognite_client_get(client, ASSETS, NULL, NULL, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  (void)cognite_response_body(response, &got);
  CHECK(got == length && memcmp(cognite_response_body(response, NULL), body, length) == 0);
  CHECK(cognite_response_body(response, NULL)[got] == '\0');
  cognite_response_free(response);
  cognite_error_free(err);
}

static void answers(void) {
  char *zeros = calloc(1, 100000);
  succeeds(a_html_200, html, sizeof html - 1); /* a body is handed over as it is: judging it is the program's job */
  succeeds(a_empty_200, "", 0);
  get_fails("HTML 500", a_html_500, COGNITE_ERR_API);
  get_fails("empty 500", a_empty_500, COGNITE_ERR_API);
  get_fails("odd 400", a_odd_400, COGNITE_ERR_API);
  get_fails("binary 400", a_binary_400, COGNITE_ERR_API);
  get_fails("redirect", a_redirect, COGNITE_ERR_API);
  fails("odd 400", a_odd_400, "POST", COGNITE_ERR_API, 0);
  get_fails("Content-Length 2 GiB", a_huge, COGNITE_ERR_DECODE);
  get_fails("endless body", a_endless, COGNITE_ERR_DECODE);
  get_fails("body cut short", a_cut, COGNITE_ERR_CONNECTION);
  get_fails("garbage", a_garbage, COGNITE_ERR_DECODE);
  get_fails("20 MB of headers", a_headers, COGNITE_ERR_DECODE);
  get_fails("broken gzip", a_bad_gzip, COGNITE_ERR_DECODE);
  get_fails("closed", a_close, COGNITE_ERR_CONNECTION);
  get_fails("reset in the body", a_reset, COGNITE_ERR_CONNECTION);
  /* A write that was sent and got no answer one can read may have been applied. */
  fails("body cut short", a_cut, "POST", COGNITE_ERR_CONNECTION, 1);
  fails("closed", a_close, "POST", COGNITE_ERR_CONNECTION, 1);
  fails("reset in the body", a_reset, "POST", COGNITE_ERR_CONNECTION, 1);
  fails("garbage", a_garbage, "POST", COGNITE_ERR_DECODE, 1);

  blob = gzip_zeros(100000, &blob_length);
  if (CHECK(blob != NULL && zeros != NULL)) succeeds(a_gzip, zeros, 100000); /* our gzip is good */
  sent[0] = blob;
  blob = gzip_zeros(200u << 20, &blob_length);
  if (CHECK(blob != NULL)) {
    CHECK(blob_length > 1000000 && blob_length < 3000000);
    get_fails("gzip bomb, 200 MB in 1.4 MB", a_gzip, COGNITE_ERR_DECODE);
  }
  sent[1] = blob;
  blob = gzip_zeros(100u << 20, &blob_length); /* compressed below the limit of 1 MB, unpacked far above */
  if (CHECK(blob != NULL && blob_length < 1000000)) get_fails("gzip bomb, 100 MB in 0.7 MB", a_gzip, COGNITE_ERR_DECODE);
  sent[2] = blob;
  blob = gzip_zeros(100000, &blob_length);
  if (CHECK(blob != NULL)) {
    blob_length /= 2;
    get_fails("gzip cut short", a_gzip, COGNITE_ERR_DECODE);
  }
  sent[3] = blob;
  free(zeros);
}

static void silence(void) {
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  int64_t start;
  int i;
  request.url = ASSETS;
  request.timeout_ms = 300;
  for (i = 0; i < 2; i++) {
    server_set(&server, a_silent);
    request.method = i == 0 ? "GET" : "POST";
    request.body = i == 0 ? NULL : "{}";
    request.body_len = i == 0 ? 0 : 2;
    start = server_now_ms();
    CHECK_STATUS(cognite_client_call(client, &request, &response, &err), COGNITE_ERR_TIMEOUT);
    CHECK(server_now_ms() - start >= 250 && server_now_ms() - start < (slow ? 20000 : 2500));
    CHECK(cognite_error_in_doubt(err) == i && cognite_error_is_retryable(err) == !i);
    CHECK_CONTAINS(cognite_error_json(err), "\"phase\":\"send\"");
    CHECK(strlen(cognite_error_message(err)) > 10);
    cognite_error_free(err);
    server_set(&server, a_close);
    request.timeout_ms = 2000;
    CHECK(cognite_client_call(client, &request, &response, &err) != COGNITE_OK);
    CHECK(cognite_error_in_doubt(err) == i && cognite_error_is_retryable(err) == !i);
    cognite_error_free(err);
    request.timeout_ms = 300;
  }
}

static void fields(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  server_set(&server, a_odd_400);
  cognite_client_get(client, ASSETS, NULL, NULL, &response, &err);
  CHECK(cognite_error_http_status(err) == 400);
  CHECK_EQUAL(cognite_error_request_id(err), "rid-1");
  CHECK(cognite_error_attempts(err) == 1);
  cognite_error_free(err);
  server_set(&server, a_redirect);
  cognite_client_get(client, ASSETS, NULL, NULL, &response, &err);
  CHECK(cognite_error_http_status(err) == 301);
  CHECK_CONTAINS(cognite_error_json(err), "elsewhere");
  CHECK(server_count(&server, NULL) == 1); /* not followed */
  cognite_error_free(err);
}

static void unreachable(void) {
  struct server gone;
  cognite_client *lost;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  server_start(&gone, a_close);
  server_stop(&gone); /* its port is closed now */
  lost = make_client(gone.port, "{\"token\":\"" CANARY "\"}");
  CHECK_STATUS(cognite_client_post(lost, ASSETS, "{}", 2, NULL, NULL, &response, &err), COGNITE_ERR_CONNECTION);
  CHECK(cognite_error_in_doubt(err) == 0); /* nothing was sent */
  CHECK(cognite_error_is_retryable(err) == 1);
  CHECK(cognite_error_http_status(err) == 0);
  CHECK_CONTAINS(cognite_error_json(err), "refused");
  CHECK_LACKS(cognite_error_json(err), CANARY);
  cognite_error_free(err);
  cognite_client_free(lost);
}

/* The token goes to the configured origin and nowhere else. */
static void token_stays(void) {
  char url[128];
  cognite_response *response = NULL;
  int authorized = 0;
  server_set(&server, a_empty_200);
  CHECK_STATUS(cognite_client_get(client, ASSETS, NULL, NULL, &response, NULL), COGNITE_OK);
  cognite_response_free(response);
  CHECK(server_count(&server, &authorized) == 1 && authorized == 1);
  snprintf(url, sizeof url, "http://127.0.0.1:%d/x", server.port);
  CHECK_STATUS(cognite_client_get(client, url, NULL, NULL, &response, NULL), COGNITE_OK);
  cognite_response_free(response);
  CHECK(server_count(&server, &authorized) == 2 && authorized == 2);
  server_set(&other, a_empty_200);
  snprintf(url, sizeof url, "http://127.0.0.1:%d/x", other.port);
  CHECK_STATUS(cognite_client_get(client, url, NULL, NULL, &response, NULL), COGNITE_OK);
  cognite_response_free(response);
  CHECK(server_count(&other, &authorized) == 1 && authorized == 0);
  snprintf(url, sizeof url, "http://localhost:%d/x", server.port); /* the same machine by another name */
  cognite_client_get(client, url, NULL, NULL, &response, NULL);
  cognite_response_free(response);
  CHECK(server_count(&server, &authorized) <= 3 && authorized == 2);
}

/* ---- token endpoints ---- */

static void t_denied(struct server *s, int fd) {
  static const char body[] = "{\"error\":\"invalid_client\",\"error_description\":\"the secret\\r\\nis wrong\"}";
  (void)s;
  server_reply(fd, "401 Unauthorized", "Content-Type: application/json\r\n", body, sizeof body - 1);
}
static void t_echo(struct server *s, int fd) { /* gives back what it got, the secret included */
  char body[17000];
  (void)s;
  snprintf(body, sizeof body, "{\"error\":\"invalid_client\",\"error_description\":\"client_secret=" CANARY "\"}");
  server_reply(fd, "400 Bad", "", body, strlen(body));
}
static void t_no_token(struct server *s, int fd) { (void)s; server_reply(fd, "200 OK", "", BODY("{\"expires_in\":5}")); }
static void t_bad_token(struct server *s, int fd) { (void)s; server_reply(fd, "200 OK", "", BODY("{\"access_token\":\"a\\r\\nb: c\",\"expires_in\":5}")); }
static void t_big(struct server *s, int fd) {
  char *body = malloc(10000000);
  (void)s;
  if (body == NULL) return;
  memset(body, 'x', 10000000);
  server_reply(fd, "200 OK", "", body, 10000000);
  free(body);
}

static void token_fails(const char *what, server_answer answer, const char *code) {
  char credentials[512], detail[300];
  cognite_client *made;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  cognite_status status;
  snprintf(credentials, sizeof credentials,
           "{\"client_credentials\":{\"token_url\":\"http://127.0.0.1:%d/t\",\"client_id\":\"id\","
           "\"client_secret\":\"" CANARY "\",\"scopes\":\"s\"}}", server.port);
  made = make_client(other.port, credentials);
  server_set(&server, answer);
  server_set(&other, a_empty_200);
  status = cognite_client_post(made, ASSETS, "{}", 2, NULL, NULL, &response, &err);
  snprintf(detail, sizeof detail, "token endpoint: %s: %s, \"%.200s\"", what, cognite_status_name(status), cognite_error_message(err));
  CHECK_(status == COGNITE_ERR_AUTH && response == NULL, detail);
  CHECK_(strlen(cognite_error_message(err)) >= 10 && strlen(cognite_error_message(err)) < 4000, detail);
  CHECK_(strpbrk(cognite_error_message(err), "\r\n") == NULL, detail);
  CHECK_(cognite_error_in_doubt(err) == 0, detail); /* the request itself was never sent */
  CHECK_(server_count(&other, NULL) == 0, detail);
  CHECK_(server_count(&server, NULL) >= 1, detail);
  CHECK_LACKS(cognite_error_message(err), CANARY);
  CHECK_LACKS(cognite_error_json(err), CANARY);
  if (code != NULL) {
    CHECK_EQUAL(cognite_error_code(err), code);
    CHECK_CONTAINS(cognite_error_message(err), code);
  }
  if (getenv("VERBOSE") != NULL) printf("%s\n  %s\n", detail, cognite_error_json(err));
  cognite_error_free(err);
  cognite_client_free(made);
}

int main(void) {
  int i;
  static const char settings[] = "{\"max_retries\":0,\"max_retries_connect\":0}";
  slow = getenv("COGNITE_TEST_SLOW") != NULL;
  if (slow) printf("NOT CHECKED: how much memory an answer takes (COGNITE_TEST_SLOW is set)\n");
  server_start(&server, a_close);
  server_start(&other, a_close);
  CHECK_STATUS(cognite_global_apply_settings(settings, sizeof settings - 1, NULL), COGNITE_OK);
  client = make_client(server.port, "{\"token\":\"" CANARY "\"}");
  answers();
  silence();
  fields();
  unreachable();
  token_stays();
  token_fails("wrong secret", t_denied, "invalid_client");
  token_fails("secret in the answer", t_echo, "invalid_client");
  token_fails("HTML", a_html_200, NULL);
  token_fails("HTML 500", a_html_500, NULL);
  token_fails("empty", a_empty_200, NULL);
  token_fails("no token", t_no_token, NULL);
  token_fails("a token with line ends", t_bad_token, NULL);
  token_fails("10 MB", t_big, NULL);
  token_fails("closed", a_close, NULL);
  cognite_client_free(client);
  server_stop(&other);
  server_stop(&server);
  for (i = 0; i < 4; i++) free(sent[i]);
  return REPORT();
}
