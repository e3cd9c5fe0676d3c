/* test_config.c - settings: loading, checking, showing them without secrets, copying. Needs no network. */
#include "check.h"

#define CANARY "canary-9f3b-do-not-show"

static cognite_config *load_ok(const char *text, size_t length) {
  cognite_config *config = NULL;
  cognite_error *err = NULL;
  cognite_status status = cognite_config_load(text, length, &config, &err);
  CHECK_(status == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  return config;
}

/* Loading `text` fails with CONFIG, and the message contains `part`. No secret is shown. */
static void load_fails(const char *text, const char *part, int line) {
  cognite_config *config = POISON(cognite_config);
  cognite_error *err = NULL;
  cognite_status status = cognite_config_load(text, strlen(text), &config, &err);
  char where[64];
  snprintf(where, sizeof where, "called at line %d: %s", line, cognite_status_name(status));
  CHECK_(status == COGNITE_ERR_CONFIG, where);
  CHECK_(config == NULL, where);
  check_contains(cognite_error_message(err), part, __FILE__, line, "message");
  check_lacks(cognite_error_message(err), CANARY, __FILE__, line, "message");
  check_lacks(cognite_error_json(err), CANARY, __FILE__, line, "json");
  CHECK_(strchr(cognite_error_message(err), '\n') == NULL, where);
  cognite_error_free(err);
}
#define LOAD_FAILS(text, part) load_fails(text, part, __LINE__)

static void loading(void) {
  static const char yaml[] = "client_name: me\nproject: proj\nbase_url: https://example.com/prefix///\n"
                             "api_subversion: '20990101'\ntimeout: 1.5\nfile_transfer_timeout: 7\ndebug: false\n"
                             "headers: {x-one: '1', X-Two: two}\ncredentials:\n  token: " CANARY "\n";
  static const char json[] = "{\"client_name\":\"me\",\"project\":\"proj\",\"cluster\":\"my-cluster\","
                             "\"credentials\":{\"client_credentials\":{\"token_url\":\"https://h/t\",\"client_id\":\"id\","
                             "\"client_secret\":\"" CANARY "\",\"scopes\":[\"a\",\"b\"],\"audience\":\"aud\"}}}";
  char with_bom[sizeof json + 3];
  cognite_config *config = load_ok(yaml, sizeof yaml - 1);

  CHECK_EQUAL(cognite_config_get_client_name(config), "me");
  CHECK_EQUAL(cognite_config_get_project(config), "proj");
  CHECK_EQUAL(cognite_config_get_base_url(config), "https://example.com/prefix");
  CHECK_EQUAL(cognite_config_get_api_subversion(config), "20990101");
  CHECK(cognite_config_get_timeout_ms(config) == 1500);
  CHECK(cognite_config_get_file_transfer_timeout_ms(config) == 7000);
  CHECK(cognite_config_get_total_timeout_ms(config) == 600000);
  CHECK(cognite_config_get_debug(config) == 0);
  CHECK_CONTAINS(cognite_config_json(config), "x-one");
  CHECK_LACKS(cognite_config_json(config), CANARY);
  cognite_config_free(config);

  config = load_ok(json, sizeof json - 1);
  CHECK_EQUAL(cognite_config_get_base_url(config), "https://my-cluster.cognitedata.com");
  CHECK(cognite_config_get_timeout_ms(config) == 60000);
  CHECK_CONTAINS(cognite_config_json(config), "https://h/t");
  CHECK_CONTAINS(cognite_config_json(config), "client_credentials");
  CHECK_LACKS(cognite_config_json(config), CANARY);
  cognite_config_free(config);

  memcpy(with_bom, "\xef\xbb\xbf", 3);
  memcpy(with_bom + 3, json, sizeof json);
  config = load_ok(with_bom, sizeof with_bom - 1);
  CHECK_EQUAL(cognite_config_get_project(config), "proj");
  cognite_config_free(config);

  /* `len` counts: what follows it is not read (here: credentials) */
  config = POISON(cognite_config);
  CHECK_STATUS(cognite_config_load(yaml, (size_t)(strstr(yaml, "credentials") - yaml), &config, NULL), COGNITE_ERR_CONFIG);
  CHECK(config == NULL);
}

#define CREDENTIALS "credentials: {token: " CANARY "}\n"
#define BASE "client_name: me\nproject: p\n" CREDENTIALS

static void refused(void) {
  LOAD_FAILS("", "");
  LOAD_FAILS("5", "");
  LOAD_FAILS("- a\n- b\n", "");
  LOAD_FAILS("{\"a\": ", "");
  LOAD_FAILS("a: b: c: [", "");
  LOAD_FAILS(BASE "base_url: https://h\ntimout: 5\n", "timeout");
  LOAD_FAILS(BASE "base_ulr: https://h\n", "base_url");
  LOAD_FAILS(BASE "base_url: https://h\nheader: {}\n", "headers");
  LOAD_FAILS(BASE "base_url: https://h\ncluster: c\n", "cluster");
  LOAD_FAILS(BASE, "base_url");
  LOAD_FAILS("project: p\nbase_url: https://h\n" CREDENTIALS, "client_name");
  LOAD_FAILS("client_name: me\nbase_url: https://h\n" CREDENTIALS, "project");
  LOAD_FAILS("client_name: me\nproject: p\nbase_url: https://h\n", "credentials");
  LOAD_FAILS("client_name: me\nproject: ''\nbase_url: https://h\n" CREDENTIALS, "project");
  LOAD_FAILS("client_name: me\nproject: 5\nbase_url: https://h\n" CREDENTIALS, "project");
  LOAD_FAILS(BASE "base_url: h.example.com\n", "base_url");
  LOAD_FAILS(BASE "base_url: https://h\ntimeout: soon\n", "timeout");
  LOAD_FAILS(BASE "base_url: https://h\ntimeout: -1\n", "timeout");
  LOAD_FAILS(BASE "base_url: https://h\ndebug: perhaps\n", "debug");
  LOAD_FAILS(BASE "base_url: https://h\nheaders: [a]\n", "headers");
  LOAD_FAILS("client_name: me\nproject: p\nbase_url: https://h\ncredentials: {tokn: " CANARY "}\n", "token");
  LOAD_FAILS("client_name: me\nproject: p\nbase_url: https://h\ncredentials: {client_credentials: {token_url: 'http://h',"
             " client_id: i, client_secret: " CANARY "x, token: y, client_secrte: " CANARY ", scopes: []}, token: " CANARY "}\n",
             "credentials");
  LOAD_FAILS("client_name: me\nproject: p\nbase_url: https://h\ncredentials: {client_credentials: {token_url: 'http://h/t',"
             " client_secret: " CANARY ", scopes: null}}\n", "client_id");
}

/* Text from strangers is bounded: neither a huge file nor a YAML bomb takes long or much. */
static void bounded(void) {
  static const char bomb[] = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                             "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
                             "f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n"
                             "h: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\ni: [*h,*h,*h,*h,*h,*h,*h,*h,*h]\n";
  size_t size = 64u * 1024 * 1024;
  char *huge = malloc(size);
  cognite_config *config = NULL;
  cognite_error *err = NULL;
  cognite_status status;
  LOAD_FAILS(bomb, "");
  if (!CHECK(huge != NULL)) return;
  memset(huge, '#', size);
  status = cognite_config_load(huge, size, &config, &err);
  CHECK_(status == COGNITE_ERR_CONFIG || status == COGNITE_ERR_INVALID_ARGUMENT, cognite_status_name(status));
  CHECK(config == NULL && strlen(cognite_error_message(err)) < 1000);
  cognite_error_free(err);
  memset(huge, '[', 200000); /* deep nesting */
  status = cognite_config_load(huge, 200000, &config, NULL);
  CHECK_(status == COGNITE_ERR_CONFIG || status == COGNITE_ERR_INVALID_ARGUMENT, cognite_status_name(status));
  free(huge);
}

static void setters(void) {
  cognite_config *config = cognite_config_new();
  cognite_credentials *token = NULL;
  cognite_client *client = NULL;
  cognite_error *err = NULL;
  CHECK(config != NULL);
  CHECK_STATUS(cognite_credentials_new_token(CANARY, &token, NULL), COGNITE_OK);
  CHECK_LACKS(cognite_credentials_json(token), CANARY);
  CHECK_CONTAINS(cognite_credentials_json(token), "token");

  /* What is missing is said when the client is made. */
  CHECK_STATUS(cognite_client_new(config, &client, &err), COGNITE_ERR_CONFIG);
  CHECK(client == NULL && strlen(cognite_error_message(err)) > 10);
  cognite_error_free(err);
  CHECK_STATUS(cognite_config_set_client_name(config, "me", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_project(config, "one", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_credentials(config, token, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_client_new(config, &client, &err), COGNITE_ERR_CONFIG);
  CHECK_CONTAINS(cognite_error_message(err), "base_url");
  cognite_error_free(err);
  CHECK_STATUS(cognite_config_set_base_url(config, "https://h.example.com/", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_header(config, "X-Kept", "kept", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_header(config, "X-Gone", "gone", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_header(config, "x-gone", NULL, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_header(config, "x-api-key", CANARY, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_timeout_ms(config, 1234, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_total_timeout_ms(config, 5678, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_file_transfer_timeout_ms(config, 91011, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_api_subversion(config, "beta", NULL), COGNITE_OK);
  CHECK(cognite_config_get_timeout_ms(config) == 1234);
  CHECK(cognite_config_get_total_timeout_ms(config) == 5678);
  CHECK(cognite_config_get_file_transfer_timeout_ms(config) == 91011);
  CHECK_EQUAL(cognite_config_get_base_url(config), "https://h.example.com");
  CHECK_EQUAL(cognite_config_get_api_subversion(config), "beta");
  CHECK_CONTAINS(cognite_config_json(config), "kept");
  CHECK_LACKS(cognite_config_json(config), "gone");
  CHECK_LACKS(cognite_config_json(config), CANARY);

  /* A client has its own copy, and gives copies of it. */
  if (CHECK_STATUS(cognite_client_new(config, &client, NULL), COGNITE_OK)) {
    cognite_config *copy = NULL;
    CHECK_STATUS(cognite_config_set_project(config, "two", NULL), COGNITE_OK);
    cognite_credentials_free(token);
    CHECK_STATUS(cognite_client_config(client, &copy, NULL), COGNITE_OK);
    CHECK_EQUAL(cognite_config_get_project(copy), "one");
    CHECK(cognite_config_get_timeout_ms(copy) == 1234);
    CHECK_LACKS(cognite_config_json(copy), CANARY);
    CHECK_STATUS(cognite_config_set_project(copy, "three", NULL), COGNITE_OK);
    cognite_config_free(copy);
    CHECK_STATUS(cognite_client_config(client, &copy, NULL), COGNITE_OK);
    CHECK_EQUAL(cognite_config_get_project(copy), "one");
    cognite_config_free(copy);
  }
  cognite_client_free(client);
  cognite_config_free(config);
}

static void credentials(void) {
  static const char wrong[] = "{\"token\": {\"tokn\": \"" CANARY "\"}}";
  cognite_credentials *made = NULL;
  cognite_error *err = NULL;
  const char *json;
  CHECK_STATUS(cognite_credentials_new_client_credentials("https://login.example.com/t", "the-id", CANARY, "s1 s2", &made, NULL),
               COGNITE_OK);
  CHECK_STATUS(cognite_credentials_set_form_field(made, "audience", "the-audience", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_credentials_set_form_field(made, "client_assertion", CANARY "2", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_credentials_set_expiry_leeway_ms(made, 12000, NULL), COGNITE_OK);
  json = cognite_credentials_json(made);
  CHECK_CONTAINS(json, "the-id");
  CHECK_CONTAINS(json, "login.example.com");
  CHECK_CONTAINS(json, "audience");
  CHECK_LACKS(json, CANARY);
  cognite_credentials_free(made);

  made = POISON(cognite_credentials);
  CHECK_STATUS(cognite_credentials_load(wrong, sizeof wrong - 1, &made, &err), COGNITE_ERR_CONFIG);
  CHECK(made == NULL);
  CHECK_LACKS(cognite_error_message(err), CANARY);
  CHECK_LACKS(cognite_error_json(err), CANARY);
  cognite_error_free(err);
}

static void defaults(void) {
  cognite_credentials *token = NULL;
  cognite_config *config = NULL;
  cognite_client *client = NULL;
  CHECK_STATUS(cognite_credentials_new_token("t", &token, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_default("p", "c", token, NULL, &config, NULL), COGNITE_OK);
  CHECK_EQUAL(cognite_config_get_base_url(config), "https://c.cognitedata.com");
  CHECK(cognite_config_get_client_name(config) != NULL && *cognite_config_get_client_name(config) != '\0');
  cognite_config_free(config);

  CHECK_STATUS(cognite_client_default_oauth_client_credentials("p", "c", "tenant", "id", CANARY, "me", &client, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_client_config(client, &config, NULL), COGNITE_OK);
  CHECK_CONTAINS(cognite_config_json(config), "https://login.microsoftonline.com/tenant/oauth2/v2.0/token");
  CHECK_CONTAINS(cognite_config_json(config), "https://c.cognitedata.com/.default");
  CHECK_LACKS(cognite_config_json(config), CANARY);
  cognite_client_free(client);

  /* The default of the process, and back to none. */
  CHECK_STATUS(cognite_global_set_default_config(config, NULL), COGNITE_OK);
  cognite_config_free(config);
  CHECK_STATUS(cognite_client_new(NULL, &client, NULL), COGNITE_OK);
  cognite_client_free(client);
  CHECK_STATUS(cognite_global_get_default_config(&config, NULL), COGNITE_OK);
  CHECK_CONTAINS(cognite_config_json(config), "https://c.cognitedata.com/.default");
  cognite_config_free(config);
  CHECK_STATUS(cognite_global_set_default_config(NULL, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_global_get_default_config(&config, NULL), COGNITE_ERR_CONFIG);
  CHECK(config == NULL);
  CHECK_STATUS(cognite_global_get_default_config(NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_client_new(NULL, &client, NULL), COGNITE_ERR_CONFIG);
  cognite_credentials_free(token);
}

static void global_settings(void) {
  static const char good[] = "max_retries: 4\nmax_retry_backoff: 2\n", wrong[] = "max_retries: 7\nmax_retires: 1\n";
  cognite_response *settings = NULL;
  cognite_error *err = NULL;
  CHECK_STATUS(cognite_global_apply_settings(good, sizeof good - 1, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_global_apply_settings(wrong, sizeof wrong - 1, &err), COGNITE_ERR_CONFIG);
  CHECK_CONTAINS(cognite_error_message(err), "max_retries");
  cognite_error_free(err);
  CHECK_STATUS(cognite_global_settings(&settings, NULL), COGNITE_OK);
  CHECK_CONTAINS(cognite_response_body(settings, NULL), "\"max_retries\":4"); /* all or nothing */
  cognite_response_free(settings);
}

int main(void) {
  loading();
  refused();
  bounded();
  setters();
  credentials();
  defaults();
  global_settings();
  return REPORT();
}
