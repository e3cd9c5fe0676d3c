/* test_arguments_requests.c - wrong arguments to clients, requests and notifications. Needs no network: the only
 * address used is a closed port of this machine. */
#include "refuses.h"
#include <stddef.h>

static cognite_client *client;
static int told = 0;

/* For calls that must be refused: never called. */
static void never(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  (void)user_data;
  (void)status;
  told++;
  cognite_response_free(response);
  cognite_error_free(error);
}

static void makers(void) {
  cognite_config *config = good_config(), *copy = NULL;
  cognite_client *out = NULL;
  cognite_credentials *token = NULL;
  cognite_error *err = POISON(cognite_error);
  CHECK_STATUS(cognite_credentials_new_token("t", &token, NULL), COGNITE_OK);

  REFUSES(cognite_client_new, config, (cognite_client **)NULL);
  out = POISON(cognite_client);
  CHECK_STATUS(cognite_client_new(NULL, &out, &err), COGNITE_ERR_CONFIG); /* there is no default of the process */
  CHECK(out == NULL && strlen(cognite_error_message(err)) > 10);
  cognite_error_free(err);

  REFUSES_OUT(cognite_client, out, cognite_client_default, NULL, "c", token, NULL, &out);
  REFUSES_OUT(cognite_client, out, cognite_client_default, "p", NULL, token, NULL, &out);
  REFUSES_OUT(cognite_client, out, cognite_client_default, "p", "c", NULL, NULL, &out);
  REFUSES(cognite_client_default, "p", "c", token, NULL, (cognite_client **)NULL);
  REFUSES_NAMING("project", cognite_client_default, bad, "c", token, NULL, &out);
#define ENTRA cognite_client_default_oauth_client_credentials
  REFUSES_OUT(cognite_client, out, ENTRA, NULL, "c", "t", "i", "s", NULL, &out);
  REFUSES_OUT(cognite_client, out, ENTRA, "p", NULL, "t", "i", "s", NULL, &out);
  REFUSES_OUT(cognite_client, out, ENTRA, "p", "c", NULL, "i", "s", NULL, &out);
  REFUSES_OUT(cognite_client, out, ENTRA, "p", "c", "t", NULL, "s", NULL, &out);
  REFUSES_OUT(cognite_client, out, ENTRA, "p", "c", "t", "i", NULL, NULL, &out);
  REFUSES(ENTRA, "p", "c", "t", "i", "s", NULL, (cognite_client **)NULL);
  REFUSES_NAMING("client_secret", ENTRA, "p", "c", "t", "i", bad, NULL, &out);
  REFUSES_OUT(cognite_client, out, cognite_client_load, NULL, 3, &out);
  REFUSES(cognite_client_load, "{}", 2, (cognite_client **)NULL);
  REFUSES_OUT(cognite_config, copy, cognite_client_config, NULL, &copy);
  REFUSES(cognite_client_config, client, (cognite_config **)NULL);
  cognite_credentials_free(token);
  cognite_config_free(config);
}

static void plain_calls(void) {
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_response *out = NULL;
  notify.done = never;

  REFUSES_OUT(cognite_response, out, cognite_client_get, NULL, "/x", NULL, NULL, &out);
  REFUSES_OUT(cognite_response, out, cognite_client_get, client, NULL, NULL, NULL, &out);
  REFUSES(cognite_client_get, client, "/x", NULL, NULL, (cognite_response **)NULL);
  REFUSES_NAMING("url", cognite_client_get, client, bad, NULL, NULL, &out);
  REFUSES_NAMING("params", cognite_client_get, client, "/x", bad, NULL, &out);
  REFUSES_NAMING("headers", cognite_client_get, client, "/x", NULL, bad, &out);
  REFUSES_NAMING("url", cognite_client_get, client, "", NULL, NULL, &out);
  REFUSES_NAMING("url", cognite_client_get, client, "no-slash", NULL, NULL, &out);
  REFUSES_NAMING("url", cognite_client_get, client, "ftp://127.0.0.1/x", NULL, NULL, &out);
  REFUSES_NAMING("params", cognite_client_get, client, "/x", "[1]", NULL, &out);
  REFUSES_NAMING("params", cognite_client_get, client, "/x", "{\"a\":", NULL, &out);
  REFUSES_NAMING("headers", cognite_client_get, client, "/x", NULL, "\"text\"", &out);
  REFUSES_NAMING("header", cognite_client_get, client, "/x", NULL, "{\"a\": 5}", &out);
  REFUSES_NAMING("header", cognite_client_get, client, "/x", NULL, "{\"a b\": \"c\"}", &out);
  REFUSES_NAMING("header", cognite_client_get, client, "/x", NULL, "{\"a\": \"b\\r\\nc: d\"}", &out);

  REFUSES_OUT(cognite_response, out, cognite_client_post, NULL, "/x", "{}", 2, NULL, NULL, &out);
  REFUSES_OUT(cognite_response, out, cognite_client_post, client, NULL, "{}", 2, NULL, NULL, &out);
  REFUSES(cognite_client_post, client, "/x", "{}", 2, NULL, NULL, (cognite_response **)NULL);
  REFUSES_NAMING("body", cognite_client_post, client, "/x", NULL, 5, NULL, NULL, &out);
  REFUSES_NAMING("body", cognite_client_post, client, "/x", "{\"a\":", 5, NULL, NULL, &out);
  REFUSES_NAMING("body", cognite_client_post, client, "/x", "NaN", 3, NULL, NULL, &out);
  REFUSES_NAMING("body", cognite_client_post, client, "/x", "\"\xff\"", 3, NULL, NULL, &out);
  REFUSES_OUT(cognite_response, out, cognite_client_put, NULL, "/x", "{}", 2, NULL, NULL, &out);
  REFUSES_NAMING("body", cognite_client_put, client, "/x", NULL, 5, NULL, NULL, &out);
  REFUSES(cognite_client_put, client, "/x", "{}", 2, NULL, NULL, (cognite_response **)NULL);

  REFUSES(cognite_client_get_async, NULL, "/x", NULL, NULL, &notify);
  REFUSES(cognite_client_get_async, client, NULL, NULL, NULL, &notify);
  REFUSES(cognite_client_get_async, client, "/x", NULL, NULL, NULL);
  REFUSES_NAMING("params", cognite_client_get_async, client, "/x", "[]", NULL, &notify);
  REFUSES(cognite_client_post_async, NULL, "/x", "{}", 2, NULL, NULL, &notify);
  REFUSES(cognite_client_post_async, client, "/x", "{}", 2, NULL, NULL, NULL);
  REFUSES_NAMING("body", cognite_client_post_async, client, "/x", "{", 1, NULL, NULL, &notify);
  REFUSES(cognite_client_put_async, NULL, "/x", "{}", 2, NULL, NULL, &notify);
  REFUSES(cognite_client_put_async, client, "/x", "{}", 2, NULL, NULL, NULL);
  REFUSES_OUT(cognite_response, out, cognite_client_authorization, NULL, &out);
  REFUSES(cognite_client_authorization, client, (cognite_response **)NULL);
  REFUSES(cognite_client_authorization_async, NULL, &notify);
  REFUSES(cognite_client_authorization_async, client, NULL);
}

static void full_calls(void) {
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_response *out = NULL;
  request.method = "GET";
  request.url = "/x";
  notify.done = never;

  REFUSES_OUT(cognite_response, out, cognite_client_call, NULL, &request, &out);
  REFUSES_OUT(cognite_response, out, cognite_client_call, client, NULL, &out);
  REFUSES(cognite_client_call, client, &request, (cognite_response **)NULL);
  REFUSES(cognite_client_call_async, NULL, &request, &notify);
  REFUSES(cognite_client_call_async, client, NULL, &notify);
  REFUSES(cognite_client_call_async, client, &request, NULL);

#define REFUSED_WITH(field, value, name)                                             \
  do {                                                                               \
    cognite_request changed = request;                                               \
    changed.field = value;                                                           \
    REFUSES_NAMING(name, cognite_client_call, client, &changed, &out);               \
    REFUSES_NAMING(name, cognite_client_call_async, client, &changed, &notify);      \
  } while (0)
  REFUSED_WITH(method, NULL, "method");
  REFUSED_WITH(method, "", "method");
  REFUSED_WITH(method, "GE T", "method");
  REFUSED_WITH(method, bad, "method");
  REFUSED_WITH(url, NULL, "url");
  REFUSED_WITH(params, "[]", "params");
  REFUSED_WITH(headers, "[]", "headers");
  REFUSED_WITH(body_len, 5, "body");
  REFUSED_WITH(content_type, bad, "content_type");
  REFUSED_WITH(content_type, "a\r\nb: c", "content_type");
  REFUSED_WITH(retry, 3, "retry");
  REFUSED_WITH(retry, 0xffffffffu, "retry");
  REFUSED_WITH(reserved, 1, "reserved");
  REFUSED_WITH(struct_size, 0, "struct_size");
  REFUSED_WITH(struct_size, sizeof(size_t) - 1, "struct_size");

  notify.done = NULL;
  REFUSES_NAMING("done", cognite_client_call_async, client, &request, &notify);
  notify.done = never;
  notify.struct_size = 0;
  REFUSES_NAMING("struct_size", cognite_client_call_async, client, &request, &notify);
}

/* A caller made for an older or a newer library. */
static void other_sizes(void) {
  struct {
    cognite_request known;
    unsigned char tail[24];
  } newer;
  struct {
    cognite_notify known;
    unsigned char tail[24];
  } newer_notify;
  cognite_response *out = NULL;
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_status status;

  memset(&newer, 0, sizeof newer);
  newer.known = request;
  newer.known.struct_size = sizeof newer;
  newer.known.method = "GET";
  newer.known.url = "/x";
  newer.known.timeout_ms = 200;
  status = cognite_client_call(client, &newer.known, &out, NULL); /* accepted; it fails later, as nobody answers */
  CHECK_(status == COGNITE_ERR_CONNECTION || status == COGNITE_ERR_TIMEOUT, cognite_status_name(status));
  newer.tail[23] = 1;
  REFUSES_NAMING("request", cognite_client_call, client, &newer.known, &out);

  memset(&newer_notify, 0, sizeof newer_notify);
  newer_notify.known = notify;
  newer_notify.known.done = never;
  newer_notify.known.struct_size = sizeof newer_notify;
  newer_notify.tail[0] = 1;
  REFUSES_NAMING("notify", cognite_client_get_async, client, "/x", NULL, NULL, &newer_notify.known);

  /* Shorter than it ever was. */
  request.method = "GET";
  request.url = "/x";
  request.struct_size = offsetof(cognite_request, reserved);
  REFUSES_NAMING("struct_size", cognite_client_call, client, &request, &out);
  notify.done = never;
  notify.struct_size = offsetof(cognite_notify, user_data);
  REFUSES_NAMING("struct_size", cognite_client_get_async, client, "/x", NULL, NULL, &notify);
}

int main(void) {
  cognite_config *config = good_config();
  CHECK_STATUS(cognite_client_new(config, &client, NULL), COGNITE_OK);
  cognite_config_free(config);
  makers();
  plain_calls();
  full_calls();
  other_sizes();
  cognite_client_free(client);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK); /* any callback has been made by now */
  CHECK(told == 0);
  return REPORT();
}
