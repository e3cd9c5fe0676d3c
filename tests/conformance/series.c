#define _POSIX_C_SOURCE 200809L
#include "series.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

/* Settings by their names in the vectors and in the library's queries. */
static const char *const names[][2] = {{"id", "id"}, {"external_id", "externalId"}, {"instance_id", "instanceId"}, {"start", "start"},
  {"end", "end"}, {"before", "before"}, {"limit", "limit"}, {"aggregates", "aggregates"}, {"granularity", "granularity"},
  {"timezone", "timeZone"}, {"target_unit", "targetUnit"}, {"target_unit_system", "targetUnitSystem"},
  {"include_status", "includeStatus"}, {"ignore_bad_datapoints", "ignoreBadDataPoints"},
  {"treat_uncertain_as_bad", "treatUncertainAsBad"}, {"include_outside_points", "includeOutsidePoints"},
  {"ignore_unknown_ids", "ignoreUnknownIds"}};
static const char *const lists[][2] = {{"ids", "id"}, {"external_ids", "externalId"}, {"instance_ids", "instanceId"}};

void add_settings(text *t, const doc *d, int from, const char *between) {
  size_t i;
  for (i = 0; i < sizeof names / sizeof *names; i++) {
    int value = member(d, from, names[i][0]);
    if (value == NONE) continue;
    add_text(t, between);
    add_text(t, "\"");
    add_text(t, names[i][1]);
    add_text(t, "\":");
    if (strcmp(names[i][0], "limit") == 0 && is_object(d, value)) add_text(t, "null"); /* infinity */
    else add_value(t, d, value);
    between = ",";
  }
}

/* A setting of a series: its own, else that of all. */
static int setting_of(const doc *d, int query, size_t series, const char *name) {
  size_t i, n = 0;
  int element;
  for (i = 0; i < sizeof lists / sizeof *lists; i++) {
    int list = member(d, query, lists[i][0]);
    for (element = list == NONE ? NONE : first_of(d, list); element != NONE; element = next_of(d, element)) {
      if (n++ != series || !is_object(d, element)) continue;
      if (member(d, element, name) != NONE) return member(d, element, name);
    }
  }
  return member(d, query, name);
}

static int is_set(const doc *d, int value) {
  return value != NONE && d->at[d->token[value].start] == 't';
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
  if (isnan(number)) add_text(t, "{\"$float\":\"NaN\"}");
  else if (isinf(number)) add_text(t, number > 0 ? "{\"$float\":\"Infinity\"}" : "{\"$float\":\"-Infinity\"}");
  else {
    snprintf(digits, sizeof digits, "%.17g", number);
    add_text(t, digits);
  }
}

static const char *symbol_of(uint32_t code) {
  return code >> 30 == 0 ? "Good" : code >> 30 == 1 ? "Uncertain" : "Bad";
}

/* An aggregate of a bucket: a number, or a datapoint of which the columns have the parts. */
static void add_aggregate(text *t, const cognite_columns *columns, size_t series, const char *name, size_t n, int with_status) {
  double value = cognite_columns_numbers(columns, series, name)[n];
  char part[64], head[96];
  if (isnan(value)) { /* there is none */
    add_text(t, "null");
  } else if (strstr(name, "Datapoint") == NULL) {
    add_figure(t, value);
  } else {
    sprintf(part, "%s.timestamp", name);
    sprintf(head, "{\"timestamp\":%.0f,\"value\":", cognite_columns_numbers(columns, series, part)[n]);
    add_text(t, head);
    add_figure(t, value);
    if (with_status) {
      uint32_t code;
      sprintf(part, "%s.status", name);
      code = (uint32_t)cognite_columns_numbers(columns, series, part)[n];
      sprintf(head, ",\"statusCode\":%lu,\"statusSymbol\":\"%s\"", (unsigned long)code, symbol_of(code));
      add_text(t, head);
    }
    add_text(t, "}");
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
      if (strchr(name, '.') == NULL) {
        add_text(t, ",\"");
        add_text(t, name);
        add_text(t, "\":");
        add_aggregate(t, columns, series, name, n, with_status);
      }
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
                 symbol_of(code));
        add_text(t, head);
      }
    }
    add_text(t, "}");
  }
}

static void add_series(text *t, const cognite_columns *columns, size_t series, int latest, const doc *d, int query) {
  static const char *const kept[][2] = {{"id", "id"}, {"externalId", "externalId"}, {"instanceId", "instanceId"}, {"isString", "isString"},
    {"isStep", "isStep"}, {"type", "type"}, {"unit", "unit"}, {"unitExternalId", "unitExternalId"}};
  const char *json = cognite_columns_info(columns, series);
  doc info;
  size_t i;
  int zone;
  if (!parse(&info, json, strlen(json))) return;
  add_text(t, "{\"datapoints\":[");
  add_points(t, columns, series, &info, is_set(d, setting_of(d, query, series, "include_status")));
  add_text(t, "]");
  for (i = 0; i < sizeof kept / sizeof *kept; i++) {
    int value = member(&info, 0, kept[i][0]);
    if (value == NONE && (latest || (strncmp(kept[i][0], "unit", 4) != 0 && strcmp(kept[i][0], "externalId") != 0))) continue;
    add_text(t, ",\"");
    add_text(t, kept[i][1]);
    add_text(t, "\":");
    /* Protobuf has no absent text. */
    if (value == NONE) add_text(t, "\"\"");
    else add_value(t, &info, value);
  }
  /* The reference tells a zone also of datapoints that it has no meaning for. */
  zone = member(&info, 0, "timeZone");
  if (zone != NONE || (!latest && setting_of(d, query, series, "timezone") != NONE)) {
    add_text(t, ",\"timezone\":");
    if (zone != NONE) add_value(t, &info, zone);
    else add_value(t, d, setting_of(d, query, series, "timezone"));
  }
  add_text(t, "}");
  free_doc(&info);
}

static int is_found(const cognite_columns *columns, size_t series) {
  return strstr(cognite_columns_info(columns, series), "\"found\":true") != NULL;
}

void retrieve_series(text *t, cognite_client *client, const doc *d, int call, int latest) {
  text query = {NULL, 0, 0};
  int given = member(d, call, "query"), several = add_query(&query, d, given);
  cognite_columns *columns = NULL;
  cognite_error *error = NULL;
  cognite_status status;
  const char *between = "";
  size_t n;
  if (latest) status = cognite_columns_read_latest(client, query.at, query.len, NULL, &columns, &error);
  else status = cognite_columns_read(client, query.at, query.len, NULL, &columns, &error);
  if (status != COGNITE_OK) {
    add_text(t, "{\"error\":");
    add_item_error(t, error, latest ? READ : SNAKE_MISSING);
    add_text(t, "}");
    cognite_error_free(error);
  } else if (several) {
    add_text(t, "{\"ok\":{\"items\":[");
    for (n = 0; n < cognite_columns_series(columns); n++) {
      if (!is_found(columns, n)) continue;
      add_text(t, between);
      add_series(t, columns, n, latest, d, given);
      between = ",";
    }
    add_text(t, "]}}");
  } else {
    add_text(t, "{\"ok\":{\"item\":");
    if (is_found(columns, 0)) add_series(t, columns, 0, latest, d, given);
    else add_text(t, "null");
    add_text(t, "}}");
  }
  cognite_columns_free(columns);
  free_text(&query);
}
