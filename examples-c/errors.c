/* errors.c - provokes five errors and shows what a program learns from each.
 *
 *   cc -std=c99 errors.c example.c -o errors $(pkg-config --cflags --libs cognite)
 *   ./errors                        (the connection comes from COGNITE_* variables, see example.h)
 *
 * The status says what the PROGRAM should do next; the message tells a HUMAN what happened. Always keep a default
 * branch: later versions may add statuses. The exit status is 0 when every error was the expected one. */
#include "example.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What to do next, in one line each. A real program does it here instead of printing it. */
static const char *advice(const cognite_error *error) {
  switch (cognite_error_status(error)) {
    case COGNITE_ERR_INVALID_ARGUMENT: return "a mistake in this program: fix the call, do not repeat it";
    case COGNITE_ERR_CONFIG: return "settings are missing or contradict each other: ask the operator";
    case COGNITE_ERR_AUTH: return "no token could be had: check the credentials; repeat only if retryable";
    case COGNITE_ERR_ACCESS: return "the token is not accepted for this project: ask for access, do not repeat";
    case COGNITE_ERR_NOT_FOUND: return "create the missing items (listed in the JSON), or leave them out";
    case COGNITE_ERR_DUPLICATED: return "it exists already: often as good as success, else update it";
    case COGNITE_ERR_PARTIAL: return "some items were written: repeat only those listed as failed";
    case COGNITE_ERR_API: return "the service said no: show the message; repeat only if retryable";
    case COGNITE_ERR_CONNECTION:
    case COGNITE_ERR_TIMEOUT:
      return cognite_error_in_doubt(error) ? "the write may have been done: read back, or repeat if that is harmless"
                                           : "nothing was changed: repeat later";
    case COGNITE_ERR_TLS: return "certificate or protocol trouble: repeating does not help";
    case COGNITE_ERR_CANCELLED:
    case COGNITE_ERR_SHUTDOWN: return "this program is ending: nothing to do";
    case COGNITE_ERR_DECODE: return "the answer was not understood: is there a proxy, or a wrong address?";
    case COGNITE_ERR_BUSY: return "too many calls are waiting: let some finish, then submit again";
    default: return "report it, with the JSON";
  }
}

/* Prints the error, frees it, and returns 1 when its status is the expected one. */
static int show(const char *what, cognite_status expected, cognite_error *error) {
  cognite_status status = cognite_error_status(error);
  const char *request_id = cognite_error_request_id(error);
  printf("%s\n  status      %d %s\n  HTTP status %d\n  message     %s\n  request id  %s\n", what, (int)status,
         cognite_status_name(status), (int)cognite_error_http_status(error), cognite_error_message(error),
         request_id != NULL ? request_id : "(none: no answer, or the service gave none)");
  printf("  in doubt    %s\n  retryable   %s\n  attempts    %u\n  JSON        %s\n  do next     %s\n\n",
         cognite_error_in_doubt(error) ? "yes" : "no", cognite_error_is_retryable(error) ? "yes" : "no",
         (unsigned)cognite_error_attempts(error), cognite_error_json(error), advice(error));
  cognite_error_free(error);
  if (status == expected) return 1;
  fprintf(stderr, "errors: %s: expected %s\n", what, cognite_status_name(expected));
  return 0;
}

int main(void) {
  cognite_client *client = example_client("errors");
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  cognite_request request = COGNITE_REQUEST_INIT;
  char url[256], body[256];
  int i, good = 0;

  if (client == NULL) return 1;

  /* 1. Asking for something that is not there. */
  example_url(url, sizeof url, "/timeseries/byids");
  strcpy(body, "{\"items\": [{\"externalId\": \"demo.errors.no-such-series\"}]}");
  cognite_client_post(client, url, body, strlen(body), NULL, NULL, &response, &error);
  cognite_response_free(response); /* NULL unless the call went well */
  good += show("1. an unknown time series", COGNITE_ERR_NOT_FOUND, error);

  /* 2. Creating the same thing twice: the second time fails. (The clock makes the name new in each run.) */
  example_url(url, sizeof url, "/assets");
  snprintf(body, sizeof body, "{\"items\": [{\"externalId\": \"demo.errors.%ld\", \"name\": \"errors.c\"}]}", (long)time(NULL));
  for (i = 0, error = NULL; i < 2 && error == NULL; i++) {
    cognite_client_post(client, url, body, strlen(body), NULL, NULL, &response, &error);
    cognite_response_free(response);
  }
  good += show("2. an asset that exists already", COGNITE_ERR_DUPLICATED, error);

  /* 3. A wrong argument is found before anything is sent. */
  cognite_client_get(client, NULL, NULL, NULL, &response, &error);
  good += show("3. no URL", COGNITE_ERR_INVALID_ARGUMENT, error);

  /* 4. The same for a body that is not JSON: the library looks before it sends. */
  cognite_client_post(client, url, "{\"items\": [", 11, NULL, NULL, &response, &error);
  good += show("4. a body that is cut off", COGNITE_ERR_INVALID_ARGUMENT, error);

  /* 5. A host that is not there. Nothing listens on port 9 of this machine (the "discard" service of old). An address
   * outside the configured one never gets the token. timeout_ms bounds the whole call, repetitions included. */
  request.method = "GET";
  request.url = "http://127.0.0.1:9/";
  request.timeout_ms = 30000;
  cognite_client_call(client, &request, &response, &error);
  cognite_response_free(response);
  good += show("5. an unreachable host", COGNITE_ERR_CONNECTION, error);

  cognite_client_free(client);
  cognite_shutdown(NULL);
  printf("errors: %d of 5 as expected\n", good);
  return good == 5 ? 0 : 1;
}
