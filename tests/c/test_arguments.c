/* test_arguments.c - wrong arguments to every function are refused, named, and never crash. Needs no network. */
#include "refuses.h"

static void accessors_take_null(void) {
  size_t length = 77;
  CHECK_STATUS(cognite_error_status(NULL), COGNITE_OK);
  CHECK(cognite_error_http_status(NULL) == 0);
  CHECK(cognite_error_code(NULL) == NULL);
  CHECK(cognite_error_message(NULL) != NULL);
  CHECK(cognite_error_request_id(NULL) == NULL);
  CHECK(cognite_error_retry_after_ms(NULL) == 0);
  CHECK(cognite_error_attempts(NULL) == 0);
  CHECK(cognite_error_is_retryable(NULL) == 0);
  CHECK(cognite_error_in_doubt(NULL) == 0);
  CHECK_EQUAL(cognite_error_json(NULL), "{}");
  CHECK(cognite_response_http_status(NULL) == 0);
  CHECK_EQUAL(cognite_response_body(NULL, &length), "");
  CHECK(length == 0);
  CHECK_EQUAL(cognite_response_body(NULL, NULL), "");
  CHECK(cognite_response_header(NULL, "x") == NULL);
  CHECK(cognite_response_header(NULL, NULL) == NULL);
  (void)cognite_response_headers_json(NULL); /* NULL or "{}": not promised, but no crash */
  CHECK(cognite_response_request_id(NULL) == NULL);
  CHECK(cognite_response_elapsed_us(NULL) == 0);
  CHECK(cognite_response_attempts(NULL) == 0);
  (void)cognite_credentials_json(NULL);
  (void)cognite_config_json(NULL);
  (void)cognite_config_get_client_name(NULL);
  (void)cognite_config_get_project(NULL);
  (void)cognite_config_get_base_url(NULL);
  (void)cognite_config_get_api_subversion(NULL);
  CHECK(cognite_config_get_timeout_ms(NULL) == 0);
  CHECK(cognite_config_get_total_timeout_ms(NULL) == 0);
  CHECK(cognite_config_get_file_transfer_timeout_ms(NULL) == 0);
  CHECK(cognite_config_get_debug(NULL) == 0);
  cognite_error_free(NULL);
  cognite_response_free(NULL);
  cognite_credentials_free(NULL);
  cognite_config_free(NULL);
  cognite_client_free(NULL);
}

static void versions(void) {
  int status, named = 0;
  CHECK_EQUAL(cognite_version(), COGNITE_VERSION);
  CHECK(cognite_version_number() == COGNITE_VERSION_NUMBER);
  CHECK(COGNITE_VERSION_NUMBER ==
        ((COGNITE_VERSION_MAJOR << 16) | (COGNITE_VERSION_MINOR << 8) | COGNITE_VERSION_PATCH));
  CHECK_EQUAL(cognite_status_name(COGNITE_OK), "OK");
  CHECK_EQUAL(cognite_status_name(COGNITE_ERR_INVALID_ARGUMENT), "INVALID_ARGUMENT");
  CHECK_EQUAL(cognite_status_name(COGNITE_ERR_WOULD_DEADLOCK), "WOULD_DEADLOCK");
  CHECK_EQUAL(cognite_status_name(COGNITE_ERR_INTERNAL), "INTERNAL");
  CHECK_EQUAL(cognite_status_name(12345), "UNKNOWN");
  CHECK_EQUAL(cognite_status_name(-1), "UNKNOWN");
  for (status = -10; status < 200; status++) named += strcmp(cognite_status_name(status), "UNKNOWN") != 0;
  CHECK(named == 21); /* the constants of the header */
}

static void provider(void *user_data, cognite_token_request *request) {
  (void)user_data;
  (void)request;
}
static void count_destroy(void *user_data) { ++*(int *)user_data; }

static void credentials(void) {
  cognite_credentials *out = NULL, *token = NULL;
  int destroyed = 0;
  CHECK_STATUS(cognite_credentials_new_token("t", &token, NULL), COGNITE_OK);

  REFUSES_OUT(cognite_credentials, out, cognite_credentials_new_token, NULL, &out);
  REFUSES(cognite_credentials_new_token, "t", (cognite_credentials **)NULL);
  REFUSES_NAMING("token", cognite_credentials_new_token, bad, &out);
  REFUSES_NAMING("token", cognite_credentials_new_token, cut, &out);

  /* destroy is called once per failed registration: REFUSES calls twice */
  REFUSES_OUT(cognite_credentials, out, cognite_credentials_new_token_provider, NULL, &destroyed, count_destroy, &out);
  CHECK(destroyed == 2);
  REFUSES(cognite_credentials_new_token_provider, provider, &destroyed, count_destroy, (cognite_credentials **)NULL);
  CHECK(destroyed == 4);
  CHECK_STATUS(cognite_credentials_new_token_provider(provider, &destroyed, count_destroy, &out, NULL), COGNITE_OK);
  cognite_credentials_free(out);
  CHECK(destroyed == 5);
  CHECK_STATUS(cognite_credentials_new_token_provider(provider, NULL, NULL, &out, NULL), COGNITE_OK);
  cognite_credentials_free(out);
  REFUSES(cognite_token_request_answer, NULL, "t", 0);
  REFUSES(cognite_token_request_fail, NULL, "no");

  REFUSES_OUT(cognite_credentials, out, cognite_credentials_new_client_credentials, NULL, "i", "s", NULL, &out);
  REFUSES_OUT(cognite_credentials, out, cognite_credentials_new_client_credentials, "http://h/t", NULL, "s", NULL, &out);
  REFUSES_OUT(cognite_credentials, out, cognite_credentials_new_client_credentials, "http://h/t", "i", NULL, NULL, &out);
  REFUSES(cognite_credentials_new_client_credentials, "http://h/t", "i", "s", NULL, (cognite_credentials **)NULL);
  REFUSES_NAMING("token_url", cognite_credentials_new_client_credentials, bad, "i", "s", NULL, &out);
  REFUSES_NAMING("client_id", cognite_credentials_new_client_credentials, "http://h/t", bad, "s", NULL, &out);
  REFUSES_NAMING("client_secret", cognite_credentials_new_client_credentials, "http://h/t", "i", bad, NULL, &out);
  REFUSES_NAMING("scopes", cognite_credentials_new_client_credentials, "http://h/t", "i", "s", bad, &out);

  REFUSES_OUT(cognite_credentials, out, cognite_credentials_load, NULL, 5, &out);
  REFUSES_OUT(cognite_credentials, out, cognite_credentials_load, bad, sizeof bad - 1, &out);
  REFUSES(cognite_credentials_load, "token: x", 8, (cognite_credentials **)NULL);

  REFUSES(cognite_credentials_set_form_field, NULL, "n", "v");
  REFUSES(cognite_credentials_set_form_field, token, NULL, "v");
  REFUSES(cognite_credentials_set_form_field, token, "n", bad);
  REFUSES(cognite_credentials_set_expiry_leeway_ms, NULL, 5);
  cognite_credentials_free(token);
}

static void configs(void) {
  cognite_config *config = good_config(), *out = NULL;
  cognite_credentials *token = NULL;
  CHECK_STATUS(cognite_credentials_new_token("t", &token, NULL), COGNITE_OK);

  REFUSES_OUT(cognite_config, out, cognite_config_load, NULL, 5, &out);
  REFUSES_OUT(cognite_config, out, cognite_config_load, bad, sizeof bad - 1, &out);
  REFUSES(cognite_config_load, "{}", 2, (cognite_config **)NULL);
  REFUSES_OUT(cognite_config, out, cognite_config_default, NULL, "c", token, NULL, &out);
  REFUSES_OUT(cognite_config, out, cognite_config_default, "p", NULL, token, NULL, &out);
  REFUSES_OUT(cognite_config, out, cognite_config_default, "p", "c", NULL, NULL, &out);
  REFUSES(cognite_config_default, "p", "c", token, NULL, (cognite_config **)NULL);
  REFUSES_NAMING("client_name", cognite_config_default, "p", "c", token, bad, &out);

#define TEXT_SETTER(setter, name)        \
  REFUSES(setter, NULL, "x");            \
  REFUSES_NAMING(name, setter, config, NULL); \
  REFUSES_NAMING(name, setter, config, bad)
  TEXT_SETTER(cognite_config_set_client_name, "client_name");
  TEXT_SETTER(cognite_config_set_project, "project");
  TEXT_SETTER(cognite_config_set_base_url, "base_url");
  TEXT_SETTER(cognite_config_set_cluster, "cluster");
  TEXT_SETTER(cognite_config_set_api_subversion, "api_subversion");
  REFUSES(cognite_config_set_credentials, NULL, token);
  REFUSES_NAMING("credentials", cognite_config_set_credentials, config, NULL);
  REFUSES(cognite_config_set_header, NULL, "n", "v");
  REFUSES_NAMING("name", cognite_config_set_header, config, NULL, "v");
  REFUSES(cognite_config_set_header, config, "n", bad);
  /* Text that is fine as text but not as this setting is a matter of configuration. */
  CHECK_STATUS(cognite_config_set_header(config, "na me", "v", NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_config_set_header(config, "name", "v\r\ninjected: 1", NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_config_set_base_url(config, "not a url", NULL), COGNITE_ERR_CONFIG);
  CHECK_LACKS(cognite_config_json(config), "injected");
  CHECK_LACKS(cognite_config_json(config), "not a url");
  CHECK_STATUS(cognite_config_set_header(config, "never-set", NULL, NULL), COGNITE_OK); /* removing nothing */
  REFUSES(cognite_config_set_timeout_ms, NULL, 5);
  REFUSES(cognite_config_set_total_timeout_ms, NULL, 5);
  REFUSES(cognite_config_set_file_transfer_timeout_ms, NULL, 5);
  REFUSES(cognite_config_set_debug, NULL, 1);
  REFUSES(cognite_config_set_max_response_bytes, NULL, 5);
  REFUSES(cognite_config_set_max_accepted_calls, NULL, 5);
  REFUSES(cognite_config_set_max_accepted_calls, config, 0);
  REFUSES(cognite_process_usage, (cognite_response **)NULL);
  REFUSES(cognite_config_set_gzip_min_bytes, NULL, 5);
  REFUSES(cognite_config_set_refresh_on_401, NULL, 1);
  REFUSES(cognite_config_set_project_hint_on_401, NULL, 1);

  REFUSES(cognite_global_apply_settings, NULL, 5);
  REFUSES(cognite_global_settings, (cognite_response **)NULL);
  cognite_credentials_free(token);
  cognite_config_free(config);
}

static void wrong_handles(void) {
  cognite_config *config = good_config();
  cognite_credentials *token = NULL;
  cognite_response *response = NULL;
  cognite_client *client = NULL, *none = NULL;
  CHECK_STATUS(cognite_credentials_new_token("t", &token, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_client_new(config, &client, NULL), COGNITE_OK);

  REFUSES_OUT(cognite_response, response, cognite_client_get, (cognite_client *)(void *)config, "/x", NULL, NULL, &response);
  REFUSES(cognite_config_set_project, (cognite_config *)(void *)client, "p");
  REFUSES(cognite_config_set_credentials, config, (cognite_credentials *)(void *)config);
  REFUSES_OUT(cognite_client, none, cognite_client_new, (cognite_config *)(void *)token, &none);
  CHECK(cognite_response_http_status((cognite_response *)(void *)config) == 0);
  CHECK_EQUAL(cognite_response_body((cognite_response *)(void *)token, NULL), "");
  CHECK(cognite_error_message((cognite_error *)(void *)config) != NULL);
  CHECK(cognite_error_http_status((cognite_error *)(void *)token) == 0);
  CHECK(cognite_config_get_timeout_ms((cognite_config *)(void *)token) == 0);
  /* freeing as the wrong kind does nothing */
  cognite_client_free((cognite_client *)(void *)config);
  CHECK_EQUAL(cognite_config_get_project(config), "p");
  cognite_client_free(client);
  cognite_credentials_free(token);
  cognite_config_free(config);
}

int main(void) {
  accessors_take_null();
  versions();
  credentials();
  configs();
  wrong_handles();
  return REPORT();
}
