/* test_columns_pages.c - datapoints read page by page: every one once and in order, no more ahead than is said, the end and
 * what goes wrong told once and then again. */
#define _DEFAULT_SOURCE
#include <math.h>
#include "connection.h"
#include "protobuf.h"
#include "server.h"

#define T0 INT64_C(1700000000000)
enum { LONG = 450000, STEP = 5000, SERIES = 24 };

static cognite_client *client;
static char unique[64];

/* How many datapoints series `n` of this run has. */
static int length_of(int n) { return n == 0 ? LONG : n * n * 100; }

static void write_all(void) {
  int64_t *times = malloc(LONG * sizeof *times);
  double *values = malloc(LONG * sizeof *values);
  cognite_column parts[SERIES];
  const cognite_column *all[SERIES];
  char names[SERIES][100];
  char body[200];
  cognite_error *err = NULL;
  int n;
  for (n = 0; n < LONG; n++) {
    times[n] = T0 + (int64_t)n * STEP;
    values[n] = n * 0.25;
  }
  for (n = 0; n < SERIES; n++) {
    cognite_column one = COGNITE_COLUMN_INIT;
    cognite_response *response = NULL;
    snprintf(names[n], sizeof names[n], "%s-%d", unique, n);
    snprintf(body, sizeof body, "{\"items\":[{\"externalId\":\"%s\"}]}", names[n]);
    CHECK_STATUS(cognite_client_post(client, path("/timeseries"), body, strlen(body), NULL, NULL, &response, NULL), COGNITE_OK);
    cognite_response_free(response);
    one.external_id = names[n];
    one.count = (size_t)length_of(n);
    one.timestamps_ms = times;
    one.numbers = values;
    parts[n] = one;
    all[n] = &parts[n];
  }
  CHECK_(cognite_points_insert_columns(client, all, SERIES, NULL, NULL, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  free(times);
  free(values);
}

static cognite_columns_pages *pages_of(cognite_client *of, const char *query, uint32_t prefetch, const cognite_limits *limits) {
  cognite_columns_pages *pages = NULL;
  cognite_error *err = NULL;
  cognite_columns_pages_new(of, query, strlen(query), prefetch, limits, &pages, &err);
  CHECK_(pages != NULL, cognite_error_message(err));
  cognite_error_free(err);
  return pages;
}

/* Takes a page into account; whether it goes on where the series' last one ended. */
static int follows(const cognite_columns *page, int *seen, int step) {
  size_t s, total = 0;
  for (s = 0; s < cognite_columns_series(page); s++) {
    const int64_t *times = cognite_columns_timestamps(page, s);
    const double *values = cognite_columns_numbers(page, s, NULL);
    size_t item = cognite_columns_item(page, s), n, count = cognite_columns_count(page, s);
    for (n = 0; n < count; n++) {
      if (times[n] != T0 + (int64_t)seen[item] * step || values[n] != seen[item] * 0.25) return 0;
      seen[item]++;
    }
    total += count;
  }
  return total > 0 && total <= 100000;
}

/* Reads all pages; how many there were. */
static int read_all(const char *query, uint32_t prefetch, int *seen) {
  cognite_columns_pages *pages = pages_of(client, query, prefetch, NULL);
  cognite_columns *page = NULL;
  cognite_error *err = NULL;
  cognite_status status;
  int count = 0, good = 1;
  while ((status = cognite_columns_pages_next(pages, &page, &err)) == COGNITE_OK) {
    good = good && follows(page, seen, STEP);
    cognite_columns_free(page);
    count++;
  }
  CHECK(good);
  CHECK_(status == COGNITE_ERR_EMPTY && page == NULL, cognite_error_message(err));
  cognite_error_free(err);
  CHECK_STATUS(cognite_columns_pages_next(pages, &page, NULL), COGNITE_ERR_EMPTY);
  cognite_columns_pages_free(pages);
  return count;
}

static void everything(void) {
  static const uint32_t ahead[] = {0, 1, 3, 16};
  char one[300], many[4000] = "{\"items\":[";
  size_t a;
  int n, pages;
  snprintf(one, sizeof one, "{\"externalId\":\"%s-0\"}", unique);
  /* The long one is the first and the last. */
  for (n = 0; n <= SERIES; n++)
    snprintf(many + strlen(many), sizeof many - strlen(many), "%s{\"externalId\":\"%s-%d\"}", n ? "," : "", unique, n % SERIES);
  strcat(many, "],\"start\":0,\"end\":\"now\"}");
  /* Under valgrind one of them is enough. */
  for (a = getenv("COGNITE_TEST_SLOW") != NULL ? 2 : 0; a < (getenv("COGNITE_TEST_SLOW") != NULL ? 3 : sizeof ahead / sizeof *ahead); a++) {
    int seen[SERIES + 1] = {0};
    pages = read_all(one, ahead[a], seen);
    CHECK(seen[0] == LONG && pages >= 5 && pages <= 9);
    memset(seen, 0, sizeof seen);
    pages = read_all(many, ahead[a], seen);
    for (n = 0; n <= SERIES; n++) CHECK(seen[n] == length_of(n % SERIES));
    CHECK(pages < 60);
  }
}

static void limited_and_aggregated(void) {
  char query[400];
  int seen[1] = {0};
  cognite_columns_pages *pages;
  cognite_columns *page = NULL;
  cognite_status status;
  int64_t last = 0;
  double sum = 0;
  int good = 1, count = 0;
  snprintf(query, sizeof query, "{\"externalId\":\"%s-0\",\"limit\":250001}", unique);
  CHECK(read_all(query, 2, seen) == 3 && seen[0] == 250001);
  snprintf(query, sizeof query, "{\"externalId\":\"%s-0\",\"limit\":0}", unique);
  seen[0] = 0;
  CHECK(read_all(query, 2, seen) == 0 && seen[0] == 0);

  snprintf(query, sizeof query, "{\"externalId\":\"%s-0\",\"start\":%lld,\"end\":%lld,\"aggregates\":\"count\",\"granularity\":\"1m\"}", unique,
           (long long)T0, (long long)(T0 + (int64_t)LONG * STEP));
  pages = pages_of(client, query, 4, NULL);
  while ((status = cognite_columns_pages_next(pages, &page, NULL)) == COGNITE_OK) {
    const int64_t *times = cognite_columns_timestamps(page, 0);
    const double *counts = cognite_columns_numbers(page, 0, "count");
    size_t n;
    for (n = 0; n < cognite_columns_count(page, 0); n++) {
      good = good && times[n] > last;
      last = times[n];
      sum += counts[n];
    }
    good = good && cognite_columns_count(page, 0) <= 10000;
    cognite_columns_free(page);
    count++;
  }
  CHECK(status == COGNITE_ERR_EMPTY && good && sum == LONG && count >= 4);
  cognite_columns_pages_free(pages);
}

static void unknown(void) {
  char query[400];
  cognite_columns_pages *pages;
  cognite_columns *page = NULL;
  cognite_error *err = NULL;
  snprintf(query, sizeof query, "{\"items\":[{\"externalId\":\"%s-1\"},{\"externalId\":\"%s-none\"}]}", unique, unique);
  pages = pages_of(client, query, 0, NULL);
  CHECK_STATUS(cognite_columns_pages_next(pages, &page, NULL), COGNITE_OK);
  CHECK(cognite_columns_count(page, 0) == 100);
  cognite_columns_free(page);
  CHECK_STATUS(cognite_columns_pages_next(pages, &page, &err), COGNITE_ERR_NOT_FOUND);
  CHECK_CONTAINS(cognite_error_json(err), "-none\"}]");
  cognite_error_free(err);
  CHECK_STATUS(cognite_columns_pages_next(pages, &page, &err), COGNITE_ERR_NOT_FOUND);
  cognite_error_free(err);
  cognite_columns_pages_free(pages);
  strcpy(query + strlen(query) - 1, ",\"ignoreUnknownIds\":true}");
  {
    int seen[2] = {0};
    CHECK(read_all(query, 1, seen) == 1 && seen[0] == 100 && seen[1] == 0);
  }
}

static void later(void) {
  cognite_queue *queue = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_columns_pages *pages;
  cognite_columns *page = NULL;
  char query[200];
  int seen[1] = {0}, n;
  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  snprintf(query, sizeof query, "{\"externalId\":\"%s-0\",\"limit\":300000}", unique);
  pages = pages_of(client, query, 2, NULL);
  for (n = 0; n < 4; n++) CHECK_STATUS(cognite_columns_pages_next_async(pages, &notify, NULL), COGNITE_OK);
  for (n = 0; n < 3; n++) {
    CHECK_STATUS(cognite_queue_next(queue, 60000, &done, NULL), COGNITE_OK);
    CHECK_STATUS(cognite_columns_of(done.response, &page, NULL), COGNITE_OK);
    CHECK(follows(page, seen, STEP));
    cognite_columns_free(page);
    cognite_response_free(done.response);
    done.response = NULL;
  }
  CHECK_STATUS(cognite_queue_next(queue, 60000, &done, NULL), COGNITE_OK);
  CHECK(done.status == COGNITE_ERR_EMPTY && seen[0] == 300000);
  cognite_error_free(done.error);
  cognite_columns_pages_free(pages);
  cognite_queue_free(queue);
}

/* A server of pages of our making: two that follow one another in a circle, one out of order, one of another range. */
static enum { HOLDS, REPEATS, SHUFFLES, ESCAPES } way;
static int calls;

static void answer(struct server *server, int fd) {
  struct bytes list = {0}, item = {0}, reply = {0};
  int n, turn = __atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST);
  if (way == HOLDS) {
    server_hold(server, fd, 60000);
    return;
  }
  /* Calendar buckets are followed by cursor: two that point to one another. */
  for (n = 0; n < (way == REPEATS ? 10000 : 100); n++) {
    int64_t time = way == SHUFFLES && n > 50 ? 150 - n : way == ESCAPES ? 5000 + n : turn % 2 * 10000 + n;
    struct bytes point = {0};
    if (way == REPEATS) {
      put_number(&point, 1, (uint64_t)time);
      put_double(&point, 2, 1);
      add_point(&list, &point);
    } else {
      add_number(&list, time, n);
    }
    free(point.data);
  }
  put_number(&item, 1, 1);
  put_bytes(&item, way == REPEATS ? 5 : 3, list.data, list.used);
  if (way == REPEATS) put_bytes(&item, 9, turn % 2 ? "a" : "b", 1);
  put_bytes(&reply, 1, item.data, item.used);
  server_reply(fd, "200 OK", "Content-Type: application/protobuf\r\n", reply.data, reply.used);
  free(list.data);
  free(item.data);
  free(reply.data);
}

static void ended_by(cognite_columns_pages *pages, cognite_status wanted, const char *word) {
  cognite_columns *page = NULL;
  cognite_error *err = NULL;
  cognite_status status;
  int n = 0;
  while ((status = cognite_columns_pages_next(pages, &page, &err)) == COGNITE_OK && n++ < 10) cognite_columns_free(page);
  CHECK_(status == wanted, cognite_error_message(err));
  CHECK_CONTAINS(cognite_error_message(err), word);
  cognite_error_free(err);
  cognite_columns_pages_free(pages);
}

static void *trigger(void *cancel) {
  server_pause_ms(200);
  cognite_cancel_trigger(cancel);
  return NULL;
}

static void hostile(void) {
  static struct server server;
  cognite_limits limits = COGNITE_LIMITS_INIT;
  cognite_client *lone;
  cognite_columns_pages *pages;
  cognite_queue *queue = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  pthread_t thread;
  server_start(&server, answer);
  lone = connect_server(server.port);

  way = REPEATS;
  ended_by(pages_of(lone, "{\"id\":1,\"aggregates\":\"average\",\"granularity\":\"1mo\",\"end\":100000,\"limit\":1000000}", 0, NULL),
           COGNITE_ERR_DECODE, "not behind");
  way = SHUFFLES;
  ended_by(pages_of(lone, "{\"id\":1,\"end\":100000}", 1, NULL), COGNITE_ERR_DECODE, "not in order");
  way = ESCAPES;
  ended_by(pages_of(lone, "{\"id\":1,\"end\":5050}", 1, NULL), COGNITE_ERR_DECODE, "outside");

  way = HOLDS;
  limits.cancel = cognite_cancel_new();
  pages = pages_of(lone, "{\"id\":1}", 1, &limits);
  pthread_create(&thread, NULL, trigger, limits.cancel);
  ended_by(pages, COGNITE_ERR_CANCELLED, "cancelled");
  pthread_join(thread, NULL);
  cognite_cancel_free(limits.cancel);
  limits.cancel = NULL;
  limits.timeout_ms = 150;
  ended_by(pages_of(lone, "{\"id\":1}", 1, &limits), COGNITE_ERR_TIMEOUT, "");

  /* Freed while a page is waited for. */
  limits.timeout_ms = 0;
  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  pages = pages_of(lone, "{\"id\":1}", 1, &limits);
  CHECK_STATUS(cognite_columns_pages_next_async(pages, &notify, NULL), COGNITE_OK);
  server_pause_ms(100);
  cognite_columns_pages_free(pages);
  CHECK_STATUS(cognite_queue_next(queue, 10000, &done, NULL), COGNITE_OK);
  CHECK(done.status == COGNITE_ERR_SHUTDOWN);
  cognite_error_free(done.error);
  cognite_queue_free(queue);
  cognite_client_free(lone);
  server_stop(&server);
}

int main(void) {
  cognite_columns_pages *none = POISON(cognite_columns_pages);
  cognite_columns *page = POISON(cognite_columns);
  snprintf(unique, sizeof unique, "pages-%ld-%lld", (long)getpid(), (long long)server_now_ms());
  client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  write_all();
  everything();
  limited_and_aggregated();
  unknown();
  later();
  hostile();
  CHECK_STATUS(cognite_columns_pages_new(client, "{\"id\":1}", 8, 17, NULL, &none, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(none == NULL);
  CHECK_STATUS(cognite_columns_pages_new(client, "{\"id\":1,\"includeOutsidePoints\":true}", 36, 1, NULL, &none, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_columns_pages_next(NULL, &page, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(page == NULL);
  cognite_columns_pages_free(NULL);
  cognite_client_free(client);
  return REPORT();
}
