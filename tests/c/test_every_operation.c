/* test_every_operation.c - each operation that cognite_operations_json() lists, called once with as little as it takes, against
 * the service. Most things that are named do not exist, so many answers are refusals; but each request must be one that the
 * service has, and each answer one that the library understands. */
#define _DEFAULT_SOURCE
#include "connection.h"

/* Copies the text value of a member of the description that begins at `at`; "" if it has none. */
static const char *member_of(const char *at, const char *name, char *out, size_t size) {
  const char *end = strstr(at + 1, "{\"name\":"), *found;
  char key[64];
  snprintf(key, sizeof key, "\"%s\":\"", name);
  found = strstr(at, key);
  out[0] = '\0';
  if (found == NULL || (end != NULL && found > end)) return out;
  found += strlen(key);
  snprintf(out, size, "%.*s", (int)strcspn(found, "\""), found);
  return out;
}

/* The arguments: a value for each {parameter} of the path, an item where there are items. */
static void arguments_of(const char *at, const char *name, const char *path, const char *shape, char *out, size_t size) {
  char key[64] = "externalId";
  const char *p, *identifiers = strstr(at, "\"identifiers\":[\""), *end = strstr(at + 1, "{\"name\":");
  size_t used = (size_t)snprintf(out, size, "{");
  for (p = strchr(path, '{'); p != NULL; p = strchr(p + 1, '{')) {
    int length = (int)strcspn(p + 1, "}");
    used += (size_t)snprintf(out + used, size - used, ",\"%.*s\":\"7\"", length, p + 1);
  }
  if (identifiers != NULL && (end == NULL || identifiers < end)) {
    identifiers += strlen("\"identifiers\":[\"");
    snprintf(key, sizeof key, "%.*s", (int)strcspn(identifiers, "\""), identifiers);
  }
  if (strcmp(name, "raw.rows.insert") == 0) {
    used += (size_t)snprintf(out + used, size - used, ",\"items\":[{\"key\":\"a\",\"columns\":{}}]");
  } else if (strcmp(name, "sequences.data.insert") == 0) {
    used += (size_t)snprintf(out + used, size - used,
                             ",\"items\":[{\"externalId\":\"a\",\"columns\":[\"c\"],\"rows\":[{\"rowNumber\":1,\"values\":[1]}]}]");
  } else if (strcmp(name, "sequences.data.delete") == 0) {
    used += (size_t)snprintf(out + used, size - used, ",\"items\":[{\"externalId\":\"a\",\"rows\":[1]}]");
  } else if (strcmp(shape, "items") == 0) {
    used += (size_t)snprintf(out + used, size - used, ",\"items\":[{\"%s\":%s}]", key, strcmp(key, "id") == 0 ? "7" : "\"a\"");
  }
  if (strcmp(shape, "upload") == 0) used += (size_t)snprintf(out + used, size - used, ",\"content\":\"+/8=\"");
  if (path[0] == '@') used += (size_t)snprintf(out + used, size - used, ",\"authUrl\":\"%s\"", need("COGNITE_BASE_URL"));
  snprintf(out + used, size - used, "}");
  if (out[1] == ',') out[1] = ' ';
}

/* The number of requests the service has seen. */
static long requests_seen(cognite_client *client) {
  cognite_response *response = NULL;
  long n = 0;
  const char *p;
  CHECK_STATUS(cognite_client_get(client, "/_emulator/requests", NULL, NULL, &response, NULL), COGNITE_OK);
  for (p = cognite_response_body(response, NULL); p != NULL && (p = strstr(p, "\"number\":")) != NULL; p++) {
    n = strtol(p + strlen("\"number\":"), NULL, 10) > n ? strtol(p + strlen("\"number\":"), NULL, 10) : n;
  }
  cognite_response_free(response);
  return n;
}

int main(void) {
  cognite_client *client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  cognite_response *listed = NULL;
  const char *at;
  int called = 0, done = 0;
  long before = requests_seen(client);
  CHECK_STATUS(cognite_operations_json(&listed, NULL), COGNITE_OK);
  for (at = strstr(cognite_response_body(listed, NULL), "{\"name\":"); at != NULL; at = strstr(at + 1, "{\"name\":")) {
    char name[96], path[160], shape[16], arguments[800], detail[700];
    cognite_operation operation = COGNITE_OPERATION_INIT;
    cognite_response *response = NULL;
    cognite_error *err = NULL;
    cognite_status status;
    int32_t http;
    member_of(at, "name", name, sizeof name);
    member_of(at, "path", path, sizeof path);
    member_of(at, "shape", shape, sizeof shape);
    if (strcmp(shape, "composite") == 0) continue; /* made of these; test_operations_write.c has them */
    arguments_of(at, name, path, shape, arguments, sizeof arguments);
    operation.name = name;
    operation.arguments = arguments;
    operation.arguments_len = strlen(arguments);
    status = cognite_client_operate(client, &operation, &response, &err);
    http = err != NULL ? cognite_error_http_status(err) : 200;
    snprintf(detail, sizeof detail, "%s %.300s: %s", name, arguments, cognite_error_message(err));
    CHECK_((status == COGNITE_OK) == (response != NULL) && (status == COGNITE_OK) == (err == NULL), detail);
    CHECK_(http >= 200 && http < 500 && http != 401 && http != 403 && http != 405, detail);
    CHECK_(strstr(cognite_error_message(err), "No such path") == NULL, detail);
    called++;
    done += status == COGNITE_OK;
    cognite_response_free(response);
    cognite_error_free(err);
  }
  CHECK(called >= 369);
  CHECK(requests_seen(client) - before >= called);
  printf("%d operations called, %d of them done\n", called, done);
  cognite_response_free(listed);
  cognite_client_free(client);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  return REPORT();
}
