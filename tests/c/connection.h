/* connection.h - the CDF project (in the test suite: the emulator) that the COGNITE_* environment variables name. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "check.h"

static inline const char *need(const char *name) {
  const char *value = getenv(name);
  if (value == NULL) {
    fprintf(stderr, "this test needs %s: run it with tests/c/with_emulator.sh\n0 passed, 1 failed\n", name);
    exit(1);
  }
  return value;
}

/* A client with these credentials, which it takes over. */
static inline cognite_client *connect_with(cognite_credentials *credentials) {
  cognite_config *config = cognite_config_new();
  cognite_client *client = NULL;
  cognite_error *err = NULL;
  CHECK_STATUS(cognite_config_set_client_name(config, "tests", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_project(config, need("COGNITE_PROJECT"), NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_base_url(config, need("COGNITE_BASE_URL"), NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_credentials(config, credentials, NULL), COGNITE_OK);
  cognite_client_new(config, &client, &err);
  CHECK_(client != NULL, cognite_error_message(err));
  cognite_error_free(err);
  cognite_credentials_free(credentials);
  cognite_config_free(config);
  return client;
}

static inline cognite_client *connect_oauth(const char *secret) {
  cognite_credentials *credentials = NULL;
  CHECK_STATUS(cognite_credentials_new_client_credentials(need("COGNITE_TOKEN_URL"), need("COGNITE_CLIENT_ID"), secret,
                                                          getenv("COGNITE_SCOPES"), &credentials, NULL),
               COGNITE_OK);
  return connect_with(credentials);
}

static inline cognite_client *connect_token(const char *token) {
  cognite_credentials *credentials = NULL;
  CHECK_STATUS(cognite_credentials_new_token(token, &credentials, NULL), COGNITE_OK);
  return connect_with(credentials);
}

/* A client of a server of the test's own. */
static inline cognite_client *connect_server(int port) {
  cognite_config *config = cognite_config_new();
  cognite_credentials *credentials = NULL;
  cognite_client *client = NULL;
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
  CHECK_STATUS(cognite_credentials_new_token("t", &credentials, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_client_name(config, "tests", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_project(config, "p", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_base_url(config, url, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_credentials(config, credentials, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_client_new(config, &client, NULL), COGNITE_OK);
  cognite_config_free(config);
  cognite_credentials_free(credentials);
  return client;
}

/* A working bearer token, for the tests that hand one over themselves. */
static inline void fetch_token(cognite_client *client, char *token, size_t size) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  const char *start;
  token[0] = '\0';
  cognite_client_authorization(client, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  start = strstr(cognite_response_body(response, NULL), "Bearer ");
  if (CHECK(start != NULL)) {
    size_t length = strcspn(start + 7, "\"");
    if (CHECK(length > 5 && length < size)) {
      memcpy(token, start + 7, length);
      token[length] = '\0';
    }
  }
  cognite_response_free(response);
  cognite_error_free(err);
}

/* "/api/v1/projects/<project><path>". Two may be in use at a time. */
static inline const char *path(const char *below) {
  static char texts[2][512];
  static int turn = 0;
  turn = !turn;
  snprintf(texts[turn], sizeof texts[turn], "/api/v1/projects/%s%s", need("COGNITE_PROJECT"), below);
  return texts[turn];
}

#endif
