/* Does what one conformance vector says, through the public header only, and prints what came of it.
 *
 * In: one JSON line {"global_settings", "config", "calls", "tmp", "fixtures"}. Out: one JSON line {"global_settings": RESULT,
 * "config": RESULT, "calls": [RESULT, ...], "elapsed_ms"}. A RESULT is {"ok": value}, {"error": {...}} or {"unsupported": true}. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datapoints.h"
#include "files.h"
#include "login.h"
#include "operations.h"
#include "reply.h"
#include "writes.h"

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void add_failure(text *t, cognite_error *error) {
  add_text(t, "{\"error\":");
  add_error(t, error);
  add_text(t, "}");
  cognite_error_free(error);
}

/* A mapping is handed over as JSON text, a text as it is. */
static char *document_of(const doc *d, int value, size_t *len) {
  text t = {NULL, 0, 0};
  if (is_text(d, value)) return text_of(d, value, len);
  add_plain_value(&t, d, value);
  *len = t.len;
  return t.at;
}

/* ---- settings of the process ---- */

static const char *const setting_names[] = {"disable_gzip", "disable_pypi_version_check", "disable_ssl", "file_download_chunk_size",
  "file_upload_chunk_size", "follow_redirects", "max_connection_pool_size", "max_retries", "max_retries_connect", "max_retry_backoff",
  "max_workers", "proxy", "silence_feature_preview_warnings", "status_forcelist", "default_client_config", NULL};

typedef struct settings {
  cognite_response *held;
  doc d;
} settings;

static int read_settings(settings *s, cognite_error **error) {
  size_t len;
  const char *body;
  s->held = NULL;
  memset(&s->d, 0, sizeof s->d);
  if (cognite_global_settings(&s->held, error) != COGNITE_OK) return 0;
  body = cognite_response_body(s->held, &len);
  return parse(&s->d, body, len);
}

static void free_settings(settings *s) {
  free_doc(&s->d);
  cognite_response_free(s->held);
}

/* The library shows a proxy without the login it was given with; the vectors want what was given. */
static char *given_proxy = NULL;

static void keep_proxy(const doc *d, int settings_given) {
  int proxy = is_object(d, settings_given) ? member(d, settings_given, "proxy") : NONE;
  if (proxy == NONE) return;
  free(given_proxy);
  given_proxy = is_text(d, proxy) ? text_of(d, proxy, NULL) : NULL;
}

static void add_proxy(text *t, const doc *d, int value) {
  char *shown = is_text(d, value) ? text_of(d, value, NULL) : NULL;
  const char *login = given_proxy == NULL ? NULL : strstr(given_proxy, "://"), *host = login == NULL ? NULL : strchr(login, '@');
  size_t scheme = login == NULL ? 0 : (size_t)(login - given_proxy) + 3;
  if (shown != NULL && host != NULL && strncmp(shown, given_proxy, scheme) == 0 && strcmp(shown + scheme, host + 1) == 0) {
    add_quoted(t, given_proxy, strlen(given_proxy));
  } else {
    add_value(t, d, value);
  }
  free(shown);
}

static void add_setting(text *t, const settings *s, const char *name) {
  int value = member(&s->d, 0, name), part;
  add_quoted(t, name, strlen(name));
  add_text(t, ":");
  if (value == NONE) {
    add_text(t, "null");
  } else if (strcmp(name, "default_client_config") == 0 && is_object(&s->d, value)) {
    add_text(t, "{\"client_name\":");
    part = member(&s->d, value, "client_name");
    if (part != NONE) add_value(t, &s->d, part);
    add_text(t, ",\"project\":");
    part = member(&s->d, value, "project");
    if (part != NONE) add_value(t, &s->d, part);
    add_text(t, "}");
  } else if (strcmp(name, "proxy") == 0) {
    add_proxy(t, &s->d, value);
  } else {
    add_value(t, &s->d, value);
  }
}

static void add_changed(text *t, const settings *before, const settings *after) {
  const char *between = "";
  int i;
  add_text(t, "{");
  for (i = 0; setting_names[i] != NULL; i++) {
    const char *name = setting_names[i];
    if (same_text(&before->d, member(&before->d, 0, name), &after->d, member(&after->d, 0, name))) continue;
    add_text(t, between);
    add_setting(t, after, name);
    between = ",";
  }
  add_text(t, "}");
}

/* As a call the change is the result; as global_settings of the vector it stands beside the result. */
static void apply_settings(text *t, const doc *d, int value, int as_call) {
  size_t len;
  char *document = document_of(d, value, &len);
  settings before, after;
  cognite_error *error = NULL;
  if (!read_settings(&before, &error)) {
    add_failure(t, error);
  } else {
    int good = cognite_global_apply_settings(document, len, &error) == COGNITE_OK;
    cognite_error *unread = NULL;
    if (good) keep_proxy(d, value);
    read_settings(&after, &unread);
    cognite_error_free(unread);
    if (as_call && good) {
      add_text(t, "{\"ok\":{\"changed\":");
      add_changed(t, &before, &after);
      add_text(t, "}}");
    } else if (as_call) {
      add_failure(t, error);
    } else {
      add_text(t, good ? "{\"ok\":{}" : "{\"error\":");
      if (!good) add_error(t, error);
      cognite_error_free(error);
      add_text(t, ",\"changed\":");
      add_changed(t, &before, &after);
      add_text(t, "}");
    }
    free_settings(&after);
  }
  free_settings(&before);
  free(document);
}

static void get_settings(text *t, const doc *d, int call) {
  int keys = member(d, call, "keys"), i;
  const char *between = "";
  settings now;
  cognite_error *error = NULL;
  if (!read_settings(&now, &error)) {
    add_failure(t, error);
    free_settings(&now);
    return;
  }
  add_text(t, "{\"ok\":{");
  if (keys == NONE) {
    for (i = 0; setting_names[i] != NULL; i++) {
      add_text(t, between);
      add_setting(t, &now, setting_names[i]);
      between = ",";
    }
  }
  for (i = first_of(d, keys); i != NONE; i = next_of(d, i)) {
    char *name = text_of(d, i, NULL);
    add_text(t, between);
    add_setting(t, &now, name);
    free(name);
    between = ",";
  }
  add_text(t, "}}");
  free_settings(&now);
}

static void set_concurrency(text *t, const doc *d, int call) {
  char *group = text_of(d, member(d, call, "group"), NULL), *name = text_of(d, member(d, call, "name"), NULL);
  int given = member(d, call, "value");
  double value = is_text(d, given) ? 0 : number_of(d, given);
  uint32_t limit = value < 0 || value > 1e9 ? 0 : (uint32_t)value;
  cognite_error *error = NULL;
  cognite_status s = cognite_global_set_concurrency(group, name, limit == value ? limit : 0, &error); /* 0 is refused */
  if (s == COGNITE_OK) add_text(t, "{\"ok\":null}");
  else add_failure(t, error);
  free(group);
  free(name);
}

/* Limits may be changed at any time: nothing is ever frozen. */
static void get_concurrency(text *t) {
  settings now;
  cognite_error *error = NULL;
  if (!read_settings(&now, &error)) {
    add_failure(t, error);
  } else {
    int limits = member(&now.d, 0, "concurrency_settings"), group;
    add_text(t, "{\"ok\":{");
    for (group = first_of(&now.d, limits); group != NONE; group = next_of(&now.d, group)) {
      add_plain_value(t, &now.d, group);
      add_text(t, ":");
      add_plain_value(t, &now.d, value_of(&now.d, group));
      add_text(t, ",");
    }
    add_text(t, "\"frozen\":false}}");
  }
  free_settings(&now);
}

/* ---- configuration ---- */

/* Defaults of the library that are deliberately not those of the reference; the vectors want the reference's. */
static cognite_status take_on_habits(cognite_config *config, cognite_error **error) {
  cognite_status s = cognite_config_set_gzip_min_bytes(config, 0, error);
  if (s == COGNITE_OK) s = cognite_config_set_refresh_on_401(config, 0, error);
  if (s == COGNITE_OK) s = cognite_config_set_project_hint_on_401(config, 1, error);
  return s;
}

/* The reference keeps to its default leeway whatever a token's life; the library does so when the leeway is chosen. */
static void add_with_leeway(text *t, const doc *d, int login) {
  text whole = {NULL, 0, 0};
  size_t at = 0;
  add_plain_value(&whole, d, login);
  while (at < whole.len && whole.at[at] != '{') at++;
  add_text(t, "{\"token_expiry_leeway_seconds\":30");
  if (first_of(d, login) != NONE) add_text(t, ",");
  add(t, whole.at + at + 1, whole.len - at - 1);
  free_text(&whole);
}

/* A configuration given as a mapping, its OAuth login with the leeway spelt out. NULL: nothing to spell out. */
static char *with_leeway(const doc *d, int value, size_t *len) {
  static const char *const ways[] = {"client_credentials", "client_certificate", "device_code", "interactive"};
  int credentials = is_object(d, value) ? member(d, value, "credentials") : NONE, login = NONE, name;
  const char *way = NULL;
  size_t i;
  text t = {NULL, 0, 0};
  if (credentials == NONE || !is_object(d, credentials)) return NULL;
  for (i = 0; i < sizeof ways / sizeof *ways && login == NONE; i++) {
    login = member(d, credentials, ways[i]);
    way = ways[i];
  }
  if (login == NONE || !is_object(d, login) || member(d, login, "token_expiry_leeway_seconds") != NONE) return NULL;
  if (next_of(d, first_of(d, credentials)) != NONE) return NULL; /* more than one login: refused as it is */
  add_text(&t, "{\"credentials\":{\"");
  add_text(&t, way);
  add_text(&t, "\":");
  add_with_leeway(&t, d, login);
  add_text(&t, "}");
  for (name = first_of(d, value); name != NONE; name = next_of(d, name)) {
    if (value_of(d, name) == credentials) continue;
    add_text(&t, ",");
    add_value(&t, d, name);
    add_text(&t, ":");
    add_plain_value(&t, d, value_of(d, name));
  }
  add_text(&t, "}");
  *len = t.len;
  return t.at;
}

/* Makes a client of the configuration as well, where `client` is not NULL. */
static void load_config(text *t, const doc *d, int value, cognite_client **client) {
  size_t len;
  char *spelt = with_leeway(d, value, &len), *document = spelt != NULL ? spelt : document_of(d, value, &len);
  cognite_config *config = NULL;
  cognite_error *error = NULL;
  cognite_status s = cognite_config_load(document, len, &config, &error);
  text effective = {NULL, 0, 0};
  if (s == COGNITE_OK) {
    add_config(&effective, config, d, value);
    if (client != NULL) s = take_on_habits(config, &error);
    if (client != NULL && s == COGNITE_OK) s = set_prompt(config, &error);
    if (client != NULL && s == COGNITE_OK) s = cognite_client_new(config, client, &error);
    /* The reference looks up where a login goes while it loads the configuration; the library when it needs it, or is told to. */
    if (client != NULL && s == COGNITE_OK) s = cognite_client_check_login(*client, &error);
    if (client != NULL && s != COGNITE_OK) {
      cognite_client_free(*client);
      *client = NULL;
    }
  }
  if (s == COGNITE_OK) {
    add_text(t, "{\"ok\":");
    add(t, effective.at, effective.len);
    add_text(t, "}");
  } else {
    add_failure(t, error);
  }
  free_text(&effective);
  cognite_config_free(config);
  free(document);
}

/* ---- calls ---- */

static char *slice_of(const doc *d, int call, const char *name, size_t *len) {
  int value = member(d, call, name);
  text t = {NULL, 0, 0};
  if (value == NONE || is_null(d, value)) return NULL; /* null is the reference's word for nothing */
  add_plain_value(&t, d, value);
  if (len != NULL) *len = t.len;
  return t.at;
}

static void request(text *t, cognite_client *client, const char *op, const doc *d, int call) {
  size_t len = 0;
  int address = member(d, call, "url");
  char *url = address == NONE ? NULL : text_of(d, address, NULL);
  char *params = slice_of(d, call, "params", NULL), *headers = slice_of(d, call, "headers", NULL);
  char *body = slice_of(d, call, "json", &len);
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  cognite_status s;
  if (strcmp(op, "get") == 0) s = cognite_client_get(client, url, params, headers, &response, &error);
  else if (strcmp(op, "post") == 0) s = cognite_client_post(client, url, body, len, params, headers, &response, &error);
  else s = cognite_client_put(client, url, body, len, params, headers, &response, &error);
  if (s == COGNITE_OK) {
    add_text(t, "{\"ok\":");
    add_response(t, response);
    add_text(t, "}");
  } else {
    add_failure(t, error);
  }
  cognite_response_free(response);
  free(url);
  free(params);
  free(headers);
  free(body);
}

/* A token, and which of the texts a person had to be shown were shown. */
static void get_token(text *t, cognite_client *client, const doc *d, int call) {
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  forget_prompt();
  if (cognite_client_authorization(client, &response, &error) == COGNITE_OK) {
    size_t len;
    const char *body = cognite_response_body(response, &len);
    add_text(t, "{\"ok\":");
    add(t, body, len);
  } else {
    add_text(t, "{\"error\":");
    add_error(t, error);
    cognite_error_free(error);
  }
  add_prompt(t, d, member(d, call, "expect_prompt"));
  add_text(t, "}");
  cognite_response_free(response);
}

static void rest(double ms) {
  struct timespec t;
  t.tv_sec = (time_t)(ms / 1e3);
  t.tv_nsec = (long)((ms - (double)t.tv_sec * 1e3) * 1e6);
  nanosleep(&t, NULL);
}

static int needs_client(const char *op) {
  static const char *const without[] = {"apply_settings", "get_settings", "set_concurrency", "get_concurrency", "load_config", "sleep", NULL};
  int i;
  for (i = 0; without[i] != NULL; i++) {
    if (strcmp(op, without[i]) == 0) return 0;
  }
  return 1;
}

static void do_call(text *t, cognite_client *client, const char *op, const doc *d, int call) {
  if (strcmp(op, "get") == 0 || strcmp(op, "post") == 0 || strcmp(op, "put") == 0) {
    request(t, client, op, d, call);
  } else if (is_read(op)) {
    read_items(t, client, op, d, call);
  } else if (is_write(op)) {
    write_items(t, client, op, d, call);
  } else if (strcmp(op, "get_token") == 0) {
    get_token(t, client, d, call);
  } else if (strcmp(op, "apply_settings") == 0) {
    apply_settings(t, d, member(d, call, "settings"), 1);
  } else if (strcmp(op, "get_settings") == 0) {
    get_settings(t, d, call);
  } else if (strcmp(op, "set_concurrency") == 0) {
    set_concurrency(t, d, call);
  } else if (strcmp(op, "get_concurrency") == 0) {
    get_concurrency(t);
  } else if (strcmp(op, "load_config") == 0) {
    load_config(t, d, member(d, call, "config"), NULL);
  } else if (strcmp(op, "sleep") == 0) {
    rest(number_of(d, member(d, call, "ms")));
    add_text(t, "{\"ok\":null}");
  } else if (!datapoints_call(t, client, op, d, call) && !files_call(t, client, op, d, call)) {
    add_text(t, "{\"unsupported\":true}");
  }
}

static void do_calls(text *t, cognite_client *client, const doc *d, int calls) {
  const char *between = "";
  int i;
  add_text(t, "[");
  for (i = first_of(d, calls); i != NONE; i = next_of(d, i)) {
    char *op = text_of(d, member(d, i, "op"), NULL);
    int possible = client != NULL || !needs_client(op);
    if (possible) {
      add_text(t, between);
      do_call(t, client, op, d, i);
      between = ",";
    }
    free(op);
    if (!possible) break;
  }
  add_text(t, "]");
}

static void read_line(text *line) {
  char part[65536];
  size_t n;
  while ((n = fread(part, 1, sizeof part, stdin)) > 0) add(line, part, n);
}

int main(void) {
  /* The reference asks the package index for its newest version; the vectors have this switched off, which is seen in the settings. */
  static const char off[] = "{\"disable_pypi_version_check\": true}";
  text line = {NULL, 0, 0}, reply = {NULL, 0, 0};
  cognite_client *client = NULL;
  cognite_error *error = NULL;
  int settings_given, config, calls;
  double started;
  doc job;
  read_line(&line);
  if (line.at == NULL || !parse(&job, line.at, line.len)) {
    fputs("driver: the job is not JSON\n", stderr);
    return 2;
  }
  if (cognite_global_apply_settings(off, sizeof off - 1, &error) != COGNITE_OK) {
    fprintf(stderr, "driver: %s\n", cognite_error_message(error));
    return 2;
  }
  settings_given = member(&job, 0, "global_settings");
  config = member(&job, 0, "config");
  calls = member(&job, 0, "calls");
  add_text(&reply, "{");
  if (settings_given != NONE) {
    add_text(&reply, "\"global_settings\":");
    apply_settings(&reply, &job, settings_given, 0);
    add_text(&reply, ",");
  }
  if (config != NONE) {
    add_text(&reply, "\"config\":");
    load_config(&reply, &job, config, &client);
    add_text(&reply, ",");
  }
  started = now_ms();
  if (calls != NONE) {
    add_text(&reply, "\"calls\":");
    do_calls(&reply, client, &job, calls);
    add_text(&reply, ",");
  }
  add_text(&reply, "\"elapsed_ms\":");
  add_number(&reply, now_ms() - started);
  add_text(&reply, "}\n");
  fputs(reply.at, stdout);
  fflush(stdout);
  cognite_client_free(client);
  cognite_error_free(error);
  error = NULL;
  if (cognite_shutdown(&error) != COGNITE_OK) {
    fprintf(stderr, "driver: shutdown: %s\n", cognite_error_message(error));
    return 2;
  }
  free(given_proxy);
  free_doc(&job);
  free_text(&line);
  free_text(&reply);
  return 0;
}
