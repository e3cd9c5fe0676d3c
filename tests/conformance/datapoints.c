#define _POSIX_C_SOURCE 200809L
#include "datapoints.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

static void add_failed(text *t, cognite_error *error) {
  add_text(t, "{\"error\":");
  add_error(t, error);
  add_text(t, "}");
  cognite_error_free(error);
}

static void add_done(text *t, cognite_status status, cognite_error *error) {
  if (status == COGNITE_OK) add_text(t, "{\"ok\":null}");
  else add_failed(t, error);
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

/* One point is one column of one: what lies together, the library puts together. */
static cognite_status add_point(cognite_points *points, cognite_column c, const doc *d, int point, cognite_error **error) {
  int value = member(d, point, "value"), name = member(d, point, "stringValue"), number = member(d, point, "numericValue");
  int status = member(d, point, "status"), code = status == NONE ? NONE : member(d, status, "code");
  int64_t time = (int64_t)number_of(d, member(d, point, "timestamp")), state, offsets[2] = {0, 0};
  uint32_t status_code = code == NONE ? code_of(d, status) : (uint32_t)number_of(d, code);
  static const uint8_t missing[] = {0};
  double figure = 0;
  char *words = NULL;
  size_t len = 0;
  cognite_status done;
  c.count = 1;
  c.timestamps_ms = &time;
  if (status_code != 0) c.status_codes = &status_code;
  if (number != NONE) {
    state = (int64_t)number_of(d, number);
    c.states = &state;
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

static void insert(text *t, cognite_client *client, const doc *d, int call) {
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
    c.id = id == NONE ? 0 : (int64_t)number_of(d, id);
    c.external_id = external_id;
    c.space = space;
    for (point = first_of(d, list); point != NONE && status == COGNITE_OK; point = next_of(d, point)) {
      status = add_point(points, c, d, point, &error);
    }
    free(external_id);
    free(space);
  }
  options.json = 1; /* as the reference writes them; what protobuf holds is tested elsewhere */
  if (status == COGNITE_OK) status = cognite_points_insert(client, points, &options, NULL, &error);
  add_done(t, status, error);
  cognite_points_free(points);
}

/* ---- out ---- */

/* Settings by their names in the vectors and in the library's queries. */
static const char *const names[][2] = {{"id", "id"}, {"external_id", "externalId"}, {"instance_id", "instanceId"}, {"start", "start"},
  {"end", "end"}, {"before", "before"}, {"limit", "limit"}, {"aggregates", "aggregates"}, {"granularity", "granularity"},
  {"timezone", "timeZone"}, {"target_unit", "targetUnit"}, {"target_unit_system", "targetUnitSystem"},
  {"include_status", "includeStatus"}, {"ignore_bad_datapoints", "ignoreBadDataPoints"},
  {"treat_uncertain_as_bad", "treatUncertainAsBad"}, {"include_outside_points", "includeOutsidePoints"},
  {"ignore_unknown_ids", "ignoreUnknownIds"}};
static const char *const lists[][2] = {{"ids", "id"}, {"external_ids", "externalId"}, {"instance_ids", "instanceId"}};

static void add_settings(text *t, const doc *d, int from, const char *between) {
  size_t i;
  for (i = 0; i < sizeof names / sizeof *names; i++) {
    int value = member(d, from, names[i][0]);
    if (value == NONE) continue;
    add_text(t, between);
    add_text(t, "\"");
    add_text(t, names[i][1]);
    add_text(t, "\":");
    add_value(t, d, value);
    between = ",";
  }
}

/* Whether the query names several series. */
static int add_query(text *t, const doc *d, int query) {
  const char *between = "";
  size_t i;
  int several = 0, element;
  add_text(t, "{\"items\":[");
  for (i = 0; i < sizeof lists / sizeof *lists; i++) {
    int list = member(d, query, lists[i][0]);
    if (list == NONE) continue;
    several = 1;
    for (element = first_of(d, list); element != NONE; element = next_of(d, element)) {
      add_text(t, between);
      add_text(t, "{");
      /* An element may be a mapping with settings of its own; an instance id is a mapping, too. */
      if (is_object(d, element) && member(d, element, "space") == NONE) {
        add_settings(t, d, element, "");
      } else {
        add_text(t, "\"");
        add_text(t, lists[i][1]);
        add_text(t, "\":");
        add_value(t, d, element);
      }
      add_text(t, "}");
      between = ",";
    }
  }
  if (!several) add_text(t, "{}");
  add_text(t, "]");
  add_settings(t, d, query, ",");
  add_text(t, "}");
  return several;
}

static void add_figure(text *t, double number) {
  char digits[40];
  if (isnan(number)) add_text(t, "null");
  else if (isinf(number)) add_text(t, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  else {
    snprintf(digits, sizeof digits, "%.17g", number);
    add_text(t, digits);
  }
}

static void add_points(text *t, const cognite_columns *columns, size_t series, const doc *info, int with_status) {
  const int64_t *times = cognite_columns_timestamps(columns, series), *offsets;
  const double *numbers = cognite_columns_numbers(columns, series, NULL);
  const char *words = cognite_columns_text(columns, series, &offsets);
  const uint32_t *codes = cognite_columns_status_codes(columns, series);
  const uint8_t *validity = cognite_columns_validity(columns, series);
  size_t n, count = cognite_columns_count(columns, series);
  int aggregates = member(info, 0, "aggregates"), a;
  char head[64];
  for (n = 0; n < count; n++) {
    snprintf(head, sizeof head, "%s{\"timestamp\":%lld", n > 0 ? "," : "", (long long)times[n]);
    add_text(t, head);
    for (a = first_of(info, aggregates); a != NONE; a = next_of(info, a)) {
      char *name = text_of(info, a, NULL);
      add_text(t, ",\"");
      add_text(t, name);
      add_text(t, "\":");
      add_figure(t, cognite_columns_numbers(columns, series, name)[n]);
      free(name);
    }
    if (aggregates == NONE) {
      add_text(t, ",\"value\":");
      if (validity != NULL && !(validity[n / 8] >> n % 8 & 1)) add_text(t, "null");
      else if (words != NULL) add_quoted(t, words + offsets[n], (size_t)(offsets[n + 1] - offsets[n]));
      else add_figure(t, numbers[n]);
      if (with_status) {
        uint32_t code = codes == NULL ? 0 : codes[n];
        snprintf(head, sizeof head, ",\"status\":{\"code\":%lu,\"symbol\":\"%s\"}", (unsigned long)code,
                 code >> 30 == 0 ? "Good" : code >> 30 == 1 ? "Uncertain" : "Bad");
        add_text(t, head);
      }
    }
    add_text(t, "}");
  }
}

static void add_series(text *t, const cognite_columns *columns, size_t series, int latest, int with_status) {
  static const char *const kept[][2] = {{"id", "id"}, {"externalId", "externalId"}, {"instanceId", "instanceId"}, {"isString", "isString"},
    {"isStep", "isStep"}, {"type", "type"}, {"unit", "unit"}, {"unitExternalId", "unitExternalId"}, {"timeZone", "timezone"}};
  const char *json = cognite_columns_info(columns, series);
  doc info;
  size_t i;
  if (!parse(&info, json, strlen(json))) return;
  add_text(t, "{\"datapoints\":[");
  add_points(t, columns, series, &info, with_status);
  add_text(t, "]");
  for (i = 0; i < sizeof kept / sizeof *kept; i++) {
    int value = member(&info, 0, kept[i][0]);
    if (value == NONE && (latest || strncmp(kept[i][0], "unit", 4) != 0)) continue;
    add_text(t, ",\"");
    add_text(t, kept[i][1]);
    add_text(t, "\":");
    /* Protobuf has no absent text. */
    if (value == NONE) add_text(t, "\"\"");
    else add_value(t, &info, value);
  }
  add_text(t, "}");
  free_doc(&info);
}

static int is_found(const cognite_columns *columns, size_t series) {
  return strstr(cognite_columns_info(columns, series), "\"found\":true") != NULL;
}

/* The error of a single request for latest points: the reference tells the series of it. */
static void add_failed_series(text *t, cognite_error *error, const doc *d, int query) {
  int status = cognite_error_http_status(error), element;
  const char *between = "";
  text told = {NULL, 0, 0};
  size_t i;
  add_error(&told, error);
  add_text(t, "{\"error\":{");
  if (status >= 400) {
    add_text(t, status >= 500 ? "\"unknown\":[" : "\"failed\":[");
    for (i = 0; i < sizeof lists / sizeof *lists; i++) {
      int list = member(d, query, lists[i][0]), one = member(d, query, names[i][0]);
      for (element = list == NONE ? one : first_of(d, list); element != NONE; element = list == NONE ? NONE : next_of(d, element)) {
        add_text(t, between);
        add_text(t, "{\"");
        add_text(t, lists[i][1]);
        add_text(t, "\":");
        add_value(t, d, element);
        add_text(t, "}");
        between = ",";
      }
    }
    add_text(t, "],");
  }
  add(t, told.at + 1, told.len - 1);
  add_text(t, "}");
  free_text(&told);
  cognite_error_free(error);
}

static void retrieve(text *t, cognite_client *client, const doc *d, int call, int latest) {
  text query = {NULL, 0, 0};
  int several = add_query(&query, d, member(d, call, "query")), with_status;
  cognite_columns *columns = NULL;
  cognite_error *error = NULL;
  cognite_status status;
  const char *between = "";
  size_t n;
  with_status = strstr(query.at, "\"includeStatus\":true") != NULL;
  if (latest) status = cognite_columns_read_latest(client, query.at, query.len, NULL, &columns, &error);
  else status = cognite_columns_read(client, query.at, query.len, NULL, &columns, &error);
  if (status != COGNITE_OK && latest) {
    add_failed_series(t, error, d, member(d, call, "query"));
  } else if (status != COGNITE_OK) {
    add_failed(t, error);
  } else if (several) {
    add_text(t, "{\"ok\":{\"items\":[");
    for (n = 0; n < cognite_columns_series(columns); n++) {
      if (!is_found(columns, n)) continue;
      add_text(t, between);
      add_series(t, columns, n, latest, with_status);
      between = ",";
    }
    add_text(t, "]}}");
  } else {
    add_text(t, "{\"ok\":{\"item\":");
    if (is_found(columns, 0)) add_series(t, columns, 0, latest, with_status);
    else add_text(t, "null");
    add_text(t, "}}");
  }
  cognite_columns_free(columns);
  free_text(&query);
}

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
  add_done(t, status, error);
  free_text(&ranges);
}

int datapoints_call(text *t, cognite_client *client, const char *op, const doc *d, int call) {
  if (strcmp(op, "insert_datapoints") == 0 || strcmp(op, "insert_state_datapoints") == 0) insert(t, client, d, call);
  else if (strcmp(op, "retrieve_datapoints") == 0) retrieve(t, client, d, call, 0);
  else if (strcmp(op, "retrieve_latest") == 0) retrieve(t, client, d, call, 1);
  else if (strcmp(op, "delete_datapoints") == 0) delete_ranges(t, client, d, call);
  else return 0;
  return 1;
}
