/* test_settings.c - typed settings of the process and a client's own values: set, read back, refused, and felt. */
#define _DEFAULT_SOURCE
#include "check.h"
#include "server.h"

#define CANARY "canary-5d20-do-not-show"
#define PATH "/api/v1/projects/p/assets"

/* The JSON of all settings of the process contains `part`. */
static void shown(const char *part, int line) {
  cognite_response *settings = NULL;
  CHECK_STATUS(cognite_global_settings(&settings, NULL), COGNITE_OK);
  check_contains(cognite_response_body(settings, NULL), part, __FILE__, line, "settings");
  check_lacks(cognite_response_body(settings, NULL), CANARY, __FILE__, line, "settings");
  cognite_response_free(settings);
}
#define SHOWN(part) shown(part, __LINE__)

/* Set to 1, read, refused for 2, set back. */
#define FLAG(name, before)                                           \
  do {                                                               \
    CHECK(cognite_global_get_##name() == (before));                  \
    CHECK_STATUS(cognite_global_set_##name(1, NULL), COGNITE_OK);    \
    CHECK(cognite_global_get_##name() == 1);                         \
    SHOWN("\"" #name "\":true");                                     \
    CHECK_STATUS(cognite_global_set_##name(2, NULL), COGNITE_ERR_INVALID_ARGUMENT); \
    CHECK(cognite_global_get_##name() == 1);                         \
    CHECK_STATUS(cognite_global_set_##name(0, NULL), COGNITE_OK);    \
    CHECK(cognite_global_get_##name() == 0);                         \
  } while (0)

#define NUMBER(name, before, good)                                   \
  do {                                                               \
    CHECK(cognite_global_get_##name() == (before));                  \
    CHECK_STATUS(cognite_global_set_##name(good, NULL), COGNITE_OK); \
    CHECK(cognite_global_get_##name() == (good));                    \
    SHOWN("\"" #name "\":" #good);                                   \
    CHECK_STATUS(cognite_global_set_##name(before, NULL), COGNITE_OK); \
  } while (0)

static void process_values(void) {
  static const int32_t codes[] = {503, 500, 503}, wrong[] = {99}, defaults[] = {429, 502, 503, 504};
  int32_t read[3] = {7, 7, 7};
  char text[64];
  cognite_error *err = NULL;

  FLAG(disable_gzip, 0);
  FLAG(disable_ssl, 0);
  FLAG(follow_redirects, 0);
  FLAG(silence_feature_preview_warnings, 0);
  FLAG(disable_pypi_version_check, 0);
  NUMBER(max_retries, 10, 4);
  NUMBER(max_retries_connect, 3, 0);
  NUMBER(max_connection_pool_size, 20, 7);
  NUMBER(max_workers, 5, -3);
  NUMBER(file_download_chunk_size, 0, 1000);
  NUMBER(file_upload_chunk_size, 0, 1000);
  CHECK(cognite_global_get_max_retry_backoff_ms() == 60000);
  CHECK_STATUS(cognite_global_set_max_retry_backoff_ms(1500, NULL), COGNITE_OK);
  CHECK(cognite_global_get_max_retry_backoff_ms() == 1500);
  SHOWN("\"max_retry_backoff\":1.5");
  CHECK_STATUS(cognite_global_set_max_retry_backoff_ms(60000, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_global_set_max_connection_pool_size(0, &err), COGNITE_ERR_CONFIG);
  CHECK_CONTAINS(cognite_error_message(err), "max_connection_pool_size");
  cognite_error_free(err);
  CHECK_STATUS(cognite_global_set_max_retries(1000001, NULL), COGNITE_ERR_CONFIG);

  CHECK(cognite_global_get_concurrency("data_modeling", "search") == 2);
  CHECK_STATUS(cognite_global_set_concurrency("data_modeling", "search", 9, NULL), COGNITE_OK);
  CHECK(cognite_global_get_concurrency("data_modeling", "search") == 9);
  SHOWN("\"search\":9");
  CHECK_STATUS(cognite_global_set_concurrency("data_modeling", "serch", 1, &err), COGNITE_ERR_CONFIG);
  CHECK_CONTAINS(cognite_error_message(err), "did you mean 'search'");
  cognite_error_free(err);
  CHECK_STATUS(cognite_global_set_concurrency("data_modeling", "search", 0, NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_global_set_concurrency("data_modeling", "search", 1000001, NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_global_set_concurrency(NULL, "search", 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_global_set_concurrency("data_modeling", NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(cognite_global_get_concurrency(NULL, NULL) == 0 && cognite_global_get_concurrency("x", "read") == 0);
  CHECK(cognite_global_get_concurrency("data_modeling", "search") == 9);
  CHECK_STATUS(cognite_global_set_concurrency("data_modeling", "search", 2, NULL), COGNITE_OK);

  CHECK(cognite_global_get_status_forcelist(NULL, 0) == 4);
  CHECK_STATUS(cognite_global_set_status_forcelist(codes, 3, NULL), COGNITE_OK);
  /* As they were given. */
  CHECK(cognite_global_get_status_forcelist(read, 1) == 3);
  CHECK(read[0] == 503 && read[1] == 7);
  CHECK(cognite_global_get_status_forcelist(read, 2) == 3);
  CHECK(read[0] == 503 && read[1] == 500 && read[2] == 7);
  CHECK_STATUS(cognite_global_set_status_forcelist(wrong, 1, NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_global_set_status_forcelist(NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_global_set_status_forcelist(codes, (size_t)-1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(cognite_global_get_status_forcelist(NULL, 0) == 3);
  CHECK_STATUS(cognite_global_set_status_forcelist(NULL, 0, NULL), COGNITE_OK);
  CHECK(cognite_global_get_status_forcelist(NULL, 0) == 0);
  CHECK_STATUS(cognite_global_set_status_forcelist(defaults, 4, NULL), COGNITE_OK);

  memset(text, 'x', sizeof text);
  CHECK(cognite_global_get_proxy(text, sizeof text) == 0 && text[0] == '\0');
  CHECK_STATUS(cognite_global_set_proxy("http://user:" CANARY "@proxy:3128", NULL), COGNITE_OK);
  CHECK(cognite_global_get_proxy(NULL, 0) == strlen("http://proxy:3128"));
  CHECK(cognite_global_get_proxy(text, 5) == strlen("http://proxy:3128"));
  CHECK_EQUAL(text, "http");
  CHECK(cognite_global_get_proxy(text, sizeof text) == strlen("http://proxy:3128"));
  CHECK_EQUAL(text, "http://proxy:3128");
  SHOWN("\"proxy\":\"http://proxy:3128\"");
  CHECK_STATUS(cognite_global_set_proxy("user:" CANARY "@proxy", &err), COGNITE_ERR_CONFIG);
  CHECK_LACKS(cognite_error_json(err), CANARY);
  cognite_error_free(err);
  CHECK_STATUS(cognite_global_set_proxy("none", NULL), COGNITE_OK);
  SHOWN("\"proxy\":\"none\"");
  CHECK_STATUS(cognite_global_set_proxy(NULL, NULL), COGNITE_OK);
  SHOWN("\"proxy\":null");
}

static void answer_503(struct server *server, int fd) {
  (void)server;
  server_reply(fd, "503 Service Unavailable", "", "{}", 2);
}

static void answer_200(struct server *server, int fd) {
  (void)server;
  server_reply(fd, "200 OK", "", "{}", 2);
}

static cognite_config *config_for(int port) {
  char text[256];
  cognite_config *config = NULL;
  int n = snprintf(text, sizeof text,
                   "client_name: c\nproject: p\nbase_url: http://127.0.0.1:%d\ncredentials: {token: t}\nproxy: none\n", port);
  CHECK_STATUS(cognite_config_load(text, (size_t)n, &config, NULL), COGNITE_OK);
  return config;
}

/* Attempts of a GET with this config. */
static unsigned attempts(const cognite_config *config, struct server *server) {
  cognite_client *client = NULL;
  cognite_response *answer = NULL;
  cognite_error *err = NULL;
  unsigned n = 0;
  server_set(server, answer_503);
  CHECK_STATUS(cognite_client_new(config, &client, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_client_get(client, PATH, NULL, NULL, &answer, &err), COGNITE_ERR_API);
  n = cognite_error_attempts(err);
  CHECK(server_count(server, NULL) == (int)n);
  cognite_error_free(err);
  cognite_client_free(client);
  return n;
}

static void own_values(struct server *server) {
  static const int32_t only_502[] = {502};
  cognite_config *config = config_for(server->port);

  CHECK_STATUS(cognite_global_set_max_retries(1, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_max_retry_backoff_ms(config, 0, NULL), COGNITE_OK);
  CHECK(attempts(config, server) == 2);
  CHECK_STATUS(cognite_config_set_max_retries(config, 2, NULL), COGNITE_OK);
  CHECK(attempts(config, server) == 3);
  CHECK_STATUS(cognite_config_set_status_forcelist(config, only_502, 1, NULL), COGNITE_OK);
  CHECK(attempts(config, server) == 1);
  CHECK_STATUS(cognite_config_set_status_forcelist(config, only_502, 0, NULL), COGNITE_OK);
  CHECK_CONTAINS(cognite_config_json(config), "\"status_forcelist\":[]");
  CHECK(attempts(config, server) == 1);
  CHECK_STATUS(cognite_config_set_status_forcelist(config, NULL, 0, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_max_retries(config, -1, NULL), COGNITE_OK);
  CHECK(attempts(config, server) == 2);
  CHECK_STATUS(cognite_global_set_max_retries(10, NULL), COGNITE_OK);

  CHECK_STATUS(cognite_config_set_max_retries(config, -2, NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_config_set_max_retries_connect(config, 5, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_max_retry_backoff_ms(config, -2, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_disable_gzip(config, 1, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_follow_redirects(config, 1, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_follow_redirects(config, 3, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_disable_ssl(config, 0, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_disable_ssl(config, -1, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_max_connection_pool_size(config, 0, NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_config_set_max_connection_pool_size(config, 3, NULL), COGNITE_OK);
  CHECK_CONTAINS(cognite_config_json(config), "\"concurrency_settings\":null");
  CHECK_STATUS(cognite_config_set_concurrency(config, "raw", "write", 6, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_concurrency(config, "raw", "read", 6, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_concurrency(config, "raw", "read", 0, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_concurrency(config, "row", "read", 1, NULL), COGNITE_ERR_CONFIG);
  CHECK_CONTAINS(cognite_config_json(config), "\"concurrency_settings\":{\"raw\":{\"write\":6}}");
  CHECK_STATUS(cognite_config_set_proxy(config, "http://u:" CANARY "@h:1", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_proxy(config, "h:1", NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_config_set_connect_timeout_ms(config, 2500, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_keep_alive_idle_ms(config, 5000, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_min_tls_version(config, "1.3", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_min_tls_version(config, "1.0", NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_config_set_min_tls_version(config, NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_config_json(config), "\"max_retries_connect\":5");
  CHECK_CONTAINS(cognite_config_json(config), "\"disable_gzip\":true");
  CHECK_CONTAINS(cognite_config_json(config), "\"follow_redirects\":true");
  CHECK_CONTAINS(cognite_config_json(config), "\"disable_ssl\":null");
  CHECK_CONTAINS(cognite_config_json(config), "\"max_connection_pool_size\":3");
  CHECK_CONTAINS(cognite_config_json(config), "\"proxy\":\"http://h:1\"");
  CHECK_CONTAINS(cognite_config_json(config), "\"connect_timeout\":2.5");
  CHECK_CONTAINS(cognite_config_json(config), "\"keep_alive_idle\":5");
  CHECK_CONTAINS(cognite_config_json(config), "\"min_tls_version\":\"1.3\"");
  CHECK_LACKS(cognite_config_json(config), CANARY);
  cognite_config_free(config);
}

/* NULL for the config is an error of the caller's, never a crash. */
static void without_config(void) {
  CHECK_STATUS(cognite_config_set_max_retries(NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_max_retries_connect(NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_max_retry_backoff_ms(NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_status_forcelist(NULL, NULL, 0, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_disable_gzip(NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_follow_redirects(NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_proxy(NULL, NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_disable_ssl(NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_max_connection_pool_size(NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_concurrency(NULL, "raw", "read", 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_ca_pem(NULL, NULL, 0, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_ca_only(NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_client_certificate_pem(NULL, NULL, 0, NULL, 0, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_min_tls_version(NULL, "1.2", NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_connect_timeout_ms(NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_keep_alive_idle_ms(NULL, 1, NULL), COGNITE_ERR_INVALID_ARGUMENT);
}

static void certificates(void) {
  static const char nonsense[] = "-----BEGIN CERTIFICATE-----\n" CANARY "\n-----END CERTIFICATE-----\n";
  cognite_config *config = config_for(1);
  cognite_client *client = NULL;
  cognite_error *err = NULL;

  CHECK_STATUS(cognite_config_set_ca_pem(config, "", 0, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_ca_pem(config, NULL, 5, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_config_set_ca_pem(config, "plain", 5, NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_config_set_ca_pem(config, nonsense, sizeof nonsense - 1, NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_config_set_client_certificate_pem(config, NULL, 0, NULL, 0, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_client_certificate_pem(config, nonsense, sizeof nonsense - 1, CANARY, sizeof CANARY - 1, &err),
               COGNITE_ERR_CONFIG);
  CHECK_LACKS(cognite_error_json(err), CANARY);
  cognite_error_free(err);
  CHECK_STATUS(cognite_config_set_ca_only(config, 1, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_client_new(config, &client, &err), COGNITE_ERR_CONFIG);
  CHECK_CONTAINS(cognite_error_message(err), "ca_only");
  CHECK(client == NULL);
  cognite_error_free(err);
  cognite_config_free(config);
}

/* Threads are chosen while the library rests. */
static void threads(struct server *server) {
  char text[32];
  cognite_config *config = config_for(server->port);
  cognite_client *client = NULL;
  cognite_response *answer = NULL;
  cognite_error *err = NULL;

  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK(cognite_global_get_io_threads() >= 1 && cognite_global_get_callback_threads() == 1);
  CHECK(cognite_global_get_thread_stack_size() == 2097152);
  CHECK_STATUS(cognite_global_set_io_threads(3, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_global_set_callback_threads(2, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_global_set_thread_stack_size(1 << 20, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_global_set_thread_name_prefix("plant", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_global_set_io_threads(257, NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_global_set_thread_stack_size(1000, NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_global_set_thread_name_prefix("much-too-long-a-name", NULL), COGNITE_ERR_CONFIG);
  CHECK_STATUS(cognite_global_set_thread_name_prefix("\xff", NULL), COGNITE_ERR_INVALID_ARGUMENT);

  server_set(server, answer_200);
  CHECK_STATUS(cognite_client_new(config, &client, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_client_get(client, PATH, NULL, NULL, &answer, NULL), COGNITE_OK);
  cognite_response_free(answer);
  CHECK_STATUS(cognite_global_set_io_threads(2, &err), COGNITE_ERR_CONFIG);
  CHECK_CONTAINS(cognite_error_message(err), "cognite_shutdown");
  cognite_error_free(err);
  CHECK_STATUS(cognite_global_set_io_threads(3, NULL), COGNITE_OK); /* no change */
  CHECK(cognite_global_get_io_threads() == 3 && cognite_global_get_callback_threads() == 2);
  CHECK(cognite_global_get_thread_stack_size() == 1 << 20);
  CHECK(cognite_global_get_thread_name_prefix(text, sizeof text) == 5);
  CHECK_EQUAL(text, "plant");
  SHOWN("\"thread_name_prefix\":\"plant\"");

  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK_STATUS(cognite_global_set_io_threads(0, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_global_set_callback_threads(0, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_global_set_thread_stack_size(0, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_global_set_thread_name_prefix(NULL, NULL), COGNITE_OK);
  answer = NULL;
  CHECK_STATUS(cognite_client_get(client, PATH, NULL, NULL, &answer, NULL), COGNITE_OK);
  cognite_response_free(answer);
  cognite_client_free(client);
  cognite_config_free(config);
}

int main(void) {
  struct server server;
  process_values();
  server_start(&server, answer_200);
  own_values(&server);
  without_config();
  certificates();
  threads(&server);
  server_stop(&server);
  return REPORT();
}
