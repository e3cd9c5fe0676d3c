/* files.c - content of files: a local file up, its links, and back down; and what to do when the content did not arrive.
 *
 *   cc -std=c99 files.c example.c -o files $(pkg-config --cflags --libs cognite)
 *   ./files LOCAL_FILE [MEGABYTES]  (the connection comes from COGNITE_* variables, see example.h)
 *
 * A file in CDF is two things: metadata, which the service has, and content, which a storage has. An upload makes the first
 * and then sends the second. With MEGABYTES the local file is made first. */
#include "example.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The value of the member "id" of an object. Enough for this example: a JSON reader is the program's own. */
static long long id_of(const char *json) {
  const char *at = json != NULL ? strstr(json, "\"id\":") : NULL;
  return at != NULL ? atoll(at + 5) : 0;
}

/* Sends the content; once more if the file was made but its content did not arrive. */
static cognite_response *upload(cognite_client *client, const char *metadata, const char *path) {
  cognite_upload u = COGNITE_UPLOAD_INIT;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  char which[64];
  const char *made;
  u.file = metadata;
  u.file_len = strlen(metadata);
  u.path = path;
  if (cognite_client_upload(client, &u, &response, &error) == COGNITE_OK) return response;
  /* Parts were repeated already. "extra":{"step":"content","file":{"id":42,...}} says that there is a file without content. */
  made = strstr(cognite_error_json(error), "\"step\":\"content\"");
  if (made != NULL && id_of(made) != 0 && cognite_error_status(error) != COGNITE_ERR_IO) {
    snprintf(which, sizeof which, "{\"id\":%lld}", id_of(made));
    fprintf(stderr, "again, for %s: %s\n", which, cognite_error_message(error));
    cognite_error_free(error);
    error = NULL;
    u.file = which;
    u.file_len = strlen(which);
    u.flags = COGNITE_UPLOAD_EXISTING;
    if (cognite_client_upload(client, &u, &response, &error) == COGNITE_OK) return response;
  }
  example_fail("upload", error);
  return NULL;
}

static int make_local(const char *path, long megabytes) {
  static char piece[1 << 20];
  FILE *f = fopen(path, "wb");
  long n;
  for (n = 0; f != NULL && n < megabytes; n++) {
    memset(piece, (int)('a' + n % 26), sizeof piece);
    if (fwrite(piece, 1, sizeof piece, f) != sizeof piece) break;
  }
  if (f == NULL || fclose(f) != 0 || n < megabytes) {
    perror(path);
    return 0;
  }
  return 1;
}

int main(int argc, char **argv) {
  char text[400], copy[400];
  cognite_download d = COGNITE_DOWNLOAD_INIT;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  cognite_client *client;
  int failed = 0;
  if (argc < 2 || (argc > 2 && !make_local(argv[1], atol(argv[2])))) {
    fprintf(stderr, "usage: %s LOCAL_FILE [MEGABYTES]\n", argv[0]);
    return 1;
  }
  client = example_client("files");
  if (client == NULL) return 1;

  /* Up: in parts, read from disk as they are sent. Without a name the file gets that of the local one. */
  snprintf(text, sizeof text, "{\"externalId\":\"demo-file-%ld\",\"source\":\"examples\"}", (long)time(NULL));
  response = upload(client, text, argv[1]);
  if (response == NULL) {
    cognite_client_free(client);
    return 1;
  }
  printf("made:       %.160s\n", cognite_response_body(response, NULL));
  snprintf(text, sizeof text, "{\"id\":%lld}", id_of(cognite_response_body(response, NULL)));
  cognite_response_free(response);
  response = NULL;

  /* Down: under its name when it is whole, never before. */
  snprintf(copy, sizeof copy, "%.390s.copy", argv[1]);
  d.file = text;
  d.file_len = strlen(text);
  d.path = copy;
  if (cognite_client_download(client, &d, &response, &error) == COGNITE_OK)
    printf("downloaded: %s to %s\n", cognite_response_body(response, NULL), copy);
  else
    failed = example_fail("download", error);
  cognite_response_free(response);

  /* Links for programs that fetch the content themselves, any number at a time. They let anybody in: no place for a log. */
  response = example_operate(client, "files.retrieve_download_urls", "{\"items\":[%s],\"extendedExpiration\":true}", text);
  if (response == NULL) failed = 1;
  cognite_response_free(response);
  response = example_operate(client, "files.delete", "{\"items\":[%s]}", text);
  if (response == NULL) failed = 1;
  else printf("deleted:    %s\n", text);
  cognite_response_free(response);
  cognite_client_free(client);
  return failed;
}
