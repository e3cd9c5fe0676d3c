/* test_every_operation.c - each operation that cognite_operations_json() lists, called with arguments that a service can
 * answer well, and what the service saw of it held against what the list says: method, path, headers, page size, number of
 * requests, and that each argument arrived.
 *
 *   test_every_operation FOLDER     FOLDER/every_operation.txt has the arguments, and says what it is made of */
#define _DEFAULT_SOURCE
#include "connection.h"

static cognite_client *client;
static char line[8192], journal_text[1 << 18];
static const char *where = ""; /* the operation at hand, for what fails */

static int holds(int good, const char *what, const char *text) {
  char detail[900];
  snprintf(detail, sizeof detail, "%s: %s: %.700s", where, what, text);
  return CHECK_(good, detail);
}

/* ---- JSON, as it comes: no blanks between what is asked for here ---- */

/* Behind the value that begins at `at`. */
static const char *behind(const char *at) {
  int depth = 0;
  for (; *at != '\0'; at++) {
    if (*at == '"') {
      for (at++; *at != '\0' && *at != '"'; at++) at += *at == '\\' && at[1] != '\0';
      if (*at == '\0') break;
      if (depth == 0) return at + 1;
    } else if (*at == '{' || *at == '[') {
      depth++;
    } else if (*at == '}' || *at == ']') {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    } else if (*at == ',' && depth == 0) {
      return at;
    }
  }
  return at;
}

/* The next member of an object, or element of a list: `*at` is behind the bracket, or behind the one before. 0: the last was
 * seen. */
static int next_part(const char **at, const char **name, int *name_length, const char **value, int *length, int list) {
  if (**at == ',') (*at)++;
  if (**at == '}' || **at == ']' || **at == '\0') return 0;
  *name = *at + 1;
  *name_length = 0;
  if (!list) {
    *name_length = (int)(behind(*at) - *at) - 2;
    *at = behind(*at) + 1;
  }
  *value = *at;
  *at = behind(*at);
  *length = (int)(*at - *value);
  return 1;
}

/* The value of a member of the object at `object`, as it is written; "" if it has none. Text without its quotes. */
static const char *member(const char *object, const char *wanted, char *out, size_t size) {
  const char *at = object + 1, *name, *value;
  int name_length, length;
  out[0] = '\0';
  while (next_part(&at, &name, &name_length, &value, &length, 0)) {
    if (name_length != (int)strlen(wanted) || strncmp(name, wanted, strlen(wanted)) != 0) continue;
    if (*value == '"') value++, length -= 2;
    snprintf(out, size, "%.*s", length, value);
  }
  return out;
}

static int count_of(const char *list) {
  const char *at = list + 1, *name, *value;
  int n = 0, name_length, length;
  while (next_part(&at, &name, &name_length, &value, &length, 1)) n++;
  return n;
}

/* A text of JSON as what it means. Enough for what stands in the journal. */
static void unescape(char *text) {
  char *to = text;
  for (; *text != '\0'; text++) {
    if (*text == '\\' && text[1] != '\0') *to++ = *++text == 'n' ? '\n' : *text;
    else *to++ = *text;
  }
  *to = '\0';
}

static void percent_encode(const char *text, const char *blank, char *out, size_t size) {
  size_t used = 0;
  for (; *text != '\0' && used + 4 < size; text++) {
    unsigned char c = (unsigned char)*text;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c) != NULL) out[used++] = (char)c;
    else if (c == ' ') used += (size_t)snprintf(out + used, size - used, "%s", blank);
    else used += (size_t)snprintf(out + used, size - used, "%%%02X", c);
  }
  out[used] = '\0';
}

/* ---- what later lines name ---- */

static struct {
  char name[24], value[200];
} known[64];
static int known_count;

static void learn(const char *name, const char *value, int length) {
  int i;
  for (i = 0; i < known_count && strcmp(known[i].name, name) != 0; i++) {}
  if (i == 64) exit(1);
  snprintf(known[i].name, sizeof known[i].name, "%s", name);
  snprintf(known[i].value, sizeof known[i].value, "%.*s", length, value);
  if (i == known_count) known_count++;
}

static void fill_in(const char *text, char *out, size_t size) {
  size_t used = 0;
  while (*text != '\0' && used + 200 < size) {
    size_t length = *text == '$' ? strspn(text + 1, "abcdefghijklmnopqrstuvwxyz") : 0;
    int i = known_count;
    while (length > 0 && --i >= 0 && !(strlen(known[i].name) == length && strncmp(known[i].name, text + 1, length) == 0)) {}
    if (length > 0 && i >= 0) {
      used += (size_t)snprintf(out + used, size - used, "%s", known[i].value);
      text += length + 1;
    } else {
      out[used++] = *text++;
    }
  }
  out[used] = '\0';
}

/* `a=id,b=list/id`: the first members of these names in the answer. */
static void learn_from(const char *wanted, const char *answer) {
  char name[24], key[64], quoted[70];
  int used;
  while (sscanf(wanted, " %23[a-z]=%63[a-zA-Z/]%n", name, key, &used) == 2) {
    const char *found = answer, *end, *part = key;
    while (*part != '\0') {
      snprintf(quoted, sizeof quoted, "\"%.*s\":", (int)strcspn(part, "/"), part);
      found = found != NULL ? strstr(found, quoted) : NULL;
      if (!holds(found != NULL, "not in the answer", key)) return;
      found += strlen(quoted);
      part += strcspn(part, "/");
      part += *part == '/';
    }
    found += *found == '[';
    end = behind(found);
    if (*found == '"') found++, end--;
    learn(name, found, (int)(end - found));
    wanted += used;
    wanted += *wanted == ',';
  }
}

/* ---- what the service saw ---- */

static long last_seen; /* the number of the last request that was looked at */

static const char *journal(void) {
  char url[80];
  cognite_response *response = NULL;
  snprintf(url, sizeof url, "/_emulator/requests?after=%ld", last_seen);
  CHECK_STATUS(cognite_client_get(client, url, NULL, NULL, &response, NULL), COGNITE_OK);
  snprintf(journal_text, sizeof journal_text, "%s", cognite_response_body(response, NULL));
  cognite_response_free(response);
  return strchr(journal_text, '[');
}

/* What was seen so far is no concern of the next line. */
static void pass_over(void) {
  const char *at = journal() + 1, *name, *entry;
  char number[24];
  int name_length, length;
  while (next_part(&at, &name, &name_length, &entry, &length, 1)) last_seen = atol(member(entry, "number", number, sizeof number));
}

/* Where the operation's path leads with these arguments. */
static void address_of(const char *path, const char *arguments, char *out, size_t size) {
  const char *project = need("COGNITE_PROJECT");
  char name[40], value[200], escaped[600];
  size_t used = 0;
  if (*path == '@' || strncmp(path, "//", 2) == 0) path++; /* both on this server */
  else used = (size_t)snprintf(out, size, "/api/v1/projects/%s", project);
  while (*path != '\0' && used + 1 < size) {
    if (*path == '{') {
      snprintf(name, sizeof name, "%.*s", (int)strcspn(path + 1, "}"), path + 1);
      member(arguments, name, value, sizeof value);
      percent_encode(strcmp(name, "project") == 0 ? project : value, "%20", escaped, sizeof escaped);
      used += (size_t)snprintf(out + used, size - used, "%s", escaped);
      path = strchr(path, '}') + 1;
    } else {
      out[used++] = *path++;
      out[used] = '\0';
    }
  }
}

/* The `cdf-version` that goes with these arguments. */
static void version_of(const char *fact, const char *arguments, char *out, size_t size) {
  char version[60], when[300], condition[120], wanted[140];
  const char *at, *name, *value;
  int name_length, length, asked = 0;
  snprintf(out, size, "20230101");
  member(fact, "version", version, sizeof version);
  if (version[0] == '\0') return;
  member(fact, "versionWhen", when, sizeof when);
  for (at = when[0] == '[' ? when + 1 : when; next_part(&at, &name, &name_length, &value, &length, 1);) {
    const char *equals, *last;
    snprintf(condition, sizeof condition, "%.*s", length - 2, value + 1);
    equals = strchr(condition, '=');
    last = strrchr(condition, '.') != NULL ? strrchr(condition, '.') + 1 : condition;
    if (equals == NULL) snprintf(wanted, sizeof wanted, "\"%s\":", last);
    else if (strcmp(equals, "=true") == 0) snprintf(wanted, sizeof wanted, "\"%.*s\":true", (int)(equals - last), last);
    else snprintf(wanted, sizeof wanted, "\"%s\"", equals + 1);
    asked |= strstr(arguments, wanted) != NULL;
  }
  if (when[0] != '\0' && !asked) return;
  if (strncmp(version, "{default}", 9) == 0) snprintf(out, size, "20230101%s", version + 9);
  else snprintf(out, size, "%s", version);
}

static int is_one_of(const char *name, int length, const char *const *names) {
  for (; *names != NULL; names++)
    if ((int)strlen(*names) == length && strncmp(name, *names, (size_t)length) == 0) return 1;
  return 0;
}

/* Every argument is in the query or in a body, and there are as many requests as the items take. */
static void arguments_arrived(const char *fact, const char *arguments, const char *sent, int requests) {
  static const char *const lists[] = {"items", "ids", "externalIds", "names", "keys", "spaces", "nodes", "edges", NULL};
  static const char *const ours[] = {"mode", "authUrl", "content", "pageSize", NULL};
  const char *at = arguments + 1, *name, *value;
  char path[200], text[900], wanted[1800], key[64], most[20], limit[24];
  int name_length, length, items = 0, is_list, limited = 0;
  int whole = strstr(where, ".update") != NULL && strstr(arguments, "\"update\"") == NULL;
  member(fact, "path", path, sizeof path);
  member(fact, "itemsPerRequest", most, sizeof most);
  is_list = strcmp(member(fact, "shape", text, sizeof text), "list") == 0;
  while (next_part(&at, &name, &name_length, &value, &length, 0)) {
    snprintf(key, sizeof key, "{%.*s}", name_length, name);
    limited |= strcmp(key, "{limit}") == 0;
    if (strstr(path, key) != NULL || is_one_of(name, name_length, ours) || (is_list && strcmp(key, "{limit}") == 0)) continue;
    if (most[0] != '\0' && is_one_of(name, name_length, lists)) {
      const char *element = value + 1, *unused, *inner;
      int n, unused_length;
      items += count_of(value);
      /* Whole objects become patches, rows and points are put together anew. */
      if (whole || strstr(where, ".data.") != NULL) continue;
      while (next_part(&element, &unused, &unused_length, &inner, &n, 1)) {
        if (*inner == '{' && strncmp(name, "items", 5) != 0) inner++, n--;
        snprintf(text, sizeof text, "%.*s", n, inner);
        holds(strstr(sent, text) != NULL, "an element was not sent", text);
      }
      continue;
    }
    snprintf(text, sizeof text, "%.*s", length, value);
    snprintf(wanted, sizeof wanted, "\"%.*s\":%s", name_length, name, text);
    if (strstr(sent, wanted) == NULL && *value == '[' && strstr(path, "/rows") != NULL) continue; /* columns: by commas */
    if (strstr(sent, wanted) == NULL) {
      char escaped[900];
      if (*value == '"') snprintf(text, sizeof text, "%.*s", length - 2, value + 1);
      percent_encode(text, "+", escaped, sizeof escaped);
      snprintf(wanted, sizeof wanted, "%.*s=%s", name_length, name, escaped);
    }
    holds(strstr(sent, wanted) != NULL, "an argument was not sent", wanted);
  }
  if (most[0] != '\0') {
    snprintf(text, sizeof text, "%d items, %s to a request, %d requests", items, most, requests);
    holds(strstr(where, ".data.") != NULL || requests == (items > 0 ? (items + atoi(most) - 1) / atoi(most) : 1), "requests", text);
  }
  if (is_list) {
    member(arguments, "limit", limit, sizeof limit);
    if (!limited) member(fact, "defaultLimit", limit, sizeof limit);
    if (strcmp(limit, "null") == 0 || limit[0] == '\0') member(fact, "pageSize", limit, sizeof limit);
    member(fact, "pageSize", most, sizeof most);
    snprintf(wanted, sizeof wanted, "\"limit\":%d", atoi(limit) < atoi(most) ? atoi(limit) : atoi(most));
    snprintf(text, sizeof text, "limit=%d", atoi(limit) < atoi(most) ? atoi(limit) : atoi(most));
    holds(strstr(sent, wanted) != NULL || strstr(sent, text) != NULL, "the page size was not sent", wanted);
  }
}

/* Each request of the operation is one of the row's, and together they hold what was asked. */
static void held_against(const char *fact, const char *arguments) {
  static char sent[1 << 16];
  const char *at = journal() + 1, *name, *entry;
  char address[700], method[8], text[6000], headers[400], wanted[80], answers[60], shape[16];
  int name_length, length, requests = 0;
  size_t used = 0;
  member(fact, "path", text, sizeof text);
  address_of(text, arguments, address, sizeof address);
  member(fact, "method", method, sizeof method);
  member(fact, "answers", answers, sizeof answers);
  member(fact, "shape", shape, sizeof shape);
  sent[0] = '\0';
  while (next_part(&at, &name, &name_length, &entry, &length, 1)) {
    last_seen = atol(member(entry, "number", text, sizeof text));
    if (strstr(member(entry, "path", text, sizeof text), "/oauth2/") != NULL) continue;
    requests++;
    holds(strcmp(text, address) == 0, address, text);
    holds(strcmp(member(entry, "method", text, sizeof text), method) == 0, method, text);
    member(entry, "headers", headers, sizeof headers);
    version_of(fact, arguments, wanted, sizeof wanted);
    holds(strcmp(member(headers, "cdf-version", text, sizeof text), wanted) == 0, wanted, text);
    snprintf(wanted, sizeof wanted, "%s", strchr(answers, '/') != NULL ? answers : "application/json");
    holds(strcmp(member(headers, "accept", text, sizeof text), wanted) == 0, wanted, text);
    snprintf(wanted, sizeof wanted, "%s", strcmp(shape, "upload") == 0 ? "application/binary" : "application/json");
    holds(strcmp(member(headers, "content-type", text, sizeof text), wanted) == 0, wanted, text);
    member(entry, "query", text, sizeof text);
    used += (size_t)snprintf(sent + used, sizeof sent - used, "%s ", text);
    member(entry, "body", text, sizeof text);
    unescape(text);
    if (used < sizeof sent) used += (size_t)snprintf(sent + used, sizeof sent - used, "%s\n", text);
    if (used >= sizeof sent) exit(1);
  }
  holds(requests > 0, "nothing was sent", address);
  if (strcmp(shape, "list") == 0) holds(requests == 1, "pages", sent);
  arguments_arrived(fact, arguments, sent, requests);
}

/* ---- the lines ---- */

/* Puts bytes where a link of the service leads. */
static void put(const char *url, const char *content) {
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  request.method = "PUT";
  request.url = url;
  request.content_type = "application/octet-stream";
  request.body = content;
  request.body_len = strlen(content);
  holds(cognite_client_call(client, &request, &response, &err) == COGNITE_OK, url, cognite_error_message(err));
  cognite_response_free(response);
  cognite_error_free(err);
  pass_over();
}

static const char *fact_of(const char *all, const char *name) {
  char start[120];
  const char *at;
  snprintf(start, sizeof start, "\"name\":\"%.80s\",", name);
  for (at = strstr(all, start); at != NULL && *at != '{'; at--) {}
  return at;
}

int main(int argc, char **argv) {
  static char arguments[8192];
  static char called[600][80];
  char file_name[500], name[80];
  cognite_response *listed = NULL;
  const char *all, *at, *part, *value;
  int count = 0, done = 0, operations = 0, name_length, length;
  FILE *file;
  snprintf(file_name, sizeof file_name, "%s/every_operation.txt", argc > 1 ? argv[1] : "tests/data");
  file = fopen(file_name, "r");
  if (file == NULL) {
    perror(file_name);
    return 2;
  }
  client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  learn("base", need("COGNITE_BASE_URL"), 200);
  CHECK_STATUS(cognite_operations_json(&listed, NULL), COGNITE_OK);
  all = cognite_response_body(listed, NULL);
  while (fgets(line, sizeof line, file) != NULL) {
    char *text = line, *wanted = strstr(line, " => "), *space;
    const char *fact;
    cognite_operation operation = COGNITE_OPERATION_INIT;
    cognite_response *response = NULL;
    cognite_error *err = NULL;
    cognite_status status;
    line[strcspn(line, "\n")] = '\0';
    if (*line == '#' || *line == '\0') continue;
    if (wanted != NULL) *wanted = '\0';
    space = strchr(text, ' ');
    if (!holds(space != NULL && count < 600, "no line", text)) break;
    *space = '\0';
    fill_in(space + 1, arguments, sizeof arguments);
    where = text;
    if (strcmp(text, "@put") == 0) {
      char *content = strchr(arguments, ' ');
      *content = '\0';
      put(arguments, content + 1);
      continue;
    }
    snprintf(called[count++], sizeof called[0], "%.79s", text);
    if (!holds((fact = fact_of(all, text)) != NULL, "no such operation", text)) continue;
    operation.name = text;
    operation.arguments = arguments;
    operation.arguments_len = strlen(arguments);
    status = cognite_client_operate(client, &operation, &response, &err);
    holds((status == COGNITE_OK) == (response != NULL) && (status == COGNITE_OK) == (err == NULL), "neither or both", arguments);
    done += holds(status == COGNITE_OK, cognite_error_message(err), arguments);
    if (wanted != NULL) learn_from(wanted + 4, cognite_response_body(response, NULL));
    cognite_response_free(response);
    cognite_error_free(err);
    if (strcmp(member(fact, "shape", name, sizeof name), "composite") == 0) {
      pass_over(); /* made of several; tests/writes.rs and graph_queries.rs say which */
    } else {
      held_against(fact, arguments);
    }
  }
  fclose(file);
  /* None is forgotten. */
  for (at = strchr(all, '[') + 1; next_part(&at, &part, &name_length, &value, &length, 1); operations++) {
    int i;
    member(value, "name", name, sizeof name);
    where = name;
    for (i = 0; i < count && strcmp(called[i], name) != 0; i++) {}
    holds(i < count, "is in no line of", file_name);
  }
  where = "";
  CHECK(operations >= 380);
  printf("%d operations, %d calls, %d of them ended well\n", operations, count, done);
  cognite_response_free(listed);
  cognite_client_free(client);
  return REPORT();
}
