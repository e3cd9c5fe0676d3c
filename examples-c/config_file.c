/* config_file.c - settings from a YAML (or JSON) file.
 *
 *   cc -std=c99 config_file.c example.c -o config_file $(pkg-config --cflags --libs cognite)
 *   ./config_file config.yaml
 *
 * Loads the file, shows the settings with secrets removed, shows what happens to a misspelled key, then makes a client
 * and calls the service. ${NAME} in the file is replaced by the environment variable NAME here, in this program: the
 * library itself never looks into the environment for settings. */
#include "example.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 64 * 1024 };

static int append(char *out, size_t *used, const char *text, size_t length) {
  if (length >= MAX_TEXT - *used) return 0;
  memcpy(out + *used, text, length);
  *used += length;
  out[*used] = '\0';
  return 1;
}

/* Copies `in` to `out` (MAX_TEXT bytes) with ${NAME} replaced, except in comments. 0: not set, or too long. Values go
 * between double quotes in the sample, so a quote, backslash or line end in one could change the file's meaning. */
static int expand(const char *in, char *out) {
  size_t used = 0;
  int comment = 0;
  out[0] = '\0';
  while (*in != '\0') {
    const char *end = !comment && in[0] == '$' && in[1] == '{' ? strchr(in, '}') : NULL;
    char name[128];
    const char *value;
    if (end == NULL || (size_t)(end - in - 2) >= sizeof name) {
      if (*in == '#') comment = 1;
      if (*in == '\n') comment = 0;
      if (!append(out, &used, in++, 1)) return 0;
      continue;
    }
    memcpy(name, in + 2, (size_t)(end - in - 2));
    name[end - in - 2] = '\0';
    value = getenv(name);
    if (value == NULL || strpbrk(value, "\"\\\n") != NULL) {
      fprintf(stderr, "config_file: the environment variable %s is not set, or cannot stand in quotes\n", name);
      return 0;
    }
    if (!append(out, &used, value, strlen(value))) return 0;
    in = end + 1;
  }
  return 1;
}

/* Shows the error of a file with one wrong letter. Returns 1 when it was refused as it should be. */
static int show_misspelling(void) {
  static const char text[] = "projekt: my-project\nclient_name: x\ncluster: westeurope-1\ncredentials: {token: abc}\n";
  cognite_config *config = NULL;
  cognite_error *error = NULL;
  cognite_status status = cognite_config_load(text, sizeof text - 1, &config, &error);
  printf("A misspelled key gives %s: %s\n", cognite_status_name(status), cognite_error_message(error));
  cognite_config_free(config);
  cognite_error_free(error);
  return status == COGNITE_ERR_CONFIG;
}

int main(int argc, char **argv) {
  static char text[MAX_TEXT], expanded[MAX_TEXT];
  cognite_config *config = NULL;
  cognite_client *client = NULL;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  size_t length;
  char url[256];
  FILE *file;

  if (argc != 2) {
    fprintf(stderr, "usage: config_file FILE.yaml\n");
    return 2;
  }
  file = fopen(argv[1], "rb");
  if (file == NULL) {
    perror(argv[1]);
    return 1;
  }
  length = fread(text, 1, sizeof text - 1, file);
  text[length] = '\0';
  if (ferror(file) || !feof(file)) {
    fprintf(stderr, "config_file: %s cannot be read, or is too long\n", argv[1]);
    fclose(file);
    return 1;
  }
  fclose(file);
  if (!expand(text, expanded)) return 1;

  if (cognite_config_load(expanded, strlen(expanded), &config, &error)) return example_fail(argv[1], error);
  printf("Settings, secrets left out: %s\n", cognite_config_json(config));
  if (!show_misspelling()) {
    fprintf(stderr, "config_file: the misspelled key was not refused\n");
    cognite_config_free(config);
    return 1;
  }

  snprintf(url, sizeof url, "/api/v1/projects/%s/assets", cognite_config_get_project(config));
  if (cognite_client_new(config, &client, &error) == COGNITE_OK)
    cognite_client_get(client, url, "{\"limit\": 1}", NULL, &response, &error);
  cognite_config_free(config);
  cognite_client_free(client);
  if (error != NULL) return example_fail("config_file", error);
  printf("The service answered: %s\n", cognite_response_body(response, NULL));
  cognite_response_free(response);
  cognite_shutdown(NULL);
  return 0;
}
