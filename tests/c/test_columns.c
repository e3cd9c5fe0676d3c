/* test_columns.c - datapoints read into columns: what was written comes back bit for bit, however it is cut on the way. */
#define _DEFAULT_SOURCE
#include <math.h>
#include <unistd.h>
#include "connection.h"
#include "server.h"

static cognite_client *client;
static char unique[64]; /* starts the external ids of this run */
#define T0 INT64_C(1700000000000)

/* Makes a series; its id. */
static long long create(const char *name, int is_string) {
  char body[300];
  cognite_response *response = NULL;
  const char *id;
  long long n = 0;
  snprintf(body, sizeof body, "{\"items\":[{\"externalId\":\"%s-%s\",\"isString\":%s,\"isStep\":true,\"unit\":\"bar\"}]}", unique, name,
           is_string ? "true" : "false");
  CHECK_STATUS(cognite_client_post(client, path("/timeseries"), body, strlen(body), NULL, NULL, &response, NULL), COGNITE_OK);
  id = strstr(cognite_response_body(response, NULL), "\"id\":");
  if (id != NULL) n = strtoll(id + 5, NULL, 10);
  CHECK(n > 0);
  cognite_response_free(response);
  return n;
}

/* A query; `%s` in it is this run's prefix. */
static cognite_columns *query_(const char *form, cognite_status wanted, int line) {
  static char text[4096];
  char detail[400];
  cognite_columns *columns = POISON(cognite_columns);
  cognite_error *err = NULL;
  cognite_status status;
  snprintf(text, sizeof text, form, unique, unique, unique, unique);
  status = cognite_columns_read(client, text, strlen(text), NULL, &columns, &err);
  snprintf(detail, sizeof detail, "line %d: %s %.300s", line, cognite_status_name(status), cognite_error_message(err));
  CHECK_(status == wanted && (columns != NULL) == (status == COGNITE_OK), detail);
  cognite_error_free(err);
  return columns;
}
#define QUERY(form) query_(form, COGNITE_OK, __LINE__)

static void write_all(const cognite_column *const *columns, size_t count) {
  cognite_error *err = NULL;
  cognite_status status = cognite_points_insert_columns(client, columns, count, NULL, NULL, &err);
  CHECK_(status == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
}

static const int64_t times4[] = {-5, T0, T0 + 1, T0 + 2};

static void every_kind(void) {
  static const double numbers[] = {1e100, 0.1, -0.0, 5e-324};
  static const uint32_t codes[] = {0, 0x40000000u, 0x80000000u, 0x808C0000u};
  static const uint8_t not_the_third[] = {0x0b};
  static const int64_t offsets[] = {0, 2, 2, 5, 6};
  const cognite_column *both[2];
  cognite_column n = COGNITE_COLUMN_INIT, t = COGNITE_COLUMN_INIT;
  cognite_columns *c;
  char name[100], text[400];
  const int64_t *at;
  const char *bytes;
  long long id = create("kind-n", 0);
  create("kind-t", 1);
  snprintf(name, sizeof name, "%s-kind-t", unique);
  n.id = id;
  n.count = t.count = 4;
  n.timestamps_ms = t.timestamps_ms = times4;
  n.numbers = numbers;
  n.status_codes = t.status_codes = codes;
  n.validity = t.validity = not_the_third;
  t.external_id = name;
  t.text = "\xc3\xb8" "abcZ";
  t.text_offsets = offsets;
  both[0] = &n;
  both[1] = &t;
  write_all(both, 2);

  snprintf(text, sizeof text,
           "{\"items\":[{\"externalId\":\"%%s-kind-t\"},{\"id\":%lld},{\"externalId\":\"%%s-kind-t\",\"limit\":1}],\"start\":-10,\"end\":%lld,"
           "\"includeStatus\":true,\"ignoreBadDataPoints\":false,\"treatUncertainAsBad\":false}", id, (long long)T0 + 10);
  c = QUERY(text);
  CHECK(cognite_columns_series(c) == 3);
  CHECK(cognite_columns_count(c, 0) == 4 && cognite_columns_count(c, 1) == 4 && cognite_columns_count(c, 2) == 1);
  if (cognite_columns_count(c, 0) == 4 && cognite_columns_count(c, 1) == 4) {
    CHECK(memcmp(cognite_columns_timestamps(c, 0), times4, sizeof times4) == 0);
    CHECK(memcmp(cognite_columns_timestamps(c, 1), times4, sizeof times4) == 0);
    CHECK(memcmp(cognite_columns_numbers(c, 1, NULL), numbers, 16) == 0);
    CHECK(isnan(cognite_columns_numbers(c, 1, NULL)[2]) && cognite_columns_numbers(c, 1, NULL)[3] == 5e-324);
    CHECK(memcmp(cognite_columns_status_codes(c, 0), codes, sizeof codes) == 0);
    CHECK(memcmp(cognite_columns_status_codes(c, 1), codes, sizeof codes) == 0);
    CHECK((cognite_columns_validity(c, 1)[0] & 15) == 0x0b && (cognite_columns_validity(c, 0)[0] & 15) == 0x0b);
    bytes = cognite_columns_text(c, 0, &at);
    CHECK(at != NULL && at[0] == 0 && at[1] == 2 && at[2] == 2 && at[3] == 2 && at[4] == 3);
    CHECK(bytes != NULL && memcmp(bytes, "\xc3\xb8Z", 3) == 0);
  }
  CHECK(cognite_columns_numbers(c, 0, NULL) == NULL && cognite_columns_states(c, 0) == NULL);
  CHECK(cognite_columns_text(c, 1, &at) == NULL && at == NULL);
  CHECK(cognite_columns_status_codes(c, 2) == NULL && cognite_columns_validity(c, 2) == NULL);
  CHECK_CONTAINS(cognite_columns_info(c, 0), "\"type\":\"string\"");
  CHECK_CONTAINS(cognite_columns_info(c, 1), "\"unit\":\"bar\"");
  CHECK_CONTAINS(cognite_columns_info(c, 1), "\"isStep\":true");
  CHECK_CONTAINS(cognite_columns_info(c, 1), "\"complete\":true");
  CHECK_EQUAL(cognite_columns_info(c, 3), "{}");
  CHECK(cognite_columns_timestamps(c, 3) == NULL && cognite_columns_count(c, 3) == 0);
  cognite_columns_free(c);
}

enum { MANY = 230000 };

/* Whether series `s` of `c` holds the points that were written, from number `from` on. */
static int as_written(const cognite_columns *c, size_t s, int from, int count, int step) {
  const int64_t *times = cognite_columns_timestamps(c, s);
  const double *values = cognite_columns_numbers(c, s, NULL);
  int n;
  if (cognite_columns_count(c, s) != (size_t)count) return 0;
  for (n = 0; n < count; n++) {
    if (times[n] != T0 + (int64_t)(from + n) * step || values[n] != (from + n) * 0.25) return 0;
  }
  return 1;
}

static void many(void) {
  int64_t *times = malloc(MANY * sizeof *times);
  double *values = malloc(MANY * sizeof *values);
  cognite_column parts[8];
  const cognite_column *all[8];
  char names[8][100], text[1500] = "{\"items\":[";
  cognite_columns *c;
  int n;
  for (n = 0; n < MANY; n++) {
    times[n] = T0 + (int64_t)n * 5000; /* more than 13 days: several windows at a time */
    values[n] = n * 0.25;
  }
  for (n = 0; n < 8; n++) {
    cognite_column one = COGNITE_COLUMN_INIT;
    snprintf(names[n], sizeof names[n], "many-%d", n);
    create(names[n], 0);
    snprintf(names[n], sizeof names[n], "%s-many-%d", unique, n);
    one.external_id = names[n];
    one.count = n == 0 ? MANY : (size_t)n * 9000;
    one.timestamps_ms = times;
    one.numbers = values;
    parts[n] = one;
    all[n] = &parts[n];
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s{\"externalId\":\"%s\"}", n ? "," : "", names[n]);
  }
  write_all(all, 8);
  strcat(text, "]}");
  /* One series in windows; all together, several to a request. */
  c = QUERY("{\"externalId\":\"%s-many-0\",\"start\":1700000000000,\"end\":\"2023-11-29T00:00:00Z\"}");
  CHECK(as_written(c, 0, 0, 228960 > MANY ? MANY : (int)cognite_columns_count(c, 0), 5000) && cognite_columns_count(c, 0) > 200000);
  cognite_columns_free(c);
  c = QUERY("{\"externalId\":\"%s-many-0\"}");
  CHECK(as_written(c, 0, 0, MANY, 5000));
  cognite_columns_free(c);
  c = QUERY("{\"externalId\":\"%s-many-0\",\"limit\":200000,\"start\":1700000005000}");
  CHECK(as_written(c, 0, 1, 200000, 5000));
  cognite_columns_free(c);
  c = QUERY(text);
  CHECK(cognite_columns_series(c) == 8);
  CHECK(as_written(c, 0, 0, MANY, 5000));
  for (n = 1; n < 8; n++) CHECK(as_written(c, (size_t)n, 0, n * 9000, 5000));
  cognite_columns_free(c);

  /* The points just outside. */
  c = QUERY("{\"externalId\":\"%s-many-0\",\"start\":1700000000001,\"end\":1700000020000,\"includeOutsidePoints\":true}");
  CHECK(as_written(c, 0, 0, 5, 5000));
  cognite_columns_free(c);

  /* Aggregates, more than one request holds: minutes of 12 points each. */
  c = QUERY("{\"externalId\":\"%s-many-0\",\"start\":1700000000000,\"end\":1701150000000,\"granularity\":\"1m\","
            "\"aggregates\":[\"count\",\"min\",\"max_datapoint\"]}");
  CHECK(cognite_columns_count(c, 0) > 19000);
  if (cognite_columns_count(c, 0) > 19000) {
    const int64_t *at = cognite_columns_timestamps(c, 0);
    const double *counts = cognite_columns_numbers(c, 0, "count"), *least = cognite_columns_numbers(c, 0, "min");
    const double *when = cognite_columns_numbers(c, 0, "maxDatapoint.timestamp"), *most = cognite_columns_numbers(c, 0, "maxDatapoint");
    int good = counts != NULL && least != NULL && when != NULL && most != NULL;
    double sum = 0;
    for (n = 0; good && n < (int)cognite_columns_count(c, 0); n++) {
      good = at[n] % 60000 == 0 && (n == 0 || at[n] == at[n - 1] + 60000) && most[n] == ((double)when[n] - (double)T0) / 5000 * 0.25;
      sum += counts[n];
    }
    CHECK(good && sum == MANY);
    CHECK(least[1] == counts[0] * 0.25);
  }
  CHECK(cognite_columns_numbers(c, 0, "average") == NULL && cognite_columns_numbers(c, 0, NULL) == NULL);
  CHECK_CONTAINS(cognite_columns_info(c, 0), "\"maxDatapoint.timestamp\"");
  cognite_columns_free(c);
  free(times);
  free(values);
}

static void latest_and_delete(void) {
  static const char form[] = "{\"items\":[{\"externalId\":\"%s-many-0\"},{\"externalId\":\"%s-many-1\",\"before\":1700000000001},"
                             "{\"externalId\":\"%s-kind-t\",\"before\":-5}]}";
  char text[600];
  cognite_columns *c = NULL;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  snprintf(text, sizeof text, form, unique, unique, unique);
  CHECK_STATUS(cognite_columns_read_latest(client, text, strlen(text), NULL, &c, &err), COGNITE_OK);
  CHECK_(err == NULL, cognite_error_message(err));
  CHECK(as_written(c, 0, MANY - 1, 1, 5000) && as_written(c, 1, 0, 1, 5000) && cognite_columns_count(c, 2) == 0);
  cognite_columns_free(c);

  snprintf(text, sizeof text, "{\"items\":[{\"externalId\":\"%s-many-1\",\"start\":1700000005000,\"end\":\"now\"}]}", unique);
  CHECK_STATUS(cognite_points_delete(client, text, strlen(text), NULL, &response, &err), COGNITE_OK);
  CHECK_EQUAL(cognite_response_body(response, NULL), "{\"ranges\":1,\"requests\":1}");
  cognite_response_free(response);
  c = QUERY("{\"externalId\":\"%s-many-1\"}");
  CHECK(as_written(c, 0, 0, 1, 5000));
  cognite_columns_free(c);
  snprintf(text, sizeof text, "{\"items\":[{\"externalId\":\"%s-none\",\"start\":1,\"end\":2}]}", unique);
  CHECK_STATUS(cognite_points_delete(client, text, strlen(text), NULL, NULL, &err), COGNITE_ERR_NOT_FOUND);
  CHECK_CONTAINS(cognite_error_json(err), "\"failed\":[{\"externalId\":");
  cognite_error_free(err);
  snprintf(text, sizeof text, "{\"items\":[{\"externalId\":\"%s-none\",\"start\":1}]}", unique);
  CHECK_STATUS(cognite_points_delete(client, text, strlen(text), NULL, NULL, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "both start and end");
  cognite_error_free(err);
}

static void unknown(void) {
  static const char six[] = "{\"items\":[{\"externalId\":\"%s-many-2\"},{\"externalId\":\"%s-no\"},{\"externalId\":\"%s-many-3\"},"
                            "{\"externalId\":\"%s-many-4\"},{\"id\":1},{\"id\":2}],\"limit\":5,\"ignoreUnknownIds\":%s}";
  char text[700];
  cognite_columns *c = NULL, *part = NULL;
  cognite_error *err = NULL;
  c = QUERY("{\"items\":[{\"externalId\":\"%s-many-2\"},{\"externalId\":\"%s-no\"}],\"limit\":5,\"ignoreUnknownIds\":true}");
  CHECK(cognite_columns_count(c, 0) == 5 && cognite_columns_count(c, 1) == 0);
  CHECK_CONTAINS(cognite_columns_info(c, 1), "\"found\":false");
  cognite_columns_free(c);
  snprintf(text, sizeof text, six, unique, unique, unique, unique, "true");
  CHECK_STATUS(cognite_columns_read(client, text, strlen(text), NULL, &c, &err), COGNITE_OK);
  CHECK(cognite_columns_count(c, 0) == 5 && cognite_columns_count(c, 1) == 0 && cognite_columns_count(c, 2) == 5);
  cognite_columns_free(c);
  snprintf(text, sizeof text, six, unique, unique, unique, unique, "false");
  CHECK_STATUS(cognite_columns_read(client, text, strlen(text), NULL, &c, &err), COGNITE_ERR_NOT_FOUND);
  CHECK(c == NULL);
  CHECK_CONTAINS(cognite_error_json(err), "-no\"},{\"id\":1},{\"id\":2}]"); /* in the order of the query */
  /* The others were read all the same. */
  CHECK_STATUS(cognite_columns_of_error(err, &part, NULL), COGNITE_OK);
  CHECK(cognite_columns_series(part) == 6 && cognite_columns_count(part, 0) == 5 && cognite_columns_count(part, 1) == 0);
  cognite_error_free(err);
  CHECK(cognite_columns_timestamps(part, 3)[4] == T0 + 20000); /* outlives the error */
  cognite_columns_free(part);
}

static void later(void) {
  cognite_queue *queue = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_columns *c = NULL, *again = NULL;
  cognite_error *err = NULL;
  char text[200];
  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  snprintf(text, sizeof text, "{\"externalId\":\"%s-many-2\",\"limit\":7}", unique);
  CHECK_STATUS(cognite_columns_read_async(client, text, strlen(text), NULL, &notify, NULL), COGNITE_OK);
  memset(text, 'x', sizeof text);
  CHECK_STATUS(cognite_queue_next(queue, 60000, &done, NULL), COGNITE_OK);
  CHECK_EQUAL(cognite_response_body(done.response, NULL), "{\"series\":1,\"points\":7}");
  CHECK_STATUS(cognite_columns_of(done.response, &c, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_columns_of(done.response, &again, NULL), COGNITE_OK);
  cognite_response_free(done.response);
  CHECK(cognite_columns_timestamps(c, 0) == cognite_columns_timestamps(again, 0));
  cognite_columns_free(again);
  CHECK(as_written(c, 0, 0, 7, 5000));
  cognite_columns_free(c);
  snprintf(text, sizeof text, "{\"id\":1,\"limit\":-7}");
  CHECK_STATUS(cognite_columns_read_async(client, text, strlen(text), NULL, &notify, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "limit");
  cognite_error_free(err);
  cognite_queue_free(queue);
}

/* Answers that are no answers. */
static const char *answer;
static size_t answer_length;
static void hostile(struct server *server, int fd) {
  (void)server;
  server_reply(fd, "200 OK", "Content-Type: application/protobuf\r\n", answer, answer_length);
}

static void damaged(void) {
  static struct server server;
  cognite_client *lone;
  cognite_columns *c = NULL;
  size_t n;
#define ANSWER(text) {text, sizeof text - 1}
  static const struct { const char *text; size_t length; } bad[] = {
    ANSWER("{\"items\":[]}"), ANSWER(""), ANSWER("\x0a\x02\x08\x02"), ANSWER("\x0a\x02\x08\x01\x0a\x02\x08\x01"),
    ANSWER("\x0a\x7f\x08\x01"), ANSWER("\x0a\x06\x08\x01\x2a\x02\x0a\x00"), ANSWER("\x0a\xff\xff\xff\xff\x0f")};
  static const char query[] = "{\"id\":1,\"limit\":3}";
  server_start(&server, hostile);
  lone = connect_server(server.port);
  for (n = 0; n < sizeof bad / sizeof *bad; n++) {
    cognite_error *err = NULL;
    answer = bad[n].text;
    answer_length = bad[n].length;
    CHECK_STATUS(cognite_columns_read(lone, query, sizeof query - 1, NULL, &c, &err), COGNITE_ERR_DECODE);
    CHECK_CONTAINS(cognite_error_message(err), "cannot be understood");
    cognite_error_free(err);
  }
  /* The smallest that is one: a series without datapoints. */
  answer = "\x0a\x02\x08\x01";
  answer_length = 4;
  CHECK_STATUS(cognite_columns_read(lone, query, sizeof query - 1, NULL, &c, NULL), COGNITE_OK);
  CHECK(cognite_columns_series(c) == 1 && cognite_columns_count(c, 0) == 0);
  cognite_columns_free(c);
  cognite_client_free(lone);
  server_stop(&server);
}

int main(void) {
  cognite_columns *none = POISON(cognite_columns);
  snprintf(unique, sizeof unique, "columns-%ld-%lld", (long)getpid(), (long long)server_now_ms());
  client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  every_kind();
  many();
  latest_and_delete();
  unknown();
  later();
  damaged();
  CHECK(cognite_columns_series(NULL) == 0 && cognite_columns_count(NULL, 0) == 0 && cognite_columns_numbers(NULL, 0, NULL) == NULL);
  CHECK_EQUAL(cognite_columns_info(NULL, 0), "{}");
  CHECK_STATUS(cognite_columns_read(client, NULL, 5, NULL, &none, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(none == NULL);
  CHECK_STATUS(cognite_columns_of(NULL, &none, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_columns_of_error(NULL, &none, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  cognite_columns_free(NULL);
  cognite_client_free(client);
  return REPORT();
}
