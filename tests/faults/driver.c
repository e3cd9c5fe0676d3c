/* Makes one call of one case of `cargo xtask faults`, through the public header only, and prints what came of it.
 *
 *     driver CONFIG METHOD URL BODY_BYTES TIMEOUT_MS
 *
 * CONFIG: a file. First line of the output: status, HTTP status, attempts, in_doubt, milliseconds. Then every text a
 * program could show: message, cause, JSON, config. The caller looks for planted secrets in all of it. */
#define _POSIX_C_SOURCE 200809L

#include <cognite/cognite.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static char *read_file(const char *path, size_t *length) {
  static char text[65536];
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  *length = fread(text, 1, sizeof text, file);
  fclose(file);
  return text;
}

/* A JSON text of exactly `length` bytes that does not compress well. */
static char *make_body(size_t length) {
  static const char hex[] = "0123456789abcdef";
  unsigned long state = 88172645463325252ul;
  size_t i;
  char *body;
  if (length < 2) return NULL;
  body = malloc(length);
  if (body == NULL) return NULL;
  for (i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    body[i] = hex[state & 15];
  }
  body[0] = body[length - 1] = '"';
  return body;
}

int main(int argc, char **argv) {
  cognite_config *config = NULL;
  cognite_client *client = NULL;
  cognite_response *answer = NULL, *settings = NULL;
  cognite_error *err = NULL;
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_status status;
  const char *text;
  char *body;
  size_t length = 0;
  long started;

  if (argc != 6 || (text = read_file(argv[1], &length)) == NULL) return 2;
  if (cognite_config_load(text, length, &config, &err) != COGNITE_OK ||
      cognite_client_new(config, &client, &err) != COGNITE_OK) {
    fprintf(stderr, "%s\n", cognite_error_message(err));
    return 2;
  }
  body = make_body(strtoul(argv[4], NULL, 10));
  request.method = argv[2];
  request.url = argv[3];
  request.body = body;
  request.body_len = body == NULL ? 0 : strtoul(argv[4], NULL, 10);
  request.timeout_ms = strtoul(argv[5], NULL, 10);

  started = now_ms();
  status = cognite_client_call(client, &request, &answer, &err);
  printf("%d %d %u %d %ld\n", (int)status,
         (int)(status == COGNITE_OK ? cognite_response_http_status(answer) : cognite_error_http_status(err)),
         (unsigned)(status == COGNITE_OK ? cognite_response_attempts(answer) : cognite_error_attempts(err)),
         (int)(status == COGNITE_OK ? 0 : cognite_error_in_doubt(err)), now_ms() - started);
  if (err != NULL) printf("%s\n%s\n", cognite_error_message(err), cognite_error_json(err));
  printf("%s\n", cognite_config_json(config));
  if (cognite_global_settings(&settings, NULL) == COGNITE_OK) printf("%s\n", cognite_response_body(settings, NULL));

  cognite_response_free(settings);
  cognite_response_free(answer);
  cognite_error_free(err);
  cognite_client_free(client);
  cognite_config_free(config);
  free(body);
  return 0;
}
