/* trend.c - draws the trend of a numeric time series: average, minimum and maximum of 60 buckets.
 *
 *   trend EXTERNAL_ID [START [END [GRANULARITY]]]        for example: trend my-series 1d-ago now 30m
 *
 * START and END are in any form that cognite_columns_read() takes. See example.h for the environment variables. */
#include "example.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WIDTH = 60 };

/* Text as part of a JSON text: enough for names that hold no control characters. */
static void add_quoted(char *to, size_t size, const char *text) {
  size_t n = strlen(to);
  for (; *text != '\0' && n + 3 < size; text++) {
    if (*text == '"' || *text == '\\') to[n++] = '\\';
    to[n++] = *text;
  }
  to[n] = '\0';
}

/* A number may be given as it is, everything else is text. */
static void add_time(char *to, size_t size, const char *name, const char *value) {
  char *end;
  int number = *value != '\0' && (strtoll(value, &end, 10), *end == '\0');
  snprintf(to + strlen(to), size - strlen(to), ",\"%s\":%s", name, number ? "" : "\"");
  add_quoted(to, size, value);
  if (!number) snprintf(to + strlen(to), size - strlen(to), "\"");
}

static int column_of(double value, double least, double most) {
  return most > least ? (int)((value - least) / (most - least) * (WIDTH - 1) + 0.5) : WIDTH / 2;
}

static void draw(const cognite_columns *columns) {
  size_t n, count = cognite_columns_count(columns, 0);
  const int64_t *times = cognite_columns_timestamps(columns, 0);
  const double *average = cognite_columns_numbers(columns, 0, "average");
  const double *low = cognite_columns_numbers(columns, 0, "min"), *high = cognite_columns_numbers(columns, 0, "max");
  double least = INFINITY, most = -INFINITY;
  for (n = 0; n < count; n++) {
    if (low[n] < least) least = low[n];
    if (high[n] > most) most = high[n];
  }
  printf("%s\n%lu buckets, %g to %g\n", cognite_columns_info(columns, 0), (unsigned long)count, least, most);
  for (n = 0; n < count; n++) {
    char bar[WIDTH + 1], when[32];
    time_t seconds = (time_t)(times[n] / 1000);
    int from, to;
    memset(bar, ' ', WIDTH);
    bar[WIDTH] = '\0';
    if (!isnan(low[n]) && !isnan(high[n])) {
      from = column_of(low[n], least, most);
      to = column_of(high[n], least, most);
      memset(bar + from, '-', (size_t)(to - from) + 1);
    }
    if (!isnan(average[n])) bar[column_of(average[n], least, most)] = 'o';
    strftime(when, sizeof when, "%Y-%m-%d %H:%M", gmtime(&seconds));
    printf("%s |%s| %g\n", when, bar, average[n]);
  }
}

int main(int argc, char **argv) {
  cognite_client *client;
  cognite_columns *columns = NULL;
  cognite_error *error = NULL;
  char query[2048] = "{\"externalId\":\"";
  int result = 0;
  if (argc < 2) {
    fprintf(stderr, "usage: trend EXTERNAL_ID [START [END [GRANULARITY]]]\n");
    return 1;
  }
  add_quoted(query, sizeof query - 200, argv[1]);
  strcat(query, "\",\"aggregates\":[\"average\",\"min\",\"max\"]");
  add_time(query, sizeof query, "start", argc > 2 ? argv[2] : "1d-ago");
  add_time(query, sizeof query, "end", argc > 3 ? argv[3] : "now");
  snprintf(query + strlen(query), sizeof query - strlen(query), ",\"granularity\":\"");
  add_quoted(query, sizeof query, argc > 4 ? argv[4] : "30m");
  snprintf(query + strlen(query), sizeof query - strlen(query), "\"}");
  client = example_client("trend");
  if (client == NULL) return 1;
  if (cognite_columns_read(client, query, strlen(query), NULL, &columns, &error) != COGNITE_OK) {
    result = example_fail("trend", error);
  } else if (cognite_columns_count(columns, 0) == 0) {
    printf("no datapoints\n");
  } else {
    draw(columns);
  }
  cognite_columns_free(columns);
  cognite_client_free(client);
  return result;
}
