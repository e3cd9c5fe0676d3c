/* backfill.c - writes a file of millions of datapoints into CDF, with a line of progress.
 *
 *   backfill FILE.csv [EXTERNAL_ID_PREFIX]
 *
 * Each line is `timestamp,name,value`: milliseconds since 1970, the external id of a numeric time series (which is created
 * if it does not exist), a number. Lines of one series need not stand together. See example.h for the environment variables. */
#include "example.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Points that are written at a time: memory for this many, whatever the size of the file. */
enum { BATCH = 2000000, MOST_SERIES = 100000, LINE = 1024 };

static char *known[MOST_SERIES]; /* series that exist; sorted */
static size_t known_count;

static int compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Makes sure that a series exists. False: it cannot be made. */
static int ensure(cognite_client *client, const char *name) {
  const char *key = name;
  char url[256], body[LINE + 64], *copy;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  cognite_status status;
  size_t length = strlen(name) + 1;
  if (bsearch(&key, known, known_count, sizeof *known, compare) != NULL) return 1;
  if (known_count == MOST_SERIES || strpbrk(name, "\"\\") != NULL) {
    fprintf(stderr, "backfill: too many series, or a name that needs quoting: %s\n", name);
    return 0;
  }
  example_url(url, sizeof url, "/timeseries");
  snprintf(body, sizeof body, "{\"items\":[{\"externalId\":\"%s\",\"name\":\"%s\"}]}", name, name);
  status = cognite_client_post(client, url, body, strlen(body), NULL, NULL, &response, &error);
  cognite_response_free(response);
  if (status != COGNITE_OK && status != COGNITE_ERR_DUPLICATED) {
    example_fail("backfill: create", error);
    return 0;
  }
  cognite_error_free(error);
  copy = malloc(length);
  if (copy == NULL) return 0;
  memcpy(copy, name, length);
  known[known_count++] = copy;
  qsort(known, known_count, sizeof *known, compare);
  return 1;
}

/* Writes what was collected. An insert may be repeated: a point overwrites itself. So may this program. */
static int write_out(cognite_client *client, cognite_points *points) {
  cognite_error *error = NULL;
  cognite_status status = cognite_points_insert(client, points, NULL, NULL, &error);
  cognite_points_clear(points);
  if (status == COGNITE_OK) return 1;
  fprintf(stderr, "\n");
  if (status == COGNITE_ERR_PARTIAL) fprintf(stderr, "%s\n", cognite_error_json(error));
  example_fail("backfill: insert", error);
  return 0;
}

int main(int argc, char **argv) {
  const char *prefix = argc > 2 ? argv[2] : "";
  FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
  cognite_client *client;
  cognite_points *points;
  char line[LINE];
  long number = 0;
  uint64_t done = 0;
  double size = 0;
  time_t start = time(NULL);
  int good = 1;
  if (file == NULL) {
    fprintf(stderr, "usage: backfill FILE.csv [EXTERNAL_ID_PREFIX]\n");
    return 1;
  }
  if (fseek(file, 0, SEEK_END) == 0) size = (double)ftell(file);
  rewind(file);
  client = example_client("backfill");
  if (client == NULL) return 1;
  points = cognite_points_new();
  while (good && fgets(line, sizeof line, file) != NULL) {
    char name[LINE], full[2 * LINE], *end;
    int64_t at;
    double value;
    cognite_error *error = NULL;
    number++;
    at = strtoll(line, &end, 10);
    if (end == line && number == 1) continue; /* a heading */
    if (end == line || sscanf(end, ",%1023[^,],%lf", name, &value) != 2) {
      fprintf(stderr, "\nbackfill: line %ld is not timestamp,name,value\n", number);
      good = 0;
      break;
    }
    snprintf(full, sizeof full, "%s%s", prefix, name);
    good = ensure(client, full);
    if (good && cognite_points_add_f64(points, full, &at, &value, 1, &error) != COGNITE_OK) {
      fprintf(stderr, "\nbackfill: line %ld\n", number);
      example_fail("backfill", error);
      good = 0;
    }
    if (good && cognite_points_count(points) >= BATCH) {
      double seconds = difftime(time(NULL), start), part = (double)ftell(file) / (size > 0 ? size : 1);
      done += cognite_points_count(points);
      good = write_out(client, points);
      if (seconds < 1) seconds = 1;
      printf("\r%llu points, %.0f a second, %.0f s left   ", (unsigned long long)done, (double)done / seconds, seconds / part - seconds);
      fflush(stdout);
    }
  }
  if (good) {
    done += cognite_points_count(points);
    good = write_out(client, points);
  }
  if (good) printf("\r%llu points of %lu series written\n", (unsigned long long)done, (unsigned long)known_count);
  while (known_count > 0) free(known[--known_count]);
  cognite_points_free(points);
  cognite_client_free(client);
  fclose(file);
  return good ? 0 : 1;
}
