/* backfill.c - writes a file of millions of datapoints into CDF, with a line of progress.
 *
 *   backfill FILE.csv [EXTERNAL_ID_PREFIX]
 *
 * Each line is `timestamp,name,value`: milliseconds since 1970, the external id of a numeric time series (which is created
 * if it does not exist), a number. Lines of one series need not stand together. What was begun may be run again: a point
 * overwrites itself. See example.h for the environment variables. */
#include "example.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Points that are written at a time: memory for this many, whatever the size of the file. */
enum { BATCH = 2000000, LINE = 1024 };

/* What is said while it runs. */
static struct {
  uint64_t points, created;
  double size; /* bytes of the file; 0: not known, as of a pipe */
  time_t start;
} progress;

static void show(FILE *file) {
  double seconds = difftime(time(NULL), progress.start), rate;
  if (seconds < 1) seconds = 1;
  rate = (double)progress.points / seconds;
  printf("\r%llu points, %.0f a second", (unsigned long long)progress.points, rate);
  if (progress.size > 0) {
    double part = (double)ftell(file) / progress.size;
    printf(", %.0f %%, %.0f s left   ", 100 * part, seconds / part - seconds);
  }
  fflush(stdout);
}

/* Writes what was collected; series that do not exist are made. */
static int write_out(cognite_client *client, cognite_points *points) {
  static const char template[] = "{\"timeSeries\":{}}"; /* nothing but its name and that it is numeric; or a unit, a data set, … */
  cognite_insert options = COGNITE_INSERT_INIT;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  const char *created;
  cognite_status status;
  options.create_missing = template;
  options.create_missing_len = sizeof template - 1;
  status = cognite_points_insert(client, points, &options, &response, &error);
  if (status != COGNITE_OK) {
    fprintf(stderr, "\n");
    if (status == COGNITE_ERR_PARTIAL) fprintf(stderr, "%s\n", cognite_error_json(error));
    example_fail("backfill: insert", error);
    return 0;
  }
  created = strstr(cognite_response_body(response, NULL), "\"created\":");
  if (created != NULL) progress.created += strtoull(created + 10, NULL, 10);
  progress.points += cognite_points_count(points);
  cognite_response_free(response);
  cognite_points_clear(points);
  return 1;
}

int main(int argc, char **argv) {
  const char *prefix = argc > 2 ? argv[2] : "";
  FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
  cognite_client *client;
  cognite_points *points;
  char line[LINE];
  long number = 0;
  int good = 1;
  if (file == NULL) {
    fprintf(stderr, "usage: backfill FILE.csv [EXTERNAL_ID_PREFIX]\n");
    return 1;
  }
  if (fseek(file, 0, SEEK_END) == 0) {
    progress.size = (double)ftell(file);
    rewind(file);
  }
  progress.start = time(NULL);
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
    if (cognite_points_add_f64(points, full, &at, &value, 1, &error) != COGNITE_OK) {
      fprintf(stderr, "\nbackfill: line %ld\n", number);
      example_fail("backfill", error);
      good = 0;
    }
    if (good && cognite_points_count(points) >= BATCH) {
      good = write_out(client, points);
      if (good) show(file);
    }
  }
  if (good && ferror(file)) {
    perror("\nbackfill");
    good = 0;
  }
  if (good) good = write_out(client, points);
  if (good) {
    show(file);
    printf("\n%llu points written, %llu series made\n", (unsigned long long)progress.points, (unsigned long long)progress.created);
  }
  cognite_points_free(points);
  cognite_client_free(client);
  fclose(file);
  return good ? 0 : 1;
}
