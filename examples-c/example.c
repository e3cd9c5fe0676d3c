/* example.c - see example.h. */
#include "example.h"
#include <stdio.h>
#include <stdlib.h>

cognite_client *example_client(const char *name) {
  const char *token = getenv("COGNITE_TOKEN"), *missing = NULL;
  cognite_credentials *credentials = NULL;
  cognite_config *config = cognite_config_new();
  cognite_client *client = NULL;
  cognite_error *error = NULL;
  cognite_status status;

  if (getenv("COGNITE_BASE_URL") == NULL) missing = "COGNITE_BASE_URL";
  if (getenv("COGNITE_PROJECT") == NULL) missing = "COGNITE_PROJECT";
  if (token == NULL && getenv("COGNITE_TOKEN_URL") == NULL) missing = "COGNITE_TOKEN or COGNITE_TOKEN_URL";
  if (missing != NULL) {
    fprintf(stderr, "%s: please set the environment variable %s (see example.h)\n", name, missing);
    cognite_config_free(config);
    return NULL;
  }

  if (token != NULL)
    status = cognite_credentials_new_token(token, &credentials, &error);
  else
    status = cognite_credentials_new_client_credentials(getenv("COGNITE_TOKEN_URL"), getenv("COGNITE_CLIENT_ID"),
                                                        getenv("COGNITE_CLIENT_SECRET"), getenv("COGNITE_SCOPES"),
                                                        &credentials, &error);
  if (!status) status = cognite_config_set_client_name(config, name, &error);
  if (!status) status = cognite_config_set_project(config, getenv("COGNITE_PROJECT"), &error);
  if (!status) status = cognite_config_set_base_url(config, getenv("COGNITE_BASE_URL"), &error);
  if (!status) status = cognite_config_set_credentials(config, credentials, &error);
  if (!status) status = cognite_client_new(config, &client, &error);
  if (status) example_fail(name, error);

  /* The client has its own copy of both. */
  cognite_config_free(config);
  cognite_credentials_free(credentials);
  return client;
}

void example_url(char *url, size_t size, const char *path) {
  int n = snprintf(url, size, "/api/v1/projects/%s%s", getenv("COGNITE_PROJECT"), path);
  if (n < 0 || (size_t)n >= size) {
    fprintf(stderr, "the URL for %s does not fit\n", path);
    exit(1);
  }
}

int example_fail(const char *what, cognite_error *error) {
  const char *request_id = cognite_error_request_id(error);
  fprintf(stderr, "%s: %s\n", what, cognite_error_message(error));
  if (request_id != NULL) fprintf(stderr, "%s: request id %s (support asks for it)\n", what, request_id);
  cognite_error_free(error);
  return 1;
}
