/* test_aggregates.c - aggregates of a year in zones whose days are not all of one length, compared with the calendar of the C
 * library; what single states did; and all of it as JSON, compared with what the service itself writes. */
#define _DEFAULT_SOURCE
#include <time.h>
#include <unistd.h>
#include "connection.h"
#include "server.h"

#define QUARTER_MS INT64_C(900000)
#define FIRST_MS (INT64_C(1703980800000)) /* 2023-12-31T00:00:00Z */
enum { POINTS = 380 * 96 };               /* a point each quarter of an hour, past the last bucket in any zone */

static cognite_client *client;
static char unique[64];

static cognite_columns *read_(const char *query, int line) {
  char detail[900];
  cognite_columns *columns = NULL;
  cognite_error *err = NULL;
  cognite_columns_read(client, query, strlen(query), NULL, &columns, &err);
  snprintf(detail, sizeof detail, "line %d: %.300s: %.500s", line, query, err == NULL ? "" : cognite_error_message(err));
  CHECK_(err == NULL, detail);
  cognite_error_free(err);
  return columns;
}
#define READ(query) read_(query, __LINE__)

static void post(const char *below, const char *body) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  CHECK_(cognite_client_post(client, path(below), body, strlen(body), NULL, NULL, &response, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  cognite_response_free(response);
}

/* Midnight as the zone in TZ has it. Days and months past the end of a month or year are taken for those that follow. */
static int64_t midnight(int year, int month, int day) {
  struct tm tm;
  memset(&tm, 0, sizeof tm);
  tm.tm_year = year - 1900;
  tm.tm_mon = month - 1;
  tm.tm_mday = day;
  tm.tm_isdst = -1;
  return (int64_t)mktime(&tm) * 1000;
}

static void numbers(void) {
  static int64_t times[POINTS];
  static double values[POINTS];
  cognite_points *points = cognite_points_new();
  char name[100], body[200];
  int n;
  for (n = 0; n < POINTS; n++) {
    times[n] = FIRST_MS + n * QUARTER_MS;
    values[n] = (n * 7919) % 1009 - 500;
  }
  snprintf(name, sizeof name, "%s-numbers", unique);
  snprintf(body, sizeof body, "{\"items\":[{\"externalId\":\"%s\",\"isStep\":true}]}", name);
  post("/timeseries", body);
  CHECK_STATUS(cognite_points_add_f64(points, name, times, values, POINTS, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_points_insert(client, points, NULL, NULL, NULL), COGNITE_OK);
  cognite_points_free(points);
}

/* One bucket: its points are those from `begin` on and before `end`. */
static int as_computed(const cognite_columns *c, size_t bucket, int64_t begin, int64_t end) {
  int64_t n = (begin - FIRST_MS + QUARTER_MS - 1) / QUARTER_MS, count = 0;
  double sum = 0, most = -1e9, least = 1e9;
  for (; FIRST_MS + n * QUARTER_MS < end; n++, count++) {
    double value = (double)((n * 7919) % 1009 - 500);
    sum += value;
    if (value > most) most = value;
    if (value < least) least = value;
  }
  return cognite_columns_timestamps(c, 0)[bucket] == begin && cognite_columns_numbers(c, 0, "count")[bucket] == (double)count &&
         cognite_columns_numbers(c, 0, "sum")[bucket] == sum && cognite_columns_numbers(c, 0, "max")[bucket] == most &&
         cognite_columns_numbers(c, 0, "min")[bucket] == least &&
         cognite_columns_numbers(c, 0, "durationGood")[bucket] == (double)(end - begin);
}

/* `days` or `months` a bucket, of 2024. */
static void year(const char *zone, const char *granularity, int days, int months, size_t buckets, int pages) {
  char query[600], detail[200];
  cognite_columns *c = NULL;
  cognite_columns_pages *line = NULL;
  cognite_error *err = NULL;
  size_t n, of_23 = 0, of_25 = 0, odd = 0, wrong = 0;
  snprintf(query, sizeof query,
           "{\"externalId\":\"%s-numbers\",\"start\":%lld,\"end\":%lld,\"granularity\":\"%s\",\"timeZone\":\"%s\","
           "\"aggregates\":[\"count\",\"sum\",\"max\",\"min\",\"durationGood\"]}",
           unique, (long long)midnight(2024, 1, 1), (long long)midnight(2025, 1, 1), granularity, zone);
  if (!pages) {
    c = READ(query);
  } else {
    CHECK_STATUS(cognite_columns_pages_new(client, query, strlen(query), 1, NULL, &line, NULL), COGNITE_OK);
    cognite_columns_pages_next(line, &c, &err);
    CHECK_(err == NULL, cognite_error_json(err));
    cognite_error_free(err);
    cognite_columns_pages_free(line);
  }
  snprintf(detail, sizeof detail, "%s by %s: %zu buckets", zone, granularity, cognite_columns_count(c, 0));
  if (CHECK_(cognite_columns_count(c, 0) == buckets, detail)) {
    for (n = 0; n < buckets; n++) {
      int step = (int)n;
      int64_t begin = midnight(2024, 1 + step * months, 1 + step * days), end = midnight(2024, 1 + (step + 1) * months, 1 + (step + 1) * days);
      wrong += !as_computed(c, n, begin, end);
      of_23 += end - begin == 23 * 3600000;
      of_25 += end - begin == 25 * 3600000;
      odd += (end - begin) % 86400000 != 0;
    }
    snprintf(detail, sizeof detail, "%s by %s: %zu of %zu buckets wrong; days of 23 hours %zu, of 25 %zu, odd %zu", zone, granularity, wrong, buckets,
             of_23, of_25, odd);
    CHECK_(wrong == 0, detail);
    /* The calendar compared with is one that knows of summer time. */
    if (days == 1) {
      int by_an_hour = strcmp(zone, "Europe/Oslo") == 0 || strcmp(zone, "America/New_York") == 0;
      CHECK_(of_23 == (by_an_hour ? 1u : 0u) && of_25 == of_23 && odd == (strcmp(zone, "Asia/Kathmandu") == 0 ? 0u : 2u), detail);
    }
  }
  cognite_columns_free(c);
}

static void zones(void) {
  /* As the service names them; and their rules of 2024, for which the C library needs no data. */
  static const char *const all[][2] = {{"Europe/Oslo", "CET-1CEST,M3.5.0,M10.5.0/3"},
                                       {"America/New_York", "EST5EDT,M3.2.0,M11.1.0"},
                                       {"Australia/Lord_Howe", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"},
                                       {"Asia/Kathmandu", "<+0545>-5:45"}};
  size_t n;
  for (n = 0; n < sizeof all / sizeof *all; n++) {
    setenv("TZ", all[n][1], 1);
    tzset();
    year(all[n][0], "1d", 1, 0, 366, 0);
    year(all[n][0], "1day", 1, 0, 366, 1);
    year(all[n][0], "2w", 14, 0, 27, 0);
    year(all[n][0], "1mo", 0, 1, 12, 0);
    year(all[n][0], "1quarter", 0, 3, 4, 0);
    year(all[n][0], "1y", 0, 12, 1, 0);
  }
}

/* The datapoints of the only series of a document. */
static const char *datapoints(cognite_response *response) {
  const char *at = strstr(cognite_response_body(response, NULL), "\"datapoints\":");
  return at == NULL ? "none" : at;
}

/* What the columns are as JSON is what the service says when it is asked for JSON. */
static void same_as_json(const char *query, const char *contains) {
  char arguments[900];
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_response *ours = NULL, *theirs = NULL;
  cognite_error *err = NULL;
  cognite_columns *c = READ(query);
  size_t length;
  CHECK_STATUS(cognite_columns_to_json(c, &ours, NULL), COGNITE_OK);
  cognite_columns_free(c);
  snprintf(arguments, sizeof arguments, "{\"items\":[%s]}", query);
  operation.name = "time_series.data.retrieve";
  operation.arguments = arguments;
  operation.arguments_len = strlen(arguments);
  CHECK_(cognite_client_operate(client, &operation, &theirs, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  CHECK_EQUAL(datapoints(ours), datapoints(theirs));
  CHECK_CONTAINS(datapoints(ours), contains);
  CHECK(cognite_response_item_count(ours) == 1 && cognite_response_item(ours, 0, &length) != NULL && length > 0);
  cognite_response_free(ours);
  cognite_response_free(theirs);
}

static void states(void) {
  static const int64_t at[] = {0, 600, 1200, 3000, 5000};
  static const int64_t of[] = {0, 1, 1, 0, 1};
  static const int64_t begins[] = {0, 2, 4, 6};
  static const int64_t count[] = {1, 2, 1, 0, 0, 1}, transitions[] = {1, 1, 1, 0, 0, 1}, duration[] = {600, 1400, 1000, 1000, 1000, 0};
  cognite_column column = COGNITE_COLUMN_INIT;
  const cognite_column *one = &column;
  cognite_columns *c;
  cognite_error *err = NULL;
  const int64_t *buckets = NULL, *offsets = NULL;
  const char *names;
  char text[1500];
  struct ArrowSchema schema;
  struct ArrowArray array;
  snprintf(text, sizeof text, "{\"items\":[{\"space\":\"%s\"}]}", unique);
  post("/models/spaces", text);
#define NODE "{\"instanceType\":\"node\",\"space\":\"%s\",\"externalId\":\"%s\",\"sources\":[{\"source\":{\"type\":\"view\",\"space\":\"cdf_cdm\"," \
             "\"externalId\":\"%s\",\"version\":\"v1\"},\"properties\":{"
  snprintf(text, sizeof text,
           "{\"items\":[" NODE "\"states\":[{\"numericValue\":0,\"stringValue\":\"OFF\"},{\"numericValue\":1,\"stringValue\":\"ON\"}]}}]}," NODE
           "\"isStep\":true,\"type\":\"state\",\"stateSet\":{\"space\":\"%s\",\"externalId\":\"set\"}}}]}]}",
           unique, "set", "CogniteStateSet", unique, "states", "CogniteTimeSeries", unique);
  post("/models/instances", text);
  column.space = unique;
  column.external_id = "states";
  column.count = 5;
  column.timestamps_ms = at;
  column.states = of;
  CHECK_(cognite_points_insert_columns(client, &one, 1, NULL, NULL, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);

  /* Buckets without a point do not exist. The first has points of both states, the second one of OFF and ON from before. */
#define OF_STATES "{\"instanceId\":{\"space\":\"%s\",\"externalId\":\"states\"},\"start\":0,\"end\":6000,\"granularity\":\"2s\",\"aggregates\":[%s]}"
  snprintf(text, sizeof text, OF_STATES, unique, "\"stateCount\",\"stateDuration\",\"count\",\"state_transitions\"");
  c = READ(text);
  CHECK_CONTAINS(cognite_columns_info(c, 0), "\"aggregates\":[\"count\",\"stateCount\",\"stateDuration\",\"stateTransitions\"]");
  names = cognite_columns_text(c, 0, &offsets);
  if (CHECK(cognite_columns_count(c, 0) == 3 && cognite_columns_numbers(c, 0, "count")[0] == 3) &&
      CHECK(cognite_columns_state_aggregates(c, 0, "stateCount", &buckets) != NULL) && CHECK(buckets != NULL && offsets != NULL)) {
    static const int64_t numbers_of[] = {0, 1, 0, 1, 0, 1};
    CHECK(memcmp(buckets, begins, sizeof begins) == 0);
    CHECK(memcmp(cognite_columns_state_aggregates(c, 0, NULL, NULL), numbers_of, sizeof numbers_of) == 0);
    CHECK(memcmp(cognite_columns_state_aggregates(c, 0, "stateCount", NULL), count, sizeof count) == 0);
    CHECK(memcmp(cognite_columns_state_aggregates(c, 0, "stateTransitions", NULL), transitions, sizeof transitions) == 0);
    CHECK(memcmp(cognite_columns_state_aggregates(c, 0, "stateDuration", NULL), duration, sizeof duration) == 0);
    CHECK(offsets[6] == 15 && memcmp(names, "OFFONOFFONOFFON", 15) == 0);
  }
  CHECK(cognite_columns_numbers(c, 0, "stateCount") == NULL && cognite_columns_state_aggregates(c, 0, "count", NULL) == NULL);
  CHECK_STATUS(cognite_columns_export_arrow(c, 0, &schema, &array, NULL), COGNITE_OK);
  if (CHECK(array.n_children == 3)) {
    struct ArrowArray *list = array.children[2], *entries = list->children[0];
    CHECK_EQUAL(schema.children[2]->name, "stateAggregates");
    CHECK_EQUAL(schema.children[2]->format, "+L");
    CHECK_EQUAL(schema.children[2]->children[0]->format, "+s");
    CHECK(list->length == 3 && entries->length == 6 && entries->n_children == 5);
    CHECK(memcmp(list->buffers[1], begins, sizeof begins) == 0);
    CHECK(memcmp(entries->children[4]->buffers[1], duration, sizeof duration) == 0);
  }
  cognite_columns_free(c);
  schema.release(&schema);
  array.release(&array);

  snprintf(text, sizeof text, OF_STATES, unique, "\"stateDuration\"");
  c = READ(text);
  CHECK(cognite_columns_state_aggregates(c, 0, "stateCount", &buckets) == NULL && buckets != NULL);
  CHECK(memcmp(cognite_columns_state_aggregates(c, 0, "stateDuration", NULL), duration, sizeof duration) == 0);
  cognite_columns_free(c);
  snprintf(text, sizeof text, OF_STATES, unique, "\"count\",\"stateCount\",\"stateTransitions\",\"stateDuration\"");
  same_as_json(text, "\"stateAggregates\":[{\"numericValue\":0,\"stringValue\":\"OFF\",\"stateCount\":1,");
  snprintf(text, sizeof text, "{\"instanceId\":{\"space\":\"%s\",\"externalId\":\"states\"},\"start\":0,\"end\":6000}", unique);
  same_as_json(text, "{\"timestamp\":600,\"numericValue\":1,\"stringValue\":\"ON\"}");
  /* Numbers have no states. */
  snprintf(text, sizeof text, "{\"externalId\":\"%s-numbers\",\"start\":0,\"end\":6000,\"granularity\":\"2s\",\"aggregates\":\"stateCount\"}", unique);
  CHECK_STATUS(cognite_columns_read(client, text, strlen(text), NULL, &c, &err), COGNITE_ERR_API);
  cognite_error_free(err);
}

static void json(void) {
  char query[600];
  cognite_columns *c;
  cognite_response *response = POISON(cognite_response);
  size_t length;
  snprintf(query, sizeof query, "{\"externalId\":\"%s-numbers\",\"start\":%lld,\"end\":%lld,\"limit\":1000}", unique, (long long)FIRST_MS,
           (long long)(FIRST_MS + 900 * QUARTER_MS));
  same_as_json(query, "{\"timestamp\":1703980800000,\"value\":-500.0}");
  snprintf(query, sizeof query,
           "{\"externalId\":\"%s-numbers\",\"start\":%lld,\"end\":%lld,\"limit\":1000,\"granularity\":\"5h\","
           "\"aggregates\":[\"average\",\"max\",\"min\",\"count\",\"sum\",\"interpolation\",\"stepInterpolation\",\"continuousVariance\","
           "\"discreteVariance\",\"totalVariation\",\"countGood\",\"countUncertain\",\"countBad\",\"durationGood\",\"durationUncertain\","
           "\"durationBad\",\"maxDatapoint\",\"minDatapoint\"]}",
           unique, (long long)FIRST_MS - 18000000, (long long)(FIRST_MS + 900 * QUARTER_MS));
  same_as_json(query, "\"minDatapoint\":{\"timestamp\":1703980800000,\"value\":-500.0}");
  /* Several series, one of which there is not; more buckets than one answer holds. */
  snprintf(query, sizeof query,
           "{\"items\":[{\"externalId\":\"%s-numbers\",\"limit\":3},{\"externalId\":\"no\"},{\"externalId\":\"%s-numbers\",\"aggregates\":[\"count\"],"
           "\"granularity\":\"15m\"}],\"end\":%lld,\"start\":%lld,\"ignoreUnknownIds\":true}",
           unique, unique, (long long)(FIRST_MS + 20000 * QUARTER_MS), (long long)FIRST_MS);
  c = READ(query);
  CHECK_STATUS(cognite_columns_to_json(c, &response, NULL), COGNITE_OK);
  cognite_columns_free(c);
  if (CHECK(cognite_response_item_count(response) == 2)) {
    const char *item = cognite_response_item(response, 1, &length), *end = item + length;
    size_t buckets = 0;
    for (; item < end; item++) buckets += *item == '{';
    CHECK(buckets == 20001);
  }
  cognite_response_free(response);
  snprintf(query, sizeof query, "{\"externalId\":\"%s-numbers\",\"aggregates\":[\"count\"],\"granularity\":\"100000d\",\"end\":\"1w-ahead\"}", unique);
  c = READ(query);
  CHECK(cognite_columns_count(c, 0) == 1 && cognite_columns_numbers(c, 0, "count")[0] == POINTS);
  cognite_columns_free(c);
  CHECK_STATUS(cognite_columns_to_json(NULL, &response, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(response == NULL);
}

int main(void) {
  snprintf(unique, sizeof unique, "sums%ld%lld", (long)getpid(), (long long)server_now_ms() % 1000000);
  client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  numbers();
  states();
  json();
  zones();
  cognite_client_free(client);
  return REPORT();
}
