#include "reply.h"

#include <stdlib.h>
#include <string.h>

static int listed(const char *name, const char *const *names) {
  for (; *names != NULL; names++) {
    if (strcmp(name, *names) == 0) return 1;
  }
  return 0;
}

static void add_headers(text *t, const cognite_response *response) {
  static const char *const dropped[] = {"host", "user-agent", "accept-encoding", "connection", "content-length", "transfer-encoding",
    "keep-alive", "proxy-connection", "date", "client-request-id", "return-client-request-id", "x-ms-lib-capability", "x-anchormailbox",
    "content-type", "content-encoding", NULL};
  const char *json = cognite_response_headers_json(response), *between = "";
  doc d;
  int i;
  if (!parse(&d, json, strlen(json))) {
    add_text(t, "\"the library's headers are not JSON\"");
    return;
  }
  add_text(t, "{");
  for (i = first_of(&d, 0); i != NONE; i = next_of(&d, i)) {
    char *name = text_of(&d, i, NULL);
    if (!listed(name, dropped)) {
      add_text(t, between);
      add_value(t, &d, i);
      add_text(t, ":");
      add_value(t, &d, value_of(&d, i));
      between = ",";
    }
    free(name);
  }
  add_text(t, "}");
  free_doc(&d);
}

static void add_body(text *t, const char *at, size_t len) {
  static const char mark[] = "\xef\xbb\xbf";
  size_t i;
  /* A byte order mark is no part of the value; the library hands bodies on as they came. */
  if (len > 3 && memcmp(at, mark, 3) == 0 && is_json(at + 3, len - 3)) {
    at += 3;
    len -= 3;
  }
  if (len == 0) {
    add_text(t, "{\"kind\":\"none\"}");
  } else if (is_json(at, len)) {
    add_text(t, "{\"kind\":\"json\",\"value\":");
    /* The reply is one line. Inside of texts JSON has no line ends, so these are only between values. */
    for (i = 0; i < len; i++) {
      if (at[i] != '\n' && at[i] != '\r') add(t, at + i, 1);
    }
    add_text(t, "}");
  } else if (is_utf8(at, len)) {
    add_text(t, "{\"kind\":\"text\",\"value\":");
    add_quoted(t, at, len);
    add_text(t, "}");
  } else if (len <= 1024) {
    add_text(t, "{\"kind\":\"bytes\",\"base64\":\"");
    add_base64(t, (const unsigned char *)at, len);
    add_text(t, "\"}");
  } else {
    add_text(t, "{\"kind\":\"bytes\",\"length\":");
    add_number(t, (double)len);
    add_text(t, ",\"sha256\":\"");
    add_sha256(t, (const unsigned char *)at, len);
    add_text(t, "\"}");
  }
}

void add_response(text *t, const cognite_response *response) {
  text headers = {NULL, 0, 0};
  size_t len;
  const char *body = cognite_response_body(response, &len);
  add_text(t, "{\"status\":");
  add_number(t, cognite_response_http_status(response));
  add_headers(&headers, response);
  if (strcmp(headers.at, "{}") != 0) {
    add_text(t, ",\"headers\":");
    add(t, headers.at, headers.len);
  }
  free_text(&headers);
  add_text(t, ",\"body\":");
  add_body(t, body, len);
  add_text(t, "}");
}

/* The library masks the values of headers that may be secret; the vectors want what was given. */
static void add_config_headers(text *t, const doc *d, int shown, const doc *given, int value) {
  const char *between = "";
  int headers = is_object(given, value) ? member(given, value, "headers") : NONE, i;
  add_text(t, "{");
  for (i = first_of(d, shown); i != NONE; i = next_of(d, i)) {
    char *name = text_of(d, i, NULL), *seen = text_of(d, value_of(d, i), NULL);
    int own = headers != NONE && is_object(given, headers) && strcmp(seen, "***") == 0 ? member(given, headers, name) : NONE;
    add_text(t, between);
    add_value(t, d, i);
    add_text(t, ":");
    if (own != NONE) add_value(t, given, own);
    else add_value(t, d, value_of(d, i));
    between = ",";
    free(name);
    free(seen);
  }
  add_text(t, "}");
}

void add_config(text *t, const cognite_config *config, const doc *given, int given_value) {
  static const char *const names[] = {"client_name", "project", "base_url", "cluster_hint", "api_subversion", "headers", "timeout",
    "file_transfer_timeout", "debug", "credentials", NULL};
  const char *json = cognite_config_json(config), *between = "";
  doc d;
  int i;
  if (!parse(&d, json, strlen(json))) {
    add_text(t, "\"the library's configuration is not JSON\"");
    return;
  }
  add_text(t, "{");
  for (i = 0; names[i] != NULL; i++) {
    int value = member(&d, 0, names[i]);
    if (value == NONE) continue;
    add_text(t, between);
    add_quoted(t, names[i], strlen(names[i]));
    add_text(t, ":");
    if (strcmp(names[i], "headers") == 0) add_config_headers(t, &d, value, given, given_value);
    else add_value(t, &d, value);
    between = ",";
  }
  add_text(t, "}");
  free_doc(&d);
}

static void add_instances_of(text *t, const doc *d, int items, int edges, const char **between) {
  int i;
  for (i = first_of(d, items); i != NONE; i = next_of(d, i)) {
    char *type = text_of(d, member(d, i, "instanceType"), NULL);
    if ((type != NULL && strcmp(type, "edge") == 0) == edges) {
      add_text(t, *between);
      add_value(t, d, i);
      *between = ",";
    }
    free(type);
  }
}

void add_instances(text *t, const doc *d, int items) {
  const char *between = "";
  add_text(t, "[");
  add_instances_of(t, d, items, 0, &between);
  add_instances_of(t, d, items, 1, &between);
  add_text(t, "]");
}

/* ---- errors ---- */

static int says(const doc *d, const char *name, const char *const *words) {
  int value = member(d, 0, name), hit;
  char *text;
  if (!is_text(d, value)) return 0;
  text = text_of(d, value, NULL);
  hit = listed(text, words);
  free(text);
  return hit;
}

/* Of an operation that failed in part: the kind of its last failure that is not about missing or duplicated items, else of
 * the last about missing ones, else of the last. */
static const char *kind_of_parts(const doc *d) {
  static const char *const missing[] = {"NOT_FOUND", NULL}, *const duplicated[] = {"DUPLICATED", NULL};
  int requests = member(d, 0, "requests"), i;
  const char *kind = "api_error";
  for (i = first_of(d, requests); i != NONE; i = next_of(d, i)) {
    char *name = text_of(d, member(d, i, "statusName"), NULL);
    int absent = listed(name, missing), twice = listed(name, duplicated);
    free(name);
    if (!absent && !twice) return "api_error";
    if (absent || strcmp(kind, "api_error") == 0) kind = absent ? "not_found" : "duplicated";
  }
  return kind;
}

static const char *kind_of(cognite_status status, const doc *d) {
  static const char *const nobody[] = {"refused", "dns", NULL}, *const broken[] = {"closed", "protocol", NULL},
    *const connecting[] = {"connect_timeout", NULL}, *const body[] = {"body", NULL}, *const incomplete[] = {"token_incomplete", NULL},
    *const beginning[] = {"device_start", NULL}, *const header[] = {"header", NULL},
    *const network[] = {"refused", "dns", "tls", "reset", "closed", "protocol", "connect_timeout", "idle_timeout", "total_timeout", NULL};
  if (says(d, "cause", header)) return "request_error"; /* a request that cannot be sent */
  switch (status) {
    case COGNITE_ERR_INVALID_ARGUMENT:
    case COGNITE_ERR_CONFIG: return "invalid_value";
    case COGNITE_ERR_API: return "api_error";
    case COGNITE_ERR_PARTIAL: return kind_of_parts(d);
    case COGNITE_ERR_NOT_FOUND: return "not_found";
    case COGNITE_ERR_DUPLICATED: return "duplicated";
    case COGNITE_ERR_ACCESS: return "project_access";
    case COGNITE_ERR_CONNECTION:
      return says(d, "cause", nobody) ? "connection_refused" : says(d, "cause", broken) ? "request_error" : "connection_error";
    case COGNITE_ERR_TLS: return "connection_refused";
    case COGNITE_ERR_TIMEOUT: return says(d, "cause", connecting) ? "connection_error" : "timeout";
    case COGNITE_ERR_AUTH:
      if (says(d, "cause", incomplete)) return "invalid_value";
      if (says(d, "cause", beginning)) return "auth_error"; /* an oauth_error is the token endpoint's */
      if (is_text(d, member(d, 0, "oauthError"))) return "oauth_error";
      return says(d, "cause", network) ? "raw_http_error" : "auth_error";
    case COGNITE_ERR_DECODE: return says(d, "phase", body) ? "connection_error" : "request_error";
    default: return "internal";
  }
}

/* Hands a member of the library's error on under the name that the vectors use. */
static void add_member(text *t, const doc *d, const char *theirs, const char *ours, const char *absent) {
  int value = member(d, 0, theirs);
  if (value == NONE && absent == NULL) return;
  add_text(t, ",\"");
  add_text(t, ours);
  add_text(t, "\":");
  if (value == NONE) add_text(t, absent);
  else add_value(t, d, value);
}

/* A value with the names of identifiers as Python has them. */
static void add_snake(text *t, const doc *d, int value) {
  const char *between = "";
  int i, object = is_object(d, value);
  if (!object && !is_list(d, value)) {
    add_value(t, d, value);
    return;
  }
  add_text(t, object ? "{" : "[");
  for (i = first_of(d, value); i != NONE; i = next_of(d, i)) {
    char *name = object ? text_of(d, i, NULL) : NULL;
    add_text(t, between);
    if (name != NULL) {
      add_text(t, "\"");
      add_text(t, strcmp(name, "externalId") == 0 ? "external_id" : strcmp(name, "instanceId") == 0 ? "instance_id" : name);
      add_text(t, "\":");
    }
    add_snake(t, d, object ? value_of(d, i) : i);
    between = ",";
    free(name);
  }
  add_text(t, object ? "}" : "]");
}

/* What should be a list and is not, the library leaves among the rest of what the service said. */
static void add_listed(text *t, const doc *d, const char *name, const char *absent) {
  int extra = member(d, 0, "extra"), odd = extra != NONE && is_object(d, extra) ? member(d, extra, name) : NONE;
  if (odd == NONE || member(d, 0, name) != NONE) {
    add_member(t, d, name, name, absent);
    return;
  }
  add_text(t, ",\"");
  add_text(t, name);
  add_text(t, "\":");
  add_value(t, d, odd);
}

/* An item as the reference tells it: BARE {"externalId": "a"} is "a"; READ {"space": "s", "externalId": "a"} has no space. */
static void add_place(text *t, const doc *d, int item, manner how) {
  static const char *const keys[] = {"externalId", "id", "space", "key", "name", "instanceId"};
  int value = item, part;
  size_t k;
  for (k = 0; how == BARE && is_object(d, item) && value == item && k < sizeof keys / sizeof *keys; k++) {
    part = member(d, item, keys[k]);
    if (part != NONE) value = part;
  }
  if (how == SNAKE_ITEMS) {
    add_snake(t, d, item);
    return;
  }
  part = how == READ && is_object(d, item) && member(d, item, "space") != NONE ? member(d, item, "externalId") : NONE;
  if (part != NONE) add_text(t, "{\"externalId\":");
  add_value(t, d, part != NONE ? part : value);
  if (part != NONE) add_text(t, "}");
}

/* What became of items. Of those to be read the reference calls unknown what the service failed to answer. */
static void add_places(text *t, const doc *d, manner how) {
  static const char *const lists[][2] = {{"succeeded", "successful"}, {"failed", "failed"}, {"unknown", "unknown"}, {"skipped", "skipped"}};
  int answered = member(d, 0, "httpStatus"), broken = how == READ && answered != NONE && number_of(d, answered) >= 500;
  size_t n;
  for (n = 0; n < sizeof lists / sizeof *lists; n++) {
    int list = member(d, 0, lists[n][0]), i;
    const char *between = "";
    if (list == NONE || first_of(d, list) == NONE) continue;
    add_text(t, ",\"");
    add_text(t, n == 1 && broken ? "unknown" : lists[n][1]);
    add_text(t, "\":[");
    for (i = first_of(d, list); i != NONE; i = next_of(d, i)) {
      add_text(t, between);
      add_place(t, d, i, how);
      between = ",";
    }
    add_text(t, "]");
  }
}

void add_error(text *t, const cognite_error *error) {
  add_item_error(t, error, WHOLE);
}

void add_item_error(text *t, const cognite_error *error, manner how) {
  const char *json = cognite_error_json(error), *message = cognite_error_message(error), *kind;
  doc d;
  if (!parse(&d, json, strlen(json))) {
    add_text(t, "{\"kind\":\"internal\",\"text\":\"the library's error is not JSON\"}");
    return;
  }
  kind = kind_of(cognite_error_status(error), &d);
  add_text(t, "{\"kind\":\"");
  add_text(t, kind);
  add_text(t, "\",\"text\":");
  add_quoted(t, message, strlen(message));
  if (strcmp(kind, "api_error") == 0 || strcmp(kind, "not_found") == 0 || strcmp(kind, "duplicated") == 0) {
    add_member(t, &d, "serviceMessage", "message", "\"\"");
    add_member(t, &d, "httpStatus", "code", NULL);
    add_member(t, &d, "requestId", "x_request_id", NULL);
    if (how == SNAKE_MISSING && member(&d, 0, "missing") != NONE) {
      add_text(t, ",\"missing\":");
      add_snake(t, &d, member(&d, 0, "missing"));
    } else {
      add_listed(t, &d, "missing", strcmp(kind, "not_found") == 0 ? "[]" : NULL);
    }
    add_listed(t, &d, "duplicated", NULL);
    add_member(t, &d, "extra", "extra", NULL);
    add_places(t, &d, how);
    add_member(t, &d, "cluster", "cluster", NULL);
    add_member(t, &d, "project", "project", NULL);
  } else if (strcmp(kind, "project_access") == 0) {
    add_text(t, ",\"code\":401");
    add_member(t, &d, "requestId", "x_request_id", NULL);
    add_member(t, &d, "cluster", "cluster", NULL);
    add_member(t, &d, "project", "project", NULL);
    add_member(t, &d, "maybeProjects", "maybe_projects", "null");
  } else if (strcmp(kind, "oauth_error") == 0) {
    add_member(t, &d, "oauthError", "oauth_error", NULL);
    add_member(t, &d, "oauthDescription", "oauth_description", NULL);
  }
  add_text(t, ",\"library\":"); /* for the reader of a difference; not compared */
  add_value(t, &d, 0);
  add_text(t, "}");
  free_doc(&d);
}
