/* test_operations_write.c - operations that change things against a service that fails to order: where each item is said
 * to be is compared with what the service has. */
#define _DEFAULT_SOURCE
#include "connection.h"
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

static cognite_client *client;
static char unique[64]; /* starts the external ids of this run */

static cognite_status operate(const char *name, const char *arguments, uint32_t flags, cognite_response **response,
                              cognite_error **err) {
  cognite_operation operation = COGNITE_OPERATION_INIT;
  operation.name = name;
  operation.arguments = arguments;
  operation.arguments_len = strlen(arguments);
  operation.flags = flags;
  return cognite_client_operate(client, &operation, response, err);
}

/* The body of an operation that must succeed, until the next call of this function. */
static const char *done(const char *name, const char *arguments, int line) {
  static cognite_response *response = NULL;
  cognite_error *err = NULL;
  char detail[600];
  cognite_status status;
  cognite_response_free(response);
  response = NULL;
  if (name == NULL) return NULL;
  status = operate(name, arguments, 0, &response, &err);
  snprintf(detail, sizeof detail, "line %d: %s: %.500s", line, name, cognite_error_message(err));
  CHECK_(status == COGNITE_OK && err == NULL, detail);
  cognite_error_free(err);
  return status == COGNITE_OK ? cognite_response_body(response, NULL) : "";
}
#define DONE(name, arguments) done(name, arguments, __LINE__)

static void faults(const char *rules) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  cognite_client_post(client, "/_emulator/faults", rules, strlen(rules), NULL, NULL, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  cognite_response_free(response);
  cognite_error_free(err);
}

static const char *text(const char *format, ...) {
  static char out[4][800];
  static int turn = 0;
  va_list more;
  turn = (turn + 1) % 4;
  va_start(more, format);
  vsnprintf(out[turn], sizeof out[turn], format, more);
  va_end(more);
  return out[turn];
}

/* {"items":[{"externalId":"unique-kind-0000"EXTRA}, ...]MORE}; in `extra`, %d stands for the number. */
static char *many(const char *kind, int from, int to, const char *extra, const char *more) {
  size_t room = (size_t)(to - from + 1) * 300 + 1000, used;
  char *out = malloc(room);
  int i;
  if (out == NULL) abort();
  used = (size_t)snprintf(out, room, "{\"items\":[");
  for (i = from; i < to; i++) {
    used += (size_t)snprintf(out + used, room - used, "%s{\"externalId\":\"%s-%s-%04d\"", i > from ? "," : "", unique, kind, i);
    used += (size_t)snprintf(out + used, room - used, extra, i);
    used += (size_t)snprintf(out + used, room - used, "}");
  }
  snprintf(out + used, room - used, "]%s}", more);
  return out;
}

/* How many elements the list `name` of this document has. */
static int length_of(const char *json, const char *name) {
  int depth = 0, count = 0, quoted = 0, something = 0;
  const char *at = strstr(json, text("\"%s\":[", name));
  if (at == NULL) return -1;
  for (at = strchr(at, '['); *at != '\0'; at++) {
    if (quoted) {
      if (*at == '\\') at++;
      else if (*at == '"') quoted = 0;
      continue;
    }
    if (*at == '"') quoted = something = 1;
    else if (*at == '[' || *at == '{') { if (depth++ > 0) something = 1; }
    else if (*at == ']' || *at == '}') { if (--depth == 0) break; }
    else if (*at == ',' && depth == 1) count++;
    else something = 1;
  }
  return count + something;
}

/* How many assets of this kind the service has. */
static int there(const char *kind) {
  return length_of(DONE("assets.list", text("{\"filter\":{\"externalIdPrefix\":\"%s-%s-\"},\"limit\":null}", unique, kind)), "items");
}

/* The four lists of an error, and that the service has as many as it is said to have; `maybe`, of those in doubt. */
static void placed(cognite_error *err, const char *kind, int succeeded, int failed, int unknown, int skipped, int maybe, int line) {
  const char *json = cognite_error_json(err);
  int good = length_of(json, "succeeded") == succeeded && length_of(json, "failed") == failed &&
             length_of(json, "unknown") == unknown && length_of(json, "skipped") == skipped;
  char detail[300];
  snprintf(detail, sizeof detail, "line %d: %s: %d %d %d %d", line, cognite_error_message(err), length_of(json, "succeeded"),
           length_of(json, "failed"), length_of(json, "unknown"), length_of(json, "skipped"));
  CHECK_(good, detail);
  CHECK(length_of(json, "answered") == succeeded);
  CHECK(cognite_error_in_doubt(err) == (unknown > 0));
  CHECK(there(kind) == succeeded + maybe);
}
#define PLACED(kind, a, b, c, d, maybe) placed(err, kind, a, b, c, d, maybe, __LINE__)

/* Three requests of a create, one of which fails in each way there is. */
static void one_request_of_three(void) {
  static const struct {
    const char *kind, *action;
    int failed, unknown, maybe;
    const char *status;
  } ways[] = {
      {"refused", "{\"kind\":\"status\",\"status\":400,\"body\":{\"error\":{\"code\":400,\"message\":\"planted\"}}}", 1, 0, 0, "API"},
      {"broken", "{\"kind\":\"status\",\"status\":503}", 0, 1, 0, "API"},
      {"reset", "{\"kind\":\"reset\"}", 0, 1, 0, "CONNECTION"},
      {"closed", "{\"kind\":\"close\"}", 0, 1, 0, "CONNECTION"},
      {"applied", "{\"kind\":\"applied_no_answer\"}", 0, 1, 1, "CONNECTION"},
      {"garbage", "{\"kind\":\"garbage\"}", 0, 1, 1, "DECODE"},
      {"cut", "{\"kind\":\"cut\",\"after_bytes\":30}", 0, 1, 1, "CONNECTION"},
  };
  size_t i;
  for (i = 0; i < sizeof ways / sizeof *ways; i++) {
    cognite_response *response = NULL;
    cognite_error *err = NULL;
    char *arguments = many(ways[i].kind, 0, 3000, ",\"name\":\"n\"", "");
    faults(text("[{\"match\":{\"method\":\"POST\",\"path\":\"/assets$\"},\"action\":%s}]", ways[i].action));
    CHECK_STATUS(operate("assets.create", arguments, 0, &response, &err), COGNITE_ERR_PARTIAL);
    PLACED(ways[i].kind, 2000, ways[i].failed * 1000, ways[i].unknown * 1000, 0, ways[i].maybe * 1000);
    CHECK_CONTAINS(strstr(cognite_error_json(err), "\"requests\""), text("\"statusName\":\"%s\"", ways[i].status));
    CHECK(!cognite_error_is_retryable(err));
    cognite_error_free(err);
    free(arguments);
  }
}

/* All of a single request: its own status. */
static void whole_failures(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  char *arguments = many("single", 0, 10, ",\"name\":\"n\"", "");
  faults("[{\"match\":{\"path\":\"/assets$\"},\"action\":{\"kind\":\"status\",\"status\":500}}]");
  CHECK_STATUS(operate("assets.create", arguments, 0, &response, &err), COGNITE_ERR_API);
  PLACED("single", 0, 0, 10, 0, 0);
  CHECK(cognite_error_http_status(err) == 500);
  cognite_error_free(err);
  faults("[{\"match\":{\"path\":\"/assets$\"},\"action\":{\"kind\":\"status\",\"status\":429}}]");
  CHECK(length_of(DONE("assets.create", arguments), "items") == 10); /* 429 is repeated */
  CHECK_STATUS(operate("assets.create", arguments, 0, &response, &err), COGNITE_ERR_DUPLICATED);
  CHECK(length_of(cognite_error_json(err), "duplicated") == 10 && length_of(cognite_error_json(err), "failed") == 10);
  cognite_error_free(err);
  free(arguments);
}

/* Some exist already: all of the request is refused, unless it may be sent in parts. */
static void split(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  char *some = many("split", 5, 8, ",\"name\":\"n\"", ""), *all = many("split", 0, 1500, ",\"name\":\"n\"", "");
  char *rest = many("split", 1000, 1500, "", "");
  DONE("assets.create", some);
  CHECK_STATUS(operate("assets.create", all, 0, &response, &err), COGNITE_ERR_PARTIAL);
  CHECK(length_of(cognite_error_json(err), "failed") == 1000 && there("split") == 503);
  cognite_error_free(err);
  DONE("assets.delete", rest);
  CHECK_STATUS(operate("assets.create", all, COGNITE_OPERATION_SPLIT, &response, &err), COGNITE_ERR_PARTIAL);
  CHECK(length_of(cognite_error_json(err), "failed") == 3 && length_of(cognite_error_json(err), "succeeded") == 1497);
  CHECK_CONTAINS(strstr(cognite_error_json(err), "\"failed\":"), text("%s-split-0005", unique));
  CHECK(there("split") == 1500);
  cognite_error_free(err);
  free(some);
  free(all);
  free(rest);
}

static void hierarchy(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  /* 0 is the root, 1 to 1200 its children, each of which has one child; given from the leaves up. */
  size_t room = 500000, used = 0;
  char *arguments = malloc(room);
  int i;
  if (arguments == NULL) abort();
  used += (size_t)snprintf(arguments, room, "{\"items\":[");
  for (i = 2400; i >= 0; i--) {
    used += (size_t)snprintf(arguments + used, room - used, "{\"externalId\":\"%s-tree-%04d\",\"name\":\"n\"", unique, i);
    if (i > 0)
      used += (size_t)snprintf(arguments + used, room - used, ",\"parentExternalId\":\"%s-tree-%04d\"", unique, i > 1200 ? i - 1200 : 0);
    used += (size_t)snprintf(arguments + used, room - used, "}%s", i > 0 ? "," : "]}");
  }
  CHECK(length_of(DONE("assets.create_hierarchy", arguments), "items") == 2401 && there("tree") == 2401);
  CHECK(length_of(DONE("assets.retrieve_subtree", text("{\"externalId\":\"%s-tree-0000\"}", unique)), "items") == 2401);
  CHECK(length_of(DONE("assets.retrieve_subtree", text("{\"externalId\":\"%s-tree-0000\",\"depth\":1}", unique)), "items") == 1201);
  CHECK(length_of(DONE("assets.retrieve_subtree", text("{\"externalId\":\"%s-tree-0007\"}", unique)), "items") == 2);
  CHECK_EQUAL(DONE("assets.retrieve_subtree", "{\"externalId\":\"nobody\"}"), "{\"items\":[]}");
  DONE("assets.delete", text("{\"externalIds\":[\"%s-tree-0000\"],\"recursive\":true}", unique));
  CHECK(there("tree") == 0);

  /* The root fails: nothing else is attempted. */
  faults("[{\"match\":{\"path\":\"/assets$\"},\"action\":{\"kind\":\"status\",\"status\":400}}]");
  CHECK_STATUS(operate("assets.create_hierarchy", arguments, 0, &response, &err), COGNITE_ERR_API);
  PLACED("tree", 0, 1, 0, 2400, 0);
  cognite_error_free(err);
  free(arguments);

  CHECK(operate("assets.create_hierarchy",
                "{\"items\":[{\"externalId\":\"a\",\"name\":\"a\",\"parentExternalId\":\"b\"},{\"externalId\":\"b\",\"name\":\"b\",\"parentExternalId\":\"a\"}]}",
                0, &response, &err) == COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "cycles");
  CHECK_CONTAINS(cognite_error_json(err), "\"cycles\":[\"a\",\"b\"]");
  cognite_error_free(err);
}

static void updates_and_upserts(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  const char *body;
  char *items;
  DONE("assets.create", text("{\"items\":[{\"externalId\":\"%s-up-0001\",\"name\":\"n\",\"source\":\"s\",\"metadata\":{\"a\":\"1\"}}]}", unique));
  body = DONE("assets.update", text("{\"items\":[{\"externalId\":\"%s-up-0001\",\"update\":{\"name\":{\"set\":\"m\"}}}]}", unique));
  CHECK_CONTAINS(body, "\"name\":\"m\"");
  CHECK_CONTAINS(body, "\"source\":\"s\"");
  body = DONE("assets.update", text("{\"mode\":\"patch\",\"items\":[{\"externalId\":\"%s-up-0001\",\"metadata\":{\"b\":\"2\"}}]}", unique));
  CHECK_CONTAINS(body, "\"a\":\"1\"");
  CHECK_CONTAINS(body, "\"b\":\"2\"");
  body = DONE("assets.update", text("{\"mode\":\"replace\",\"items\":[{\"externalId\":\"%s-up-0001\",\"name\":\"z\"}]}", unique));
  CHECK_LACKS(body, "\"source\"");
  CHECK_LACKS(body, "\"b\":\"2\"");

  /* An update is the same twice: a broken connection is repeated. */
  faults("[{\"match\":{\"path\":\"/assets/update\"},\"action\":{\"kind\":\"applied_no_answer\"}}]");
  DONE("assets.update", text("{\"items\":[{\"externalId\":\"%s-up-0001\",\"name\":\"y\"}]}", unique));

  items = many("up", 0, 1500, ",\"name\":\"u%d\"", "");
  body = DONE("assets.upsert", items);
  CHECK(length_of(body, "items") == 1500);
  CHECK(strstr(body, "up-0001\"") > strstr(body, "up-0000\"") && strstr(body, "up-0002\"") > strstr(body, "up-0001\""));
  CHECK(there("up") == 1500); /* the next answer takes the place of `body` */
  CHECK(length_of(DONE("assets.upsert", items), "items") == 1500 && there("up") == 1500);
  free(items);

  CHECK_STATUS(operate("assets.delete", text("{\"externalIds\":[\"%s-up-0000\",\"nobody\"]}", unique), 0, &response, &err),
               COGNITE_ERR_NOT_FOUND);
  CHECK_CONTAINS(cognite_error_json(err), "\"missing\":[{\"externalId\":\"nobody\"}]");
  CHECK_CONTAINS(cognite_error_json(err), text("\"failed\":[{\"externalId\":\"%s-up-0000\"},{\"externalId\":\"nobody\"}]", unique));
  cognite_error_free(err);
  DONE("assets.delete", text("{\"externalIds\":[\"%s-up-0000\",\"nobody\"],\"ignoreUnknownIds\":true}", unique));
  CHECK(there("up") == 1499);
}

static void raw(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  size_t room = 700000, used;
  char *arguments = malloc(room), *keys;
  int i;
  if (arguments == NULL) abort();
  used = (size_t)snprintf(arguments, room, "{\"dbName\":\"%s\",\"tableName\":\"t/1\",\"ensureParent\":true,\"items\":[", unique);
  for (i = 0; i < 12000; i++)
    used += (size_t)snprintf(arguments + used, room - used, "%s{\"key\":\"k%05d\",\"columns\":{\"v\":%d}}", i > 0 ? "," : "", i, i);
  snprintf(arguments + used, room - used, "]}");
  CHECK_EQUAL(DONE("raw.rows.insert", arguments), "{\"items\":[]}");
  CHECK(length_of(DONE("raw.rows.list", text("{\"dbName\":\"%s\",\"tableName\":\"t/1\",\"limit\":null}", unique)), "items") == 12000);
  faults("[{\"match\":{\"method\":\"POST\",\"path\":\"/rows\"},\"action\":{\"kind\":\"status\",\"status\":400}}]");
  CHECK_STATUS(operate("raw.rows.insert", arguments, 0, &response, &err), COGNITE_ERR_PARTIAL);
  CHECK(length_of(cognite_error_json(err), "failed") + length_of(cognite_error_json(err), "succeeded") == 12000);
  CHECK_CONTAINS(cognite_error_json(err), "{\"key\":\"k0");
  cognite_error_free(err);
  free(arguments);
  keys = malloc(room);
  if (keys == NULL) abort();
  used = (size_t)snprintf(keys, room, "{\"dbName\":\"%s\",\"tableName\":\"t/1\",\"keys\":[", unique);
  for (i = 0; i < 2500; i++) used += (size_t)snprintf(keys + used, room - used, "%s\"k%05d\"", i > 0 ? "," : "", i);
  snprintf(keys + used, room - used, "]}");
  DONE("raw.rows.delete", keys);
  free(keys);
  CHECK(length_of(DONE("raw.rows.list", text("{\"dbName\":\"%s\",\"tableName\":\"t/1\",\"limit\":null}", unique)), "items") == 9500);
  DONE("raw.databases.delete", text("{\"names\":[\"%s\"],\"recursive\":true}", unique));
  CHECK_LACKS(DONE("raw.databases.list", "{\"limit\":null}"), unique);
}

/* Cancelled while requests wait at the service: told once, every item has a place, and none is lost. */
static void cancelled(void) {
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_cancel *cancel = cognite_cancel_new();
  cognite_queue *queue = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion completion = COGNITE_COMPLETION_INIT;
  cognite_error *err = NULL;
  char *arguments = many("cancel", 0, 9000, ",\"name\":\"n\"", "");
  int tries, sent = 0;
  const char *json;
  faults("[{\"match\":{\"path\":\"/assets$\"},\"times\":8,\"action\":{\"kind\":\"delay\",\"ms\":20000}}]");
  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  operation.name = "assets.create";
  operation.arguments = arguments;
  operation.arguments_len = strlen(arguments);
  operation.cancel = cancel;
  CHECK_STATUS(cognite_client_operate_async(client, &operation, &notify, &err), COGNITE_OK);
  memset(arguments, 'x', strlen(arguments)); /* not needed any more */
  free(arguments);
  for (tries = 0; tries < 200 && !sent; tries++) { /* until requests wait for the slow service */
    cognite_response *metrics = NULL;
    usleep(50000);
    CHECK_STATUS(cognite_client_metrics(client, &metrics, NULL), COGNITE_OK);
    sent = strstr(cognite_response_body(metrics, NULL), "\"in_flight\":0") == NULL;
    cognite_response_free(metrics);
  }
  /* And have left: cut off before, they would surely not be applied. Valgrind takes its time over them. */
  sleep(getenv("COGNITE_TEST_SLOW") != NULL ? 12 : 2);
  cognite_cancel_trigger(cancel);
  cognite_cancel_free(cancel);
  CHECK_STATUS(cognite_queue_next(queue, 60000, &completion, &err), COGNITE_OK);
  CHECK_STATUS(completion.status, COGNITE_ERR_PARTIAL);
  json = cognite_error_json(completion.error);
  CHECK(length_of(json, "unknown") >= 1000 && length_of(json, "skipped") >= 1000 && length_of(json, "failed") == 0);
  CHECK(length_of(json, "unknown") + length_of(json, "skipped") + length_of(json, "succeeded") == 9000);
  CHECK_CONTAINS(json, "\"statusName\":\"CANCELLED\"");
  cognite_error_free(completion.error); /* before the next: it writes over the completion */
  CHECK_STATUS(cognite_queue_next(queue, 0, &completion, NULL), COGNITE_ERR_EMPTY);
  cognite_queue_free(queue);
  faults("[]");
}

int main(void) {
  client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  snprintf(unique, sizeof unique, "writes-%ld", (long)getpid());
  one_request_of_three();
  whole_failures();
  split();
  hierarchy();
  updates_and_upserts();
  raw();
  cancelled();
  done(NULL, NULL, 0);
  cognite_client_free(client);
  return REPORT();
}
