#include "datapoints.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"
#include "series.h"

static void add_done(text *t, cognite_status status, cognite_error *error, manner how) {
  if (status == COGNITE_OK) {
    add_text(t, "{\"ok\":null}");
    return;
  }
  add_text(t, "{\"error\":");
  add_item_error(t, error, how);
  add_text(t, "}");
  cognite_error_free(error);
}

/* ---- in ---- */

static char *optional(const doc *d, int value) {
  return value == NONE ? NULL : text_of(d, value, NULL);
}

/* A status that is given by its symbol only. */
static uint32_t code_of(const doc *d, int status) {
  char *symbol = status == NONE ? NULL : optional(d, member(d, status, "symbol"));
  uint32_t code = 0;
  if (symbol != NULL && strcmp(symbol, "Bad") == 0) code = 0x80000000u;
  if (symbol != NULL && strcmp(symbol, "Uncertain") == 0) code = 0x40000000u;
  free(symbol);
  return code;
}

/* What the values of a series are; a missing one says nothing of it. */
typedef enum values { NUMBERS, WORDS, STATES } values;

static values values_of(const doc *d, int points) {
  int i;
  for (i = first_of(d, points); i != NONE; i = next_of(d, i)) {
    int value = member(d, i, "value");
    if (value != NONE && is_text(d, value)) return WORDS;
  }
  return NUMBERS;
}

/* One point is one column of one: what lies together, the library puts together. */
static cognite_status add_point(cognite_points *points, cognite_column c, const doc *d, int point, values kind, cognite_error **error) {
  int value = member(d, point, "value"), name = member(d, point, "stringValue"), number = member(d, point, "numericValue");
  int status = member(d, point, "status"), code = status == NONE ? NONE : member(d, status, "code");
  int64_t time = (int64_t)number_of(d, member(d, point, "timestamp")), state = 0, offsets[2] = {0, 0};
  uint32_t status_code = code == NONE ? code_of(d, status) : (uint32_t)number_of(d, code);
  static const uint8_t missing[] = {0};
  double figure = 0;
  char *words = NULL;
  size_t len = 0;
  cognite_status done;
  c.count = 1;
  c.timestamps_ms = &time;
  if (status_code != 0) c.status_codes = &status_code;
  if (number != NONE || (name == NONE && kind == STATES)) {
    if (number == NONE) c.validity = missing;
    else state = (int64_t)number_of(d, number);
    c.states = &state;
  } else if (kind == WORDS && (value == NONE || is_null(d, value))) {
    c.text = "";
    c.text_offsets = offsets;
    c.validity = missing;
  } else if (name != NONE || (value != NONE && is_text(d, value))) {
    words = text_of(d, name != NONE ? name : value, &len);
    offsets[1] = (int64_t)len;
    c.text = words;
    c.text_offsets = offsets;
    c.state_text = name != NONE;
  } else {
    if (value == NONE || is_null(d, value)) c.validity = missing;
    else if (is_object(d, value)) {
      char *what = text_of(d, member(d, value, "$float"), NULL);
      figure = strcmp(what, "NaN") == 0 ? NAN : what[0] == '-' ? -INFINITY : INFINITY;
      free(what);
    } else figure = number_of(d, value);
    c.numbers = &figure;
  }
  done = cognite_points_add(points, &c, error);
  free(words);
  return done;
}

static void insert(text *t, cognite_client *client, const doc *d, int call, int states) {
  int data = member(d, call, "data"), item, point;
  cognite_points *points = cognite_points_new();
  cognite_insert options = COGNITE_INSERT_INIT;
  cognite_error *error = NULL;
  cognite_status status = COGNITE_OK;
  for (item = first_of(d, data); item != NONE && status == COGNITE_OK; item = next_of(d, item)) {
    int id = member(d, item, "id"), instance = member(d, item, "instance_id"), list = member(d, item, "datapoints");
    char *external_id = optional(d, instance != NONE ? member(d, instance, "externalId") : member(d, item, "external_id"));
    char *space = instance == NONE ? NULL : optional(d, member(d, instance, "space"));
    cognite_column c = COGNITE_COLUMN_INIT;
    values kind = states ? STATES : values_of(d, list);
    c.id = id == NONE ? 0 : (int64_t)number_of(d, id);
    c.external_id = external_id;
    c.space = space;
    for (point = first_of(d, list); point != NONE && status == COGNITE_OK; point = next_of(d, point)) {
      status = add_point(points, c, d, point, kind, &error);
    }
    free(external_id);
    free(space);
  }
  options.json = 1; /* as the reference writes them; what protobuf holds is tested elsewhere */
  if (status == COGNITE_OK) status = cognite_points_insert(client, points, &options, NULL, &error);
  add_done(t, status, error, states ? SNAKE_ITEMS : WHOLE);
  cognite_points_free(points);
}

/* ---- in, as JSON: the symbol of a status has no column ---- */

static int has_symbols(const doc *d, int data) {
  int item, point;
  for (item = first_of(d, data); item != NONE; item = next_of(d, item)) {
    for (point = first_of(d, member(d, item, "datapoints")); point != NONE; point = next_of(d, point)) {
      int status = member(d, point, "status");
      if (status != NONE && is_object(d, status) && member(d, status, "symbol") != NONE) return 1;
    }
  }
  return 0;
}

/* The code unless it is 0, the symbol unless it is Good. */
static void add_status(text *t, const doc *d, int status) {
  int code = member(d, status, "code"), symbol = member(d, status, "symbol");
  char *name = optional(d, symbol);
  int with_code = code != NONE && !is_null(d, code) && number_of(d, code) != 0;
  int with_symbol = name != NULL && strcmp(name, "Good") != 0;
  if (with_code || with_symbol) add_text(t, ",\"status\":{");
  if (with_code) {
    add_text(t, "\"code\":");
    add_value(t, d, code);
  }
  if (with_symbol) {
    add_text(t, with_code ? ",\"symbol\":" : "\"symbol\":");
    add_value(t, d, symbol);
  }
  if (with_code || with_symbol) add_text(t, "}");
  free(name);
}

static void add_json_point(text *t, const doc *d, int point) {
  int value = member(d, point, "value"), status = member(d, point, "status");
  add_text(t, "{\"timestamp\":");
  add_value(t, d, member(d, point, "timestamp"));
  add_text(t, ",\"value\":");
  if (value != NONE && is_object(d, value)) add_value(t, d, member(d, value, "$float"));
  else if (value != NONE) add_value(t, d, value);
  else add_text(t, "null");
  if (status != NONE && is_object(d, status)) add_status(t, d, status);
  add_text(t, "}");
}

static void insert_json(text *t, cognite_client *client, const doc *d, int call) {
  static const char *const keys[][2] = {{"id", "id"}, {"external_id", "externalId"}, {"instance_id", "instanceId"}};
  int data = member(d, call, "data"), item, point;
  text arguments = {NULL, 0, 0};
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  cognite_status status;
  size_t k;
  add_text(&arguments, "{\"items\":[");
  for (item = first_of(d, data); item != NONE; item = next_of(d, item)) {
    if (item != first_of(d, data)) add_text(&arguments, ",");
    add_text(&arguments, "{");
    for (k = 0; k < sizeof keys / sizeof *keys; k++) {
      int id = member(d, item, keys[k][0]);
      if (id == NONE) continue;
      add_text(&arguments, "\"");
      add_text(&arguments, keys[k][1]);
      add_text(&arguments, "\":");
      add_value(&arguments, d, id);
      add_text(&arguments, ",");
    }
    add_text(&arguments, "\"datapoints\":[");
    for (point = first_of(d, member(d, item, "datapoints")); point != NONE; point = next_of(d, point)) {
      if (point != first_of(d, member(d, item, "datapoints"))) add_text(&arguments, ",");
      add_json_point(&arguments, d, point);
    }
    add_text(&arguments, "]}");
  }
  add_text(&arguments, "]}");
  operation.name = "time_series.data.insert";
  operation.arguments = arguments.at;
  operation.arguments_len = arguments.len;
  status = cognite_client_operate(client, &operation, &response, &error);
  add_done(t, status, error, WHOLE);
  cognite_response_free(response);
  free_text(&arguments);
}


/* ---- ranges ---- */

static void delete_ranges(text *t, cognite_client *client, const doc *d, int call) {
  text ranges = {NULL, 0, 0};
  int one = member(d, call, "range"), list = member(d, call, "ranges"), i;
  cognite_error *error = NULL;
  cognite_status status;
  add_text(&ranges, "{\"items\":[{");
  if (one != NONE) add_settings(&ranges, d, one, "");
  for (i = first_of(d, list); i != NONE; i = next_of(d, i)) {
    if (i != first_of(d, list)) add_text(&ranges, "},{");
    add_settings(&ranges, d, i, "");
  }
  add_text(&ranges, "}]}");
  status = cognite_points_delete(client, ranges.at, ranges.len, NULL, NULL, &error);
  add_done(t, status, error, WHOLE);
  free_text(&ranges);
}

int datapoints_call(text *t, cognite_client *client, const char *op, const doc *d, int call) {
  int states = strcmp(op, "insert_state_datapoints") == 0;
  if (strcmp(op, "insert_datapoints") == 0 && has_symbols(d, member(d, call, "data"))) insert_json(t, client, d, call);
  else if (strcmp(op, "insert_datapoints") == 0 || states) insert(t, client, d, call, states);
  else if (strcmp(op, "retrieve_datapoints") == 0) retrieve_series(t, client, d, call, 0);
  else if (strcmp(op, "retrieve_latest") == 0) retrieve_series(t, client, d, call, 1);
  else if (strcmp(op, "delete_datapoints") == 0) delete_ranges(t, client, d, call);
  else return 0;
  return 1;
}
