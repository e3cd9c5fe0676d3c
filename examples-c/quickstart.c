/* quickstart.c - the smallest useful program: connect, ask for the project's time series, print the answer.
 *
 *   cc -std=c99 quickstart.c -o quickstart $(pkg-config --cflags --libs cognite)
 *   COGNITE_BASE_URL=https://westeurope-1.cognitedata.com COGNITE_PROJECT=my-project COGNITE_TOKEN=... ./quickstart
 *
 * Instead of COGNITE_TOKEN, set COGNITE_TOKEN_URL, COGNITE_CLIENT_ID, COGNITE_CLIENT_SECRET and COGNITE_SCOPES. */
#include <cognite/cognite.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
  const char *project = getenv("COGNITE_PROJECT"), *token = getenv("COGNITE_TOKEN");
  cognite_config *config = cognite_config_new();
  cognite_credentials *credentials = NULL;
  cognite_client *client = NULL;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  cognite_status status;
  char url[256];

  /* A setting that is not there (NULL) is refused by the call that gets it, with a message naming it. */
  if (token != NULL)
    status = cognite_credentials_new_token(token, &credentials, &error);
  else
    status = cognite_credentials_new_client_credentials(getenv("COGNITE_TOKEN_URL"), getenv("COGNITE_CLIENT_ID"),
                                                        getenv("COGNITE_CLIENT_SECRET"), getenv("COGNITE_SCOPES"),
                                                        &credentials, &error);
  if (!status) status = cognite_config_set_client_name(config, "quickstart", &error);
  if (!status) status = cognite_config_set_project(config, project, &error);
  if (!status) status = cognite_config_set_base_url(config, getenv("COGNITE_BASE_URL"), &error);
  if (!status) status = cognite_config_set_credentials(config, credentials, &error);
  if (!status) status = cognite_client_new(config, &client, &error);
  if (!status) {
    snprintf(url, sizeof url, "/api/v1/projects/%s/timeseries", project);
    status = cognite_client_get(client, url, "{\"limit\": 10}", NULL, &response, &error);
  }
  if (status)
    fprintf(stderr, "quickstart: %s\n", cognite_error_message(error));
  else
    printf("%s\n", cognite_response_body(response, NULL));

  cognite_response_free(response); /* every _free takes NULL */
  cognite_error_free(error);
  cognite_client_free(client);
  cognite_config_free(config);
  cognite_credentials_free(credentials);
  return status ? 1 : 0;
}
