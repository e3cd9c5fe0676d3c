/* test_subscriptions.c - changes of time series, shared by two readers, resumed from the cursors they kept; and expressions
 * over series, more points than one answer holds. */
#define _DEFAULT_SOURCE
#include "connection.h"
#include "server.h"

#define T0 INT64_C(1700000000000)
enum { SERIES = 6, FIRST = 400, ALL = 25000 };

static cognite_client *client;
static char unique[64];

static cognite_response *operate(const char *name, const char *arguments) {
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  operation.name = name;
  operation.arguments = arguments;
  operation.arguments_len = strlen(arguments);
  CHECK_(cognite_client_operate(client, &operation, &response, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  return response;
}

/* Datapoints `from` to `to` of series `n`: number i at T0 + i seconds has the value i + n. */
static void write_points(int n, int from, int to) {
  static int64_t times[ALL];
  static double values[ALL];
  char name[100];
  cognite_points *points = cognite_points_new();
  int i;
  for (i = from; i < to; i++) {
    times[i] = T0 + (int64_t)i * 1000;
    values[i] = i + n;
  }
  snprintf(name, sizeof name, "%s-%d", unique, n);
  CHECK_STATUS(cognite_points_add_f64(points, name, times + from, values + from, (size_t)(to - from), NULL), COGNITE_OK);
  CHECK_STATUS(cognite_points_insert(client, points, NULL, NULL, NULL), COGNITE_OK);
  cognite_points_free(points);
}

static cognite_subscription *reader_of(const char *query) {
  cognite_subscription *reader = NULL;
  cognite_error *err = NULL;
  cognite_subscription_new(client, query, strlen(query), NULL, &reader, &err);
  CHECK_(reader != NULL, cognite_error_message(err));
  cognite_error_free(err);
  return reader;
}

/* What came, by series and second. */
static unsigned char seen[SERIES][ALL];

/* Takes steps until there is no more; the datapoints. The cursors go to `kept`. */
static int follow(cognite_subscription *reader, char *kept, size_t size, int *deletes) {
  int points = 0, steps = 0, more = 1;
  while (more && steps++ < 200) {
    cognite_response *step = NULL;
    cognite_columns *columns = NULL;
    cognite_error *err = NULL;
    const char *body, *at;
    size_t s, n;
    CHECK_(cognite_subscription_next(reader, &step, &err) == COGNITE_OK, cognite_error_message(err));
    cognite_error_free(err);
    if (step == NULL) break;
    CHECK_STATUS(cognite_columns_of(step, &columns, NULL), COGNITE_OK);
    for (s = 0; s < cognite_columns_series(columns); s++) {
      const int64_t *times = cognite_columns_timestamps(columns, s);
      const double *values = cognite_columns_numbers(columns, s, NULL);
      const char *name = strstr(cognite_columns_info(columns, s), unique);
      int series = name != NULL ? atoi(name + strlen(unique) + 1) : -1, good = series >= 0;
      for (n = 0; good && n < cognite_columns_count(columns, s); n++) {
        int second = (int)((times[n] - T0) / 1000);
        good = values[n] == second + series;
        if (good) seen[series][second]++;
        points++;
      }
      CHECK(good);
    }
    body = cognite_response_body(step, NULL);
    at = strstr(body, "\"partitions\":[");
    if (CHECK(at != NULL)) snprintf(kept, size, "%.*s", (int)(strcspn(at, "]") + 1), at);
    for (at = body; deletes != NULL && (at = strstr(at, "inclusiveBegin")) != NULL; at++) ++*deletes;
    more = strstr(body, "\"hasNext\":true") != NULL;
    cognite_columns_free(columns);
    cognite_response_free(step);
  }
  return points;
}

static void subscriptions(void) {
  char text[1500], kept[2][400];
  cognite_subscription *readers[2];
  cognite_queue *queue = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_error *err = NULL;
  cognite_subscription *none = POISON(cognite_subscription);
  int n, r, deletes = 0, wrong = 0, points[2];
  strcpy(text, "{\"items\":[");
  for (n = 0; n < SERIES; n++) snprintf(text + strlen(text), sizeof text - strlen(text), "%s{\"externalId\":\"%s-%d\"}", n ? "," : "", unique, n);
  strcat(text, "]}");
  cognite_response_free(operate("time_series.create", text));
  snprintf(text, sizeof text, "{\"items\":[{\"externalId\":\"%s\",\"partitionCount\":2,\"timeSeriesIds\":[", unique);
  for (n = 0; n < SERIES; n++) snprintf(text + strlen(text), sizeof text - strlen(text), "%s\"%s-%d\"", n ? "," : "", unique, n);
  strcat(text, "]}]}");
  cognite_response_free(operate("time_series.subscriptions.create", text));

  /* Two machines, a partition each: together they get everything, each of it once. */
  for (n = 0; n < SERIES; n++) write_points(n, 0, FIRST);
  for (r = 0; r < 2; r++) {
    snprintf(text, sizeof text, "{\"externalId\":\"%s\",\"partitions\":[%d],\"limit\":250,\"pollTimeoutSeconds\":0}", unique, r);
    readers[r] = reader_of(text);
    points[r] = follow(readers[r], kept[r], sizeof kept[r], NULL);
  }
  CHECK(points[0] + points[1] == SERIES * FIRST);
  for (n = 0; n < SERIES * FIRST; n++) wrong += seen[n / FIRST][n % FIRST] != 1;
  CHECK(wrong == 0);

  /* One goes on by itself, asynchronously; the other is another machine now, with the cursor that was kept. */
  for (n = 0; n < SERIES; n++) write_points(n, FIRST, FIRST + 10);
  snprintf(text, sizeof text, "{\"items\":[{\"externalId\":\"%s-0\",\"start\":%lld,\"end\":%lld}]}", unique, (long long)T0, (long long)T0 + 5000);
  CHECK_STATUS(cognite_points_delete(client, text, strlen(text), NULL, NULL, NULL), COGNITE_OK);
  cognite_subscription_free(readers[1]);
  snprintf(text, sizeof text, "{\"externalId\":\"%s\",%s,\"pollTimeoutSeconds\":0,\"initializeCursors\":\"now\"}", unique, kept[1]);
  readers[1] = reader_of(text);
  points[0] = follow(readers[0], kept[0], sizeof kept[0], &deletes);
  points[1] = follow(readers[1], kept[1], sizeof kept[1], &deletes);
  CHECK(points[0] + points[1] == SERIES * 10 && deletes == 1);
  for (n = 0; n < SERIES * 10; n++) wrong += seen[n / 10][FIRST + n % 10] != 1;
  CHECK(wrong == 0);

  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  CHECK_STATUS(cognite_subscription_next_async(readers[0], &notify, NULL), COGNITE_OK);
  cognite_subscription_free(readers[0]);
  CHECK_STATUS(cognite_queue_next(queue, 60000, &done, NULL), COGNITE_OK);
  CHECK_CONTAINS(cognite_response_body(done.response, NULL), "\"points\":0");
  cognite_response_free(done.response);
  cognite_queue_free(queue);
  cognite_subscription_free(readers[1]);

  /* A step that fails leaves the reader where it was: there is no such subscription, and then there is. */
  snprintf(text, sizeof text, "{\"externalId\":\"%s-later\",\"pollTimeoutSeconds\":0}", unique);
  readers[0] = reader_of(text);
  {
    cognite_response *step = POISON(cognite_response);
    CHECK(cognite_subscription_next(readers[0], &step, &err) != COGNITE_OK);
    CHECK(step == NULL && err != NULL);
    cognite_error_free(err);
  }
  snprintf(text, sizeof text, "{\"items\":[{\"externalId\":\"%s-later\",\"partitionCount\":1,\"timeSeriesIds\":[\"%s-3\"]}]}", unique, unique);
  cognite_response_free(operate("time_series.subscriptions.create", text));
  write_points(3, FIRST + 10, FIRST + 13);
  CHECK(follow(readers[0], kept[0], sizeof kept[0], NULL) == 3);
  cognite_subscription_free(readers[0]);

  CHECK_STATUS(cognite_subscription_new(client, "{}", 2, NULL, &none, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(none == NULL);
  CHECK_CONTAINS(cognite_error_message(err), "externalId");
  cognite_error_free(err);
  cognite_subscription_free(NULL);
}

static void synthetic(void) {
  char text[600];
  cognite_columns *c = NULL;
  cognite_error *err = NULL;
  cognite_queue *queue = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  const int64_t *times;
  const double *values;
  int n, good = 1;
  write_points(0, 0, ALL);
  snprintf(text, sizeof text,
           "{\"items\":[{\"expression\":\"TS{externalId='%s-0'} * 2 + 1\"},{\"expression\":\"1 / (TS{externalId='%s-0'} - 5)\",\"limit\":7}],"
           "\"start\":%lld,\"end\":\"now\"}", unique, unique, (long long)T0);
  CHECK_(cognite_columns_read_synthetic(client, text, strlen(text), NULL, &c, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  times = cognite_columns_timestamps(c, 0);
  values = cognite_columns_numbers(c, 0, NULL);
  CHECK(cognite_columns_series(c) == 2 && cognite_columns_count(c, 0) == ALL && cognite_columns_count(c, 1) == 7);
  for (n = 0; n < (int)cognite_columns_count(c, 0); n++) good = good && times[n] == T0 + (int64_t)n * 1000 && values[n] == n * 2 + 1;
  CHECK(good);
  CHECK(cognite_columns_validity(c, 0) == NULL && cognite_columns_item(c, 1) == 1);
  CHECK(cognite_columns_validity(c, 1) != NULL && (cognite_columns_validity(c, 1)[0] & 0x7f) == 0x5f); /* 1 / 0 */
  cognite_columns_free(c);

  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  CHECK_STATUS(cognite_columns_read_synthetic_async(client, text, strlen(text), NULL, &notify, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_queue_next(queue, 60000, &done, NULL), COGNITE_OK);
  CHECK_EQUAL(cognite_response_body(done.response, NULL), "{\"series\":2,\"points\":25007}");
  cognite_response_free(done.response);
  cognite_queue_free(queue);

  /* One that is wrong: the others are had all the same. */
  snprintf(text, sizeof text, "{\"items\":[{\"expression\":\"TS{externalId='%s-0'}\",\"limit\":3},{\"expression\":\"1 +\"}]}", unique);
  CHECK(cognite_columns_read_synthetic(client, text, strlen(text), NULL, &c, &err) != COGNITE_OK);
  CHECK_STATUS(cognite_columns_of_error(err, &c, NULL), COGNITE_OK);
  CHECK(cognite_columns_series(c) == 2);
  cognite_columns_free(c);
  cognite_error_free(err);
}

int main(void) {
  snprintf(unique, sizeof unique, "subs-%ld-%lld", (long)getpid(), (long long)server_now_ms());
  client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  subscriptions();
  synthetic();
  cognite_client_free(client);
  return REPORT();
}
