/* cognite-doctor.c - what works and what does not, between this machine and a CDF project.
 *
 *   cc -std=c99 cognite-doctor.c example.c -o cognite-doctor $(pkg-config --cflags --libs cognite)
 *   ./cognite-doctor [config.yaml]
 *
 * Without a file the connection is taken from the environment, see example.h. Prints a report that can be handed to
 * support as it is - there are no secrets in it - and exits 0 when everything works, 1 when something does not, 2 when the
 * configuration cannot be used. */
#include "example.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 30000, MAX_TEXT = 256 * 1024 };

static cognite_client *from_file(const char *name) {
  static char text[MAX_TEXT];
  cognite_client *client = NULL;
  cognite_error *error = NULL;
  size_t length;
  FILE *file = fopen(name, "rb");
  if (file == NULL) {
    perror(name);
    return NULL;
  }
  length = fread(text, 1, sizeof text, file);
  if (ferror(file) || !feof(file)) fprintf(stderr, "%s cannot be read, or is too long\n", name);
  else if (cognite_client_load(text, length, &client, &error)) example_fail(name, error);
  fclose(file);
  return client;
}

/* The characters after the backslash of an escape in JSON. (Report texts are plain but for these.) */
static const char *print_escape(const char *at) {
  unsigned code;
  if (*at == 'n') putchar('\n');
  else if (*at == 't') putchar('\t');
  else if (*at == 'u' && sscanf(at + 1, "%4x", &code) == 1) {
    putchar(code < 0x80 ? (int)code : '?');
    return at + 5;
  } else putchar(*at);
  return at + 1;
}

/* Prints the member "text", which is the last one of the report. */
static void print_text(const char *report) {
  static const char key[] = "\"text\":\"";
  const char *at = NULL, *next = report;
  while ((next = strstr(next, key)) != NULL) at = next++;
  if (at == NULL) {
    puts(report);
    return;
  }
  at += sizeof key - 1;
  while (*at != '\0' && *at != '"') {
    if (*at == '\\' && at[1] != '\0') at = print_escape(at + 1);
    else putchar(*at++);
  }
}

int main(int argc, char **argv) {
  cognite_client *client;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  int well;

  if (argc > 2) {
    fprintf(stderr, "usage: cognite-doctor [CONFIG.yaml]\n");
    return 2;
  }
  client = argc == 2 ? from_file(argv[1]) : example_client("cognite-doctor");
  if (client == NULL) return 2;
  if (cognite_client_diagnose(client, TIMEOUT_MS, &response, &error)) {
    cognite_client_free(client);
    return example_fail("cognite-doctor", error);
  }
  print_text(cognite_response_body(response, NULL));
  well = strncmp(cognite_response_body(response, NULL), "{\"ok\":true,", 11) == 0;
  cognite_response_free(response);
  cognite_client_free(client);
  cognite_shutdown(NULL);
  return well ? 0 : 1;
}
