/* test_requests.c - blocking calls against a service: bodies, parameters, headers, and every field of its errors. */
#define _DEFAULT_SOURCE
#include "connection.h"
#include "server.h"

static cognite_client *client;
static char unique[64]; /* starts the external ids of this run */

static cognite_response *succeeds(cognite_status status, cognite_response *response, cognite_error *err, int line) {
  char detail[300];
  snprintf(detail, sizeof detail, "line %d: %.250s", line, cognite_error_message(err));
  CHECK_(status == COGNITE_OK && response != NULL && err == NULL, detail);
  cognite_error_free(err);
  return response;
}
static cognite_status last;
#define SUCCEEDS(call) (last = (call), succeeds(last, response, err, __LINE__))

/* "externalId" of an item body with one item */
static const char *item(const char *name) {
  static char text[256];
  snprintf(text, sizeof text, "{\"items\":[{\"externalId\":\"%s-%s\",\"name\":\"n\xc3\xb8tt\"}]}", unique, name);
  return text;
}

static void reading_and_writing(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  cognite_request request = COGNITE_REQUEST_INIT;
  const char *body = item("one"), *text;
  size_t length = 0;

  SUCCEEDS(cognite_client_post(client, path("/assets"), body, strlen(body), NULL, NULL, &response, &err));
  CHECK(cognite_response_http_status(response) == 200 || cognite_response_http_status(response) == 201);
  text = cognite_response_body(response, &length);
  CHECK(length == strlen(text)); /* one NUL follows, and JSON has none inside */
  CHECK_CONTAINS(text, unique);
  CHECK_CONTAINS(text, "n\xc3\xb8tt");
  CHECK_CONTAINS(cognite_response_header(response, "Content-Type"), "application/json");
  CHECK(cognite_response_header(response, "CONTENT-TYPE") == cognite_response_header(response, "content-type") ||
        strcmp(cognite_response_header(response, "CONTENT-TYPE"), cognite_response_header(response, "content-type")) == 0);
  CHECK(cognite_response_header(response, "x-never-sent") == NULL);
  CHECK_CONTAINS(cognite_response_headers_json(response), "\"content-type\"");
  CHECK(cognite_response_elapsed_us(response) > 0 && cognite_response_elapsed_us(response) < 60000000);
  CHECK(cognite_response_attempts(response) == 1);
  CHECK(cognite_response_request_id(response) == NULL || *cognite_response_request_id(response) != '\0');
  cognite_response_free(response);

  SUCCEEDS(cognite_client_get(client, path("/assets"), "{\"limit\": 1, \"name\": \"n\xc3\xb8tt\"}", "{\"X-My-Header\": \"yes\"}",
                              &response, &err));
  CHECK_CONTAINS(cognite_response_body(response, NULL), "\"items\"");
  CHECK_CONTAINS(cognite_response_body(response, NULL), "n\xc3\xb8tt");
  cognite_response_free(response);

  /* Parameters in the URL and in `params` add up: limit from one, name from the other. */
  SUCCEEDS(cognite_client_get(client, path("/assets?limit=1"), "{\"name\": \"no such name\"}", NULL, &response, &err));
  CHECK_LACKS(cognite_response_body(response, NULL), "externalId");
  cognite_response_free(response);

  request.method = "POST";
  request.url = path("/assets/list");
  request.body = "{\"limit\": 1}";
  request.body_len = 12;
  request.retry = COGNITE_RETRY_SAFE;
  SUCCEEDS(cognite_client_call(client, &request, &response, &err));
  CHECK_CONTAINS(cognite_response_body(response, NULL), "\"items\"");
  cognite_response_free(response);
  request.content_type = "application/json"; /* the body as it is, unchecked */
  SUCCEEDS(cognite_client_call(client, &request, &response, &err));
  cognite_response_free(response);
}

/* Bodies beyond the size where compression begins, both ways. */
static void large(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  size_t room = 200000, used;
  char *body = malloc(room);
  int i;
  if (!CHECK(body != NULL)) return;
  used = (size_t)snprintf(body, room, "{\"items\":[");
  for (i = 0; i < 500; i++)
    used += (size_t)snprintf(body + used, room - used, "%s{\"externalId\":\"%s-large-%d\",\"name\":\"x\"}", i > 0 ? "," : "", unique, i);
  used += (size_t)snprintf(body + used, room - used, "]}");
  SUCCEEDS(cognite_client_post(client, path("/assets"), body, used, NULL, NULL, &response, &err));
  snprintf(body, room, "%s-large-499", unique);
  CHECK_CONTAINS(cognite_response_body(response, NULL), body);
  cognite_response_free(response);
  free(body);
}

/* The call fails like that; gives the error for more checks. */
static cognite_error *fails(cognite_status got, cognite_status wanted, int32_t http, cognite_response *response, cognite_error *err, int line) {
  char detail[300];
  snprintf(detail, sizeof detail, "line %d: %s, HTTP %d: %.200s", line, cognite_status_name(got),
           (int)cognite_error_http_status(err), cognite_error_message(err));
  CHECK_(got == wanted && cognite_error_status(err) == wanted, detail);
  CHECK_(cognite_error_http_status(err) == http, detail);
  CHECK_(response == NULL && cognite_error_attempts(err) >= 1, detail);
  CHECK_(cognite_error_in_doubt(err) == 0, detail);
  CHECK_(strlen(cognite_error_message(err)) >= 10, detail);
  CHECK_(cognite_error_json(err)[0] == '{', detail);
  return err;
}
#define FAILS(call, status, http) (last = (call), fails(last, status, http, response, err, __LINE__))

static void errors(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  const char *body, *unknown = "{\"items\":[{\"externalId\":\"no-such-thing\"}]}";

  FAILS(cognite_client_post(client, path("/assets/byids"), unknown, strlen(unknown), NULL, NULL, &response, &err),
        COGNITE_ERR_NOT_FOUND, 400);
  CHECK_CONTAINS(cognite_error_json(err), "\"missing\"");
  CHECK_CONTAINS(cognite_error_json(err), "no-such-thing");
  CHECK_CONTAINS(cognite_error_json(err), "\"statusName\":\"NOT_FOUND\"");
  CHECK(cognite_error_is_retryable(err) == 0);
  cognite_error_free(err);

  body = item("one"); /* made by reading_and_writing() */
  FAILS(cognite_client_post(client, path("/assets"), body, strlen(body), NULL, NULL, &response, &err), COGNITE_ERR_DUPLICATED, 409);
  CHECK_CONTAINS(cognite_error_json(err), "\"duplicated\"");
  CHECK_CONTAINS(cognite_error_json(err), unique);
  CHECK_CONTAINS(cognite_error_json(err), "\"project\"");
  CHECK(cognite_error_code(err) != NULL);
  cognite_error_free(err);

  FAILS(cognite_client_get(client, path("/nothing-here"), NULL, NULL, &response, &err), COGNITE_ERR_NOT_FOUND, 404);
  cognite_error_free(err);
  FAILS(cognite_client_post(client, path("/assets"), "{\"items\":5}", 11, NULL, NULL, &response, &err), COGNITE_ERR_API, 400);
  cognite_error_free(err);

  CHECK(cognite_client_put(client, path("/assets"), "{}", 2, NULL, NULL, &response, &err) != COGNITE_OK); /* no such operation */
  CHECK(cognite_error_http_status(err) == 404 || cognite_error_http_status(err) == 405);
  CHECK_CONTAINS(cognite_error_json(err), "\"method\":\"PUT\"");
  cognite_error_free(err);
}

static void wrong_credentials(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  cognite_client *wrong = connect_token("canary-wrong-token");
  FAILS(cognite_client_get(wrong, path("/assets"), NULL, NULL, &response, &err), COGNITE_ERR_ACCESS, 401);
  CHECK_LACKS(cognite_error_json(err), "canary-wrong-token");
  CHECK_CONTAINS(cognite_error_message(err), need("COGNITE_PROJECT"));
  cognite_error_free(err);
  cognite_client_free(wrong);

  wrong = connect_oauth("canary-wrong-secret");
  CHECK_STATUS(cognite_client_get(wrong, path("/assets"), NULL, NULL, &response, &err), COGNITE_ERR_AUTH);
  CHECK_EQUAL(cognite_error_code(err), "invalid_client");
  CHECK_LACKS(cognite_error_json(err), "canary-wrong-secret");
  CHECK_LACKS(cognite_error_message(err), "canary-wrong-secret");
  cognite_error_free(err);
  cognite_client_free(wrong);
}

static void a_silent(struct server *s, int fd) { server_hold(s, fd, 5000); }

/* timeout_ms of one call, on a client whose own limits are far away. The emulator always answers: so another server. */
static void one_timeout(void) {
  struct server silent;
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  char url[64];
  int64_t start = server_now_ms();
  server_start(&silent, a_silent);
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", silent.port);
  request.method = "GET";
  request.url = url;
  request.timeout_ms = 250;
  CHECK_STATUS(cognite_client_call(client, &request, &response, &err), COGNITE_ERR_TIMEOUT);
  CHECK(server_now_ms() - start >= 200 && server_now_ms() - start < (getenv("COGNITE_TEST_SLOW") != NULL ? 20000 : 2500));
  CHECK(cognite_error_http_status(err) == 0);
  cognite_error_free(err);
  server_stop(&silent);
}

int main(void) {
  snprintf(unique, sizeof unique, "c-%ld-%ld", (long)time(NULL), (long)getpid());
  client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  reading_and_writing();
  large();
  errors();
  wrong_credentials();
  one_timeout();
  cognite_client_free(client);
  return REPORT();
}
