/* example.c - see example.h. */
#include "example.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

cognite_response *example_operate(cognite_client *client, const char *name, const char *arguments, ...) {
  char text[8192];
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  va_list more;
  int n;
  va_start(more, arguments);
  n = vsnprintf(text, sizeof text, arguments, more);
  va_end(more);
  if (n < 0 || (size_t)n >= sizeof text) {
    fprintf(stderr, "%s: the arguments do not fit\n", name);
    return NULL;
  }
  operation.name = name;
  operation.arguments = text;
  operation.arguments_len = strlen(text);
  if (cognite_client_operate(client, &operation, &response, &error)) example_fail(name, error);
  return response;
}

int example_step(const char *what, cognite_response *answer) {
  int good = answer != NULL;
  printf("%-44s %.120s\n", what, good ? cognite_response_body(answer, NULL) : "FAILED");
  cognite_response_free(answer);
  return good;
}

int example_fail(const char *what, cognite_error *error) {
  const char *request_id = cognite_error_request_id(error);
  fprintf(stderr, "%s: %s\n", what, cognite_error_message(error));
  if (request_id != NULL) fprintf(stderr, "%s: request id %s (support asks for it)\n", what, request_id);
  cognite_error_free(error);
  return 1;
}
