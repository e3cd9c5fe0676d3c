/* test_points.c - datapoints as columns: written by the library, read back as JSON with plain requests. */
#define _DEFAULT_SOURCE
#include <unistd.h>
#include "connection.h"
#include "server.h"

static cognite_client *client;
static char unique[64]; /* starts the external ids of this run */
#define T0 INT64_C(1700000000000)

/* The external id of this run for a name; stays. */
static const char *named(const char *name) {
  static char texts[16][128];
  char text[128];
  int n;
  snprintf(text, sizeof text, "%s-%s", unique, name);
  for (n = 0; n < 15 && texts[n][0] != '\0' && strcmp(texts[n], text) != 0; n++) continue;
  memcpy(texts[n], text, sizeof text);
  return texts[n];
}

static void create(const char *name, int is_string) {
  char body[300];
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  snprintf(body, sizeof body, "{\"items\":[{\"externalId\":\"%s\",\"isString\":%s}]}", named(name), is_string ? "true" : "false");
  CHECK_STATUS(cognite_client_post(client, path("/timeseries"), body, strlen(body), NULL, NULL, &response, &err), COGNITE_OK);
  cognite_response_free(response);
  cognite_error_free(err);
}

/* All datapoints of a series as JSON; freed by the next call. */
static const char *read_back(const char *name, int limit) {
  static cognite_response *response = NULL;
  cognite_error *err = NULL;
  char body[400];
  cognite_response_free(response);
  response = NULL;
  snprintf(body, sizeof body,
           "{\"items\":[{\"externalId\":\"%s\",\"start\":-2208988800000,\"end\":4102444799999,\"limit\":%d,\"includeStatus\":true,"
           "\"ignoreBadDataPoints\":false,\"treatUncertainAsBad\":false}]}", named(name), limit);
  CHECK_STATUS(cognite_client_post(client, path("/timeseries/data/list"), body, strlen(body), NULL, NULL, &response, &err), COGNITE_OK);
  cognite_error_free(err);
  return cognite_response_body(response, NULL);
}

static cognite_column column(const char *name, size_t count, const int64_t *times) {
  cognite_column c = COGNITE_COLUMN_INIT;
  c.external_id = named(name);
  c.count = count;
  c.timestamps_ms = times;
  return c;
}

static const int64_t three[] = {T0, T0 + 1, T0 + 2};

/* Every kind of value with every class of status, as protobuf and as JSON. */
static void every_kind(uint32_t json) {
  static const double numbers[] = {1.5, 2, -0.25};
  static const uint32_t codes[] = {0, 0x40000000u, 0x80000000u};
  static const uint8_t two_of_three[] = {3};
  static const int64_t offsets[] = {0, 2, 2, 5};
  cognite_points *points = cognite_points_new();
  cognite_insert options = COGNITE_INSERT_INIT;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  char name[2][16];
  const char *text;
  cognite_column c;
  snprintf(name[0], sizeof name[0], "n%u", json);
  snprintf(name[1], sizeof name[1], "t%u", json);
  create(name[0], 0);
  create(name[1], 1);
  c = column(name[0], 3, three);
  c.numbers = numbers;
  c.status_codes = codes;
  c.validity = two_of_three;
  CHECK_STATUS(cognite_points_add(points, &c, &err), COGNITE_OK);
  c = column(name[1], 3, three);
  c.text = "\xc3\xb8xyz";
  c.text_offsets = offsets;
  c.status_codes = codes;
  CHECK_STATUS(cognite_points_add(points, &c, &err), COGNITE_OK);
  CHECK(cognite_points_count(points) == 6);
  options.json = json;
  CHECK_STATUS(cognite_points_insert(client, points, &options, &response, &err), COGNITE_OK);
  CHECK_(err == NULL, cognite_error_message(err));
  CHECK_EQUAL(cognite_response_body(response, NULL), "{\"series\":2,\"points\":6,\"requests\":1}");
  cognite_response_free(response);
  cognite_error_free(err);
  text = read_back(name[0], 100);
  CHECK_CONTAINS(text, "{\"timestamp\":1700000000000,\"value\":1.5}");
  CHECK_CONTAINS(text, "{\"timestamp\":1700000000001,\"value\":2.0,\"status\":{\"code\":1073741824,\"symbol\":\"Uncertain\"}}");
  CHECK_CONTAINS(text, "{\"timestamp\":1700000000002,\"status\":{\"code\":2147483648,\"symbol\":\"Bad\"}}");
  text = read_back(name[1], 100);
  CHECK_CONTAINS(text, "{\"timestamp\":1700000000000,\"value\":\"\xc3\xb8\"}");
  CHECK_CONTAINS(text, "{\"timestamp\":1700000000001,\"value\":\"\",\"status\"");
  CHECK_CONTAINS(text, "{\"timestamp\":1700000000002,\"value\":\"xyz\",\"status\"");
  cognite_points_free(points);
}

static int64_t *times;
static double *values;
enum { MANY = 250000 };

/* How many points a series has, by paging. */
static long count_of(const char *name) {
  char body[300], cursor[200] = "";
  long total = 0;
  for (;;) {
    cognite_response *response = NULL;
    const char *text, *at;
    snprintf(body, sizeof body, "{\"items\":[{\"externalId\":\"%s\",\"limit\":100000%s%s%s}]}", named(name), *cursor ? ",\"cursor\":\"" : "",
             cursor, *cursor ? "\"" : "");
    if (!CHECK_STATUS(cognite_client_post(client, path("/timeseries/data/list"), body, strlen(body), NULL, NULL, &response, NULL), COGNITE_OK)) break;
    text = cognite_response_body(response, NULL);
    for (at = strstr(text, "\"timestamp\""); at != NULL; at = strstr(at + 1, "\"timestamp\"")) total++;
    at = strstr(text, "\"nextCursor\":\"");
    if (at != NULL) snprintf(cursor, sizeof cursor, "%.*s", (int)strcspn(at + 14, "\""), at + 14);
    cognite_response_free(response);
    if (at == NULL) break;
  }
  return total;
}

/* More than one request holds, straight from memory and collected; and what comes of a series that is not there. */
static void many(void) {
  cognite_column a, b, none;
  const cognite_column *all[3];
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  const char *json;
  create("a", 0);
  create("b", 0);
  a = column("a", MANY, times);
  a.numbers = values;
  b = column("b", 1000, times);
  b.numbers = values;
  none = column("none", 10, times);
  none.numbers = values;
  all[0] = &a;
  all[1] = &b;
  CHECK_STATUS(cognite_points_insert_columns(client, all, 2, NULL, &response, &err), COGNITE_OK);
  CHECK_(err == NULL, cognite_error_message(err));
  CHECK_EQUAL(cognite_response_body(response, NULL), "{\"series\":2,\"points\":251000,\"requests\":3}");
  cognite_response_free(response);
  response = POISON(cognite_response);
  CHECK(count_of("a") == MANY);
  CHECK(count_of("b") == 1000);
  /* The third request holds the end of a, b, and one that does not exist: none of it is taken. */
  all[2] = &none;
  CHECK_STATUS(cognite_points_insert_columns(client, all, 3, NULL, &response, &err), COGNITE_ERR_PARTIAL);
  CHECK(response == NULL);
  CHECK(cognite_error_http_status(err) == 400);
  CHECK(!cognite_error_in_doubt(err));
  json = cognite_error_json(err);
  CHECK_CONTAINS(json, "\"missing\":[{\"externalId\":");
  CHECK_CONTAINS(json, "\"pointsApplied\":200000");
  CHECK_CONTAINS(json, "\"succeeded\":[]");
  CHECK_CONTAINS(json, "\"skipped\":[]");
  CHECK_CONTAINS(cognite_error_message(err), "of 3 series 0 were written whole, 3 refused");
  cognite_error_free(err);
  err = NULL;
  /* Alone it keeps its status. */
  CHECK_STATUS(cognite_points_insert_columns(client, all + 2, 1, NULL, NULL, &err), COGNITE_ERR_NOT_FOUND);
  CHECK_CONTAINS(cognite_error_json(err), "\"failed\":[{\"externalId\":");
  cognite_error_free(err);
  /* Nothing to write is written. */
  CHECK_STATUS(cognite_points_insert_columns(client, NULL, 0, NULL, &response, NULL), COGNITE_OK);
  CHECK_EQUAL(cognite_response_body(response, NULL), "{\"series\":0,\"points\":0,\"requests\":0}");
  cognite_response_free(response);
}

/* From the program's memory, which is its own again when the call returns. */
static void columns_later(cognite_queue *queue) {
  static int64_t own_times[1000];
  static double own_values[1000];
  cognite_column a = column("later", 1000, own_times), unlike = column("later", 1000, own_times);
  const cognite_column *all[] = {&a, &unlike};
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_error *err = NULL;
  notify.queue = queue;
  notify.tag = 8;
  memcpy(own_times, times + MANY - 1000, sizeof own_times);
  memcpy(own_values, values, sizeof own_values);
  a.numbers = unlike.numbers = own_values;
  CHECK_STATUS(cognite_points_insert_columns_async(client, all, 1, NULL, &notify, NULL), COGNITE_OK);
  memset(own_times, 0xff, sizeof own_times);
  memset(own_values, 0xff, sizeof own_values);
  CHECK_STATUS(cognite_queue_next(queue, 60000, &done, NULL), COGNITE_OK);
  CHECK(done.tag == 8);
  CHECK_STATUS(done.status, COGNITE_OK);
  CHECK_EQUAL(cognite_response_body(done.response, NULL), "{\"series\":1,\"points\":1000,\"requests\":1}");
  cognite_response_free(done.response);
  cognite_error_free(done.error);
  CHECK(count_of("later") == 151000);
  /* What cannot be sent is not accepted. */
  unlike.external_id = NULL;
  CHECK_STATUS(cognite_points_insert_columns_async(client, all, 2, NULL, &notify, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "named by");
  cognite_error_free(err);
  CHECK_STATUS(cognite_points_insert_columns_async(client, NULL, 0, NULL, NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_queue_next(queue, 0, &done, NULL), COGNITE_ERR_EMPTY);
}

static void later(void) {
  cognite_points *points = cognite_points_new();
  cognite_queue *queue = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  int n;
  create("later", 0);
  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  notify.tag = 7;
  for (n = 0; n < 150; n++)
    CHECK_STATUS(cognite_points_add_f64(points, named("later"), times + n * 1000, values, 1000, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_points_insert_async(client, points, NULL, &notify, NULL), COGNITE_OK);
  /* What is added now is not part of it. */
  CHECK_STATUS(cognite_points_add_f64(points, named("later"), times, values, 1000, NULL), COGNITE_OK);
  cognite_points_free(points);
  CHECK_STATUS(cognite_queue_next(queue, 60000, &done, NULL), COGNITE_OK);
  CHECK(done.tag == 7);
  CHECK_STATUS(done.status, COGNITE_OK);
  CHECK_EQUAL(cognite_response_body(done.response, NULL), "{\"series\":1,\"points\":150000,\"requests\":2}");
  cognite_response_free(done.response);
  cognite_error_free(done.error);
  columns_later(queue);
  cognite_queue_free(queue);
}

static void refuse(const cognite_column *c, const char *word, int line) {
  cognite_points *points = cognite_points_new();
  cognite_error *err = NULL;
  char detail[400];
  cognite_status status = cognite_points_add(points, c, &err);
  snprintf(detail, sizeof detail, "line %d: %s: \"%.200s\" has no \"%s\"", line, cognite_status_name(status), cognite_error_message(err), word);
  CHECK_(status == COGNITE_ERR_INVALID_ARGUMENT && strstr(cognite_error_message(err), word) != NULL, detail);
  CHECK(cognite_points_count(points) == 0);
  cognite_error_free(err);
  cognite_points_free(points);
}
#define REFUSE(c, word) refuse(c, word, __LINE__)

static void refused(void) {
  static const int64_t old[] = {-2208988800001}, bad_offsets[] = {0, 3};
  static const double one[] = {1};
  cognite_column c = column("x", 1, old), empty = COGNITE_COLUMN_INIT;
  cognite_insert options = COGNITE_INSERT_INIT;
  int64_t ms[2] = {1700000000, INT64_MAX};
  cognite_error *err = NULL;
  c.numbers = one;
  REFUSE(&c, "1900");
  c.timestamps_ms = three;
  c.id = 5;
  REFUSE(&c, "named by");
  c.external_id = NULL;
  c.states = three;
  REFUSE(&c, "one of numbers");
  c.numbers = NULL;
  REFUSE(&c, "instance id");
  c.states = NULL;
  REFUSE(&c, "one of numbers");
  c.text = "\xff\xff\xff";
  c.text_offsets = bad_offsets;
  REFUSE(&c, "UTF-8");
  c.text = NULL;
  REFUSE(&c, "column.text");
  c = column("x", SIZE_MAX, three);
  c.numbers = one;
  REFUSE(&c, "impossible");
  REFUSE(&empty, "named by");
  REFUSE(NULL, "NULL");
  CHECK_STATUS(cognite_points_insert(client, NULL, NULL, NULL, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "points");
  cognite_error_free(err);
  options.json = 2;
  CHECK_STATUS(cognite_points_insert_columns(client, NULL, 0, &options, NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_points_insert_columns(client, NULL, 1, NULL, NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(cognite_points_count(NULL) == 0);
  cognite_points_clear(NULL);
  cognite_points_free(NULL);
  CHECK_STATUS(cognite_points_times(COGNITE_TIME_S, ms, 2, ms, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(ms[0] == 1700000000000);
  CHECK_CONTAINS(cognite_error_message(err), "number 1");
  cognite_error_free(err);
  CHECK_STATUS(cognite_points_times(9, ms, 1, ms, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(cognite_points_status_of_opc_da(0xC0) == 0);
  CHECK(cognite_points_status_of_opc_da(0x18) == 0x80050000u);
}

/* A request that is answered 500 is in doubt, and so is its series. */
static void fails(struct server *server, int fd) {
  (void)server;
  server_reply(fd, "500 Oh", "", "", 0);
}

static void in_doubt(void) {
  static struct server server;
  cognite_config *config = cognite_config_new();
  cognite_credentials *credentials = NULL;
  cognite_client *lone = NULL;
  cognite_points *points = cognite_points_new();
  cognite_error *err = NULL;
  char url[64];
  server_start(&server, fails);
  snprintf(url, sizeof url, "http://127.0.0.1:%d", server.port);
  CHECK_STATUS(cognite_credentials_new_token("t", &credentials, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_client_name(config, "tests", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_project(config, "p", NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_base_url(config, url, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_credentials(config, credentials, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_client_new(config, &lone, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_points_add_f64(points, "x", three, values, 3, NULL), COGNITE_OK);
  CHECK_STATUS(cognite_points_insert(lone, points, NULL, NULL, &err), COGNITE_ERR_API);
  CHECK(cognite_error_in_doubt(err));
  CHECK_CONTAINS(cognite_error_json(err), "\"unknown\":[{\"externalId\":\"x\"}]");
  cognite_error_free(err);
  cognite_points_free(points);
  cognite_client_free(lone);
  cognite_config_free(config);
  cognite_credentials_free(credentials);
  server_stop(&server);
}

int main(void) {
  int n;
  snprintf(unique, sizeof unique, "points-%ld-%lld", (long)getpid(), (long long)server_now_ms());
  times = malloc(MANY * sizeof *times);
  values = malloc(MANY * sizeof *values);
  if (times == NULL || values == NULL) return 1;
  for (n = 0; n < MANY; n++) {
    times[n] = T0 + n * 1000;
    values[n] = (double)(n % 1000) / 4;
  }
  client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  every_kind(0);
  every_kind(1);
  many();
  later();
  refused();
  in_doubt();
  cognite_client_free(client);
  free(times);
  free(values);
  return REPORT();
}
