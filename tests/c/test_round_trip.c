/* test_round_trip.c - every kind of value, every class of status and every way to name a series, as protobuf and as JSON:
 * what was written comes back bit for bit, in a range, as the latest, and in Arrow's form. */
#define _DEFAULT_SOURCE
#include <math.h>
#include "connection.h"
#include "server.h"

#define T0 INT64_C(1700000000000)
enum { POINTS = 7 };

static cognite_client *client;
static char unique[64];

static void post(const char *below, const char *body) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  CHECK_(cognite_client_post(client, path(below), body, strlen(body), NULL, NULL, &response, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  cognite_response_free(response);
}

static void post_node(const char *name, const char *view, const char *properties) {
  char body[1200];
  snprintf(body, sizeof body,
           "{\"items\":[{\"instanceType\":\"node\",\"space\":\"%s\",\"externalId\":\"%s\",\"sources\":[{\"source\":{\"type\":\"view\","
           "\"space\":\"cdf_cdm\",\"externalId\":\"%s\",\"version\":\"v1\"},\"properties\":{%s}}]}]}",
           unique, name, view, properties);
  post("/models/instances", body);
}

/* The id behind a key as JSON. */
static int64_t id_of(const char *key) {
  char body[400];
  cognite_response *response = NULL;
  const char *at;
  int64_t id = 0;
  snprintf(body, sizeof body, "{\"items\":[{%s}]}", key);
  CHECK_STATUS(cognite_client_post(client, path("/timeseries/byids"), body, strlen(body), NULL, NULL, &response, NULL), COGNITE_OK);
  at = strstr(cognite_response_body(response, NULL), "\"id\":");
  if (at != NULL) id = strtoll(at + 5, NULL, 10);
  CHECK(id > 0);
  cognite_response_free(response);
  return id;
}

enum kind { NUMBERS, TEXTS, STATES, STATE_NAMES };

/* Good, uncertain (plain and with a subcode), bad with a value, bad without, bad and not finite, good. */
static const int64_t times[POINTS] = {-2208988800000, -1, 0, T0, T0 + 1, T0 + 2, 4102444799999};
static const uint32_t codes[POINTS] = {0, 0x40000000u, 0x408F0000u, 0x80000000u, 0x808A0000u, 0x80000000u, 0};
static const uint8_t validity[] = {0x6f};
static const int64_t state_numbers[POINTS] = {0, 1, 0, 1, 0, 1, 1};
static const int64_t text_offsets[POINTS + 1] = {0, 0, 2, 5, 9, 9, 12, 13};
static const char texts[] = "\xc3\xb8" "\xe2\x82\xac" "\xf0\x9f\x98\x80" "NaN" "\"";
static const int64_t name_offsets[POINTS + 1] = {0, 3, 5, 8, 10, 10, 12, 14};
static const char names[] = "OFFONOFFONONON";

static int same_texts(const cognite_columns *c, size_t series, const char *text, const int64_t *offsets, size_t from, size_t count) {
  const int64_t *at;
  const char *got = cognite_columns_text(c, series, &at);
  size_t n;
  if (got == NULL) return 0;
  for (n = 0; n < count; n++) {
    size_t length = (size_t)(offsets[from + n + 1] - offsets[from + n]);
    if ((size_t)(at[n + 1] - at[n]) != length || memcmp(got + at[n], text + offsets[from + n], length) != 0) return 0;
  }
  return 1;
}

/* Whether `count` datapoints from number `from` on came back. */
static int as_written(const cognite_columns *c, enum kind kind, const double *numbers, size_t from, size_t count) {
  const uint32_t *status = cognite_columns_status_codes(c, 0);
  const uint8_t *bits = cognite_columns_validity(c, 0);
  size_t n;
  if (cognite_columns_count(c, 0) != count || memcmp(cognite_columns_timestamps(c, 0), times + from, count * 8) != 0) return 0;
  for (n = 0; n < count; n++) {
    int there = bits == NULL || (bits[n / 8] >> n % 8 & 1);
    if ((status == NULL ? 0 : status[n]) != codes[from + n] || there != (validity[0] >> (from + n) & 1)) return 0;
    if (kind == NUMBERS && there && memcmp(cognite_columns_numbers(c, 0, NULL) + n, numbers + from + n, 8) != 0) return 0;
    if ((kind == STATES || kind == STATE_NAMES) && there && cognite_columns_states(c, 0)[n] != state_numbers[from + n]) return 0;
  }
  return kind == NUMBERS || same_texts(c, 0, kind == TEXTS ? texts : names, kind == TEXTS ? text_offsets : name_offsets, from, count);
}

static void round_trip(enum kind kind, cognite_column column, const char *key, int json) {
  static const char *const kinds[] = {"numeric", "string", "state", "state"};
  /* Not -0.0: the emulator's own encoder leaves zeros out, whatever their sign. */
  double numbers[POINTS] = {5e-324, -2.5e-308, 0.1, 1.7976931348623157e308, 0, 0, -1e-100};
  cognite_insert options = COGNITE_INSERT_INIT;
  const cognite_column *one = &column;
  cognite_columns *c = NULL;
  cognite_error *err = NULL;
  char text[600], detail[300];
  struct ArrowSchema schema;
  struct ArrowArray array;
  numbers[5] = -INFINITY;
  column.count = POINTS;
  column.timestamps_ms = times;
  column.status_codes = codes;
  column.validity = validity;
  if (kind == NUMBERS) column.numbers = numbers;
  if (kind == STATES) column.states = state_numbers;
  if (kind == TEXTS || kind == STATE_NAMES) {
    column.text = kind == TEXTS ? texts : names;
    column.text_offsets = kind == TEXTS ? text_offsets : name_offsets;
    column.state_text = kind == STATE_NAMES;
  }
  options.json = (uint32_t)json;
  snprintf(detail, sizeof detail, "%s {%s} json %d: ", kinds[kind], key, json);
  cognite_points_insert_columns(client, &one, 1, &options, NULL, &err);
  if (err != NULL) snprintf(detail + strlen(detail), sizeof detail - strlen(detail), "%.150s", cognite_error_message(err));
  CHECK_(err == NULL, detail);
  cognite_error_free(err);

#define FLAGS "\"includeStatus\":true,\"ignoreBadDataPoints\":false,\"treatUncertainAsBad\":false"
  snprintf(text, sizeof text, "{%s,\"start\":-2208988800000,\"end\":4102444800000," FLAGS "}", key);
  CHECK_(cognite_columns_read(client, text, strlen(text), NULL, &c, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  CHECK_(as_written(c, kind, numbers, 0, POINTS), detail);
  snprintf(text, sizeof text, "\"type\":\"%s\"", kinds[kind]);
  CHECK_CONTAINS(cognite_columns_info(c, 0), text);
  CHECK_STATUS(cognite_columns_export_arrow(c, 0, &schema, &array, NULL), COGNITE_OK);
  CHECK_(array.n_children == (kind >= STATES ? 4 : 3) && array.length == POINTS && array.children[1]->null_count == 1, detail);
  schema.release(&schema);
  array.release(&array);
  cognite_columns_free(c);

  snprintf(text, sizeof text, "{%s,\"before\":%lld," FLAGS "}", key, (long long)T0 + 2);
  CHECK_(cognite_columns_read_latest(client, text, strlen(text), NULL, &c, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  CHECK_(as_written(c, kind, numbers, 4, 1), detail); /* the bad one without a value */
  cognite_columns_free(c);
  snprintf(text, sizeof text, "{%s,\"before\":%lld," FLAGS "}", key, (long long)T0 + 1);
  CHECK_(cognite_columns_read_latest(client, text, strlen(text), NULL, &c, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  CHECK_(as_written(c, kind, numbers, 3, 1), detail);
  cognite_columns_free(c);

  snprintf(text, sizeof text, "{%s,\"start\":-2208988800000,\"end\":4102444800000}", key);
  CHECK_(cognite_points_delete(client, text, strlen(text), NULL, NULL, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  snprintf(text, sizeof text, "{%s,\"start\":-2208988800000,\"end\":4102444800000,\"ignoreBadDataPoints\":false}", key);
  CHECK_STATUS(cognite_columns_read(client, text, strlen(text), NULL, &c, NULL), COGNITE_OK);
  CHECK_(cognite_columns_count(c, 0) == 0, detail);
  cognite_columns_free(c);
}

static void every_combination(void) {
  static const char *const nodes[] = {"numbers", "texts", "states", "states"};
  char body[600];
  int kind, json;
  snprintf(body, sizeof body, "{\"items\":[{\"externalId\":\"%s-numbers\"},{\"externalId\":\"%s-texts\",\"isString\":true}]}", unique, unique);
  post("/timeseries", body);
  snprintf(body, sizeof body, "{\"items\":[{\"space\":\"%s\"}]}", unique);
  post("/models/spaces", body);
  post_node("set", "CogniteStateSet", "\"states\":[{\"numericValue\":0,\"stringValue\":\"OFF\"},{\"numericValue\":1,\"stringValue\":\"ON\"}]");
  post_node("numbers", "CogniteTimeSeries", "\"isStep\":false,\"type\":\"numeric\"");
  post_node("texts", "CogniteTimeSeries", "\"isStep\":false,\"type\":\"string\"");
  snprintf(body, sizeof body, "\"isStep\":true,\"type\":\"state\",\"stateSet\":{\"space\":\"%s\",\"externalId\":\"set\"}", unique);
  post_node("states", "CogniteTimeSeries", body);
  for (kind = NUMBERS; kind <= STATE_NAMES; kind++) {
    char key[300], external_id[100];
    cognite_column column = COGNITE_COLUMN_INIT;
    snprintf(key, sizeof key, "\"instanceId\":{\"space\":\"%s\",\"externalId\":\"%s\"}", unique, nodes[kind]);
    column.space = unique;
    column.external_id = nodes[kind];
    for (json = 0; json < 2; json++) round_trip((enum kind)kind, column, key, json);
    if (kind >= STATES) continue;
    snprintf(external_id, sizeof external_id, "%s-%s", unique, nodes[kind]);
    column.space = NULL;
    column.external_id = external_id;
    snprintf(key, sizeof key, "\"externalId\":\"%s\"", external_id);
    for (json = 0; json < 2; json++) round_trip((enum kind)kind, column, key, json);
    column.external_id = NULL;
    column.id = id_of(key);
    snprintf(key, sizeof key, "\"id\":%lld", (long long)column.id);
    for (json = 0; json < 2; json++) round_trip((enum kind)kind, column, key, json);
  }
}

static void state_aggregates(void) {
  static const int64_t at[] = {T0 / 3600000 * 3600000, T0 / 3600000 * 3600000 + 1000, T0 / 3600000 * 3600000 + 3600000};
  static const int64_t states[] = {1, 0, 1};
  cognite_column column = COGNITE_COLUMN_INIT;
  const cognite_column *one = &column;
  cognite_columns *c = NULL;
  cognite_error *err = NULL;
  char text[500];
  column.space = unique;
  column.external_id = "states";
  column.count = 3;
  column.timestamps_ms = at;
  column.states = states;
  CHECK_STATUS(cognite_points_insert_columns(client, &one, 1, NULL, NULL, NULL), COGNITE_OK);
  snprintf(text, sizeof text,
           "{\"instanceId\":{\"space\":\"%s\",\"externalId\":\"states\"},\"start\":%lld,\"end\":%lld,\"aggregates\":[\"count\",\"countGood\",\"stepInterpolation\"],"
           "\"granularity\":\"1h\"}", unique, (long long)at[0], (long long)at[0] + 7200000);
  CHECK_(cognite_columns_read(client, text, strlen(text), NULL, &c, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  if (CHECK(cognite_columns_count(c, 0) == 2)) {
    CHECK(cognite_columns_numbers(c, 0, "count")[0] == 2 && cognite_columns_numbers(c, 0, "count")[1] == 1);
    CHECK(cognite_columns_numbers(c, 0, "countGood")[0] == 2);
    CHECK(cognite_columns_numbers(c, 0, "stepInterpolation")[0] == 1 && cognite_columns_numbers(c, 0, "stepInterpolation")[1] == 1);
  }
  cognite_columns_free(c);
}

/* Series that do not exist yet are made by the insert. */
static void created(void) {
  static const char template[] = "{\"timeSeries\":{\"unit\":\"bar\"}}";
  static const int64_t offsets[] = {0, 1};
  char name[100], text[600];
  cognite_column parts[3];
  const cognite_column *all[3];
  cognite_insert options = COGNITE_INSERT_INIT;
  cognite_response *response = NULL;
  cognite_columns *c = NULL;
  cognite_error *err = NULL;
  int64_t at = T0;
  double value = 2.5;
  int n;
  snprintf(name, sizeof name, "%s-new", unique);
  for (n = 0; n < 3; n++) {
    cognite_column one = COGNITE_COLUMN_INIT;
    one.external_id = n == 2 ? "new-text" : name;
    one.space = n > 0 ? unique : NULL;
    one.count = 1;
    one.timestamps_ms = &at;
    if (n < 2) one.numbers = &value;
    else one.text = "x", one.text_offsets = offsets;
    parts[n] = one;
    all[n] = &parts[n];
  }
  CHECK_STATUS(cognite_points_insert_columns(client, all, 3, NULL, NULL, NULL), COGNITE_ERR_NOT_FOUND);
  options.create_missing = template;
  options.create_missing_len = sizeof template - 1;
  CHECK_(cognite_points_insert_columns(client, all, 3, &options, &response, &err) == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  CHECK_CONTAINS(cognite_response_body(response, NULL), "\"created\":3");
  cognite_response_free(response);
  CHECK_STATUS(cognite_points_insert_columns(client, all, 3, &options, &response, NULL), COGNITE_OK);
  CHECK_CONTAINS(cognite_response_body(response, NULL), "\"created\":0");
  cognite_response_free(response);
  snprintf(text, sizeof text,
           "{\"items\":[{\"externalId\":\"%s\"},{\"instanceId\":{\"space\":\"%s\",\"externalId\":\"%s\"}},{\"instanceId\":{\"space\":\"%s\","
           "\"externalId\":\"new-text\"}}]}", name, unique, name, unique);
  CHECK_STATUS(cognite_columns_read(client, text, strlen(text), NULL, &c, NULL), COGNITE_OK);
  CHECK(cognite_columns_numbers(c, 0, NULL)[0] == 2.5 && cognite_columns_numbers(c, 1, NULL)[0] == 2.5);
  CHECK(cognite_columns_text(c, 2, NULL)[0] == 'x');
  CHECK_CONTAINS(cognite_columns_info(c, 0), "\"unit\":\"bar\"");
  cognite_columns_free(c);
  options.create_missing = "{\"x\":1}";
  options.create_missing_len = 7;
  CHECK_STATUS(cognite_points_insert_columns(client, all, 3, &options, NULL, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "create_missing");
  cognite_error_free(err);
}

int main(void) {
  snprintf(unique, sizeof unique, "trip%ld%lld", (long)getpid(), (long long)server_now_ms() % 1000000);
  client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  every_combination();
  state_aggregates();
  created();
  cognite_client_free(client);
  return REPORT();
}
