/* test_arrow.c - columns as Arrow's C Data Interface has them: types, every buffer, missing values, who owns what. */
#define _DEFAULT_SOURCE

/* As Arrow's own header has it, included before ours: ours must then leave it alone. */
#include <stdint.h>
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_NULLABLE 2
struct ArrowSchema {
  const char *format, *name, *metadata;
  int64_t flags, n_children;
  struct ArrowSchema **children, *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};
struct ArrowArray {
  int64_t length, null_count, offset, n_buffers, n_children;
  const void **buffers;
  struct ArrowArray **children, *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

#include <math.h>
#include "connection.h"
#include "protobuf.h"
#include "server.h"

#define T0 INT64_C(1700000000000)

static struct bytes reply;

static void answer(struct server *server, int fd) {
  (void)server;
  server_reply(fd, "200 OK", "Content-Type: application/protobuf\r\n", reply.data, reply.used);
}

/* One series whose datapoints are `list` in field `field`. */
static void reply_with(unsigned field, const struct bytes *list, unsigned type) {
  struct bytes item = {0};
  put_number(&item, 1, 1);
  put_bytes(&item, field, list->data, list->used);
  put_bytes(&item, 8, "bar", 3);
  put_number(&item, 6, type == 2);
  put_number(&item, 12, type);
  reply.used = 0;
  put_bytes(&reply, 1, item.data, item.used);
  free(item.data);
}

static cognite_client *client;

static cognite_columns *query(const char *text) {
  cognite_columns *columns = NULL;
  cognite_error *err = NULL;
  cognite_status status = cognite_columns_read(client, text, strlen(text), NULL, &columns, &err);
  CHECK_(status == COGNITE_OK, cognite_error_message(err));
  cognite_error_free(err);
  return columns;
}

static void export_(const cognite_columns *columns, struct ArrowSchema *schema, struct ArrowArray *array) {
  cognite_error *err = NULL;
  cognite_status status;
  memset(schema, 0x55, sizeof *schema);
  memset(array, 0x55, sizeof *array);
  status = cognite_columns_export_arrow(columns, 0, schema, array, &err);
  CHECK_(status == COGNITE_OK, cognite_error_message(err));
  CHECK_EQUAL(schema->format, "+s");
  CHECK(schema->flags == 0 && schema->dictionary == NULL && schema->release != NULL);
  CHECK(array->n_buffers == 1 && array->buffers[0] == NULL && array->null_count == 0 && array->offset == 0);
  CHECK(array->n_children == schema->n_children && array->dictionary == NULL && array->release != NULL);
}

/* Column `n`, with what is true of every column. */
static const struct ArrowArray *column(const struct ArrowSchema *schema, const struct ArrowArray *array, int n, const char *name,
                                       const char *format, int nullable, int nulls) {
  const struct ArrowSchema *type = schema->children[n];
  const struct ArrowArray *values = array->children[n];
  CHECK_EQUAL(type->name, name);
  CHECK_EQUAL(type->format, format);
  CHECK(type->flags == (nullable ? ARROW_FLAG_NULLABLE : 0) && type->n_children == 0 && type->release != NULL);
  CHECK(values->length == array->length && values->offset == 0 && values->null_count == nulls && values->release != NULL);
  CHECK(values->n_children == 0 && values->n_buffers == (strcmp(format, "U") == 0 ? 3 : 2));
  CHECK((values->buffers[0] != NULL) == (nulls > 0) && values->buffers[1] != NULL);
  CHECK(((uintptr_t)values->buffers[1] & 7) == 0);
  return values;
}

/* What the metadata says under its one key. */
static void check_metadata(const char *metadata, const char *part) {
  int32_t n, length;
  char text[1000];
  memcpy(&n, metadata, 4);
  memcpy(&length, metadata + 4, 4);
  CHECK(n == 1 && length == 7 && memcmp(metadata + 8, "cognite", 7) == 0);
  memcpy(&length, metadata + 15, 4);
  CHECK(length > 0 && length < (int32_t)sizeof text);
  memcpy(text, metadata + 19, (size_t)length);
  text[length] = '\0';
  CHECK_CONTAINS(text, part);
}

static void numbers(void) {
  struct bytes list = {0}, point = {0};
  struct ArrowSchema schema, again;
  struct ArrowArray array, other, moved;
  const struct ArrowArray *values;
  cognite_columns *columns;
  int n;
  for (n = 0; n < 11; n++) {
    put_number(&point, 1, (uint64_t)(T0 + n));
    if (n == 9) put_number(&point, 4, 1);
    else put_double(&point, 2, n * 0.5);
    if (n == 2) put_status(&point, 3, 0x40000000u);
    if (n == 9) put_status(&point, 3, 0x80000000u);
    add_point(&list, &point);
  }
  reply_with(3, &list, 1);
  columns = query("{\"id\":1,\"end\":\"now\",\"limit\":11,\"includeStatus\":true,\"ignoreBadDataPoints\":false}");
  export_(columns, &schema, &array);
  export_(columns, &again, &other);
  CHECK(array.length == 11 && array.n_children == 3);
  check_metadata(schema.metadata, "\"unit\":\"bar\"");
  values = column(&schema, &array, 0, "timestamp", "tsm:UTC", 0, 0);
  CHECK(values->buffers[1] == cognite_columns_timestamps(columns, 0)); /* not copied */
  values = column(&schema, &array, 1, "value", "g", 1, 1);
  CHECK(values->buffers[1] == cognite_columns_numbers(columns, 0, NULL));
  CHECK(values->buffers[0] == cognite_columns_validity(columns, 0));
  values = column(&schema, &array, 2, "status", "I", 0, 0);
  CHECK(values->buffers[1] == cognite_columns_status_codes(columns, 0));
  CHECK(other.children[1]->buffers[1] == array.children[1]->buffers[1]);

  /* A child is moved out; columns, parent and schema go first. */
  moved = *array.children[1];
  array.children[1]->release = NULL;
  cognite_columns_free(columns);
  array.release(&array);
  CHECK(array.release == NULL);
  schema.release(&schema);
  CHECK(schema.release == NULL);
  for (n = 0; n < 11; n++) {
    int there = ((const uint8_t *)moved.buffers[0])[n / 8] >> n % 8 & 1;
    CHECK(there == (n != 9) && (n == 9 || ((const double *)moved.buffers[1])[n] == n * 0.5));
  }
  moved.release(&moved);
  CHECK(moved.release == NULL);
  CHECK(((const int64_t *)other.children[0]->buffers[1])[10] == T0 + 10);
  again.release(&again);
  other.release(&other);

  /* All good: the column of codes is there when it was asked for, and only then. */
  list.used = 0;
  for (n = 0; n < 3; n++) {
    put_number(&point, 1, (uint64_t)(T0 + n));
    put_double(&point, 2, -1.5);
    add_point(&list, &point);
  }
  reply_with(3, &list, 1);
  columns = query("{\"id\":1,\"limit\":3,\"includeStatus\":true}");
  export_(columns, &schema, &array);
  CHECK(array.n_children == 3);
  values = column(&schema, &array, 2, "status", "I", 0, 0);
  for (n = 0; n < 3; n++) CHECK(((const uint32_t *)values->buffers[1])[n] == 0);
  schema.release(&schema);
  array.release(&array);
  cognite_columns_free(columns);
  columns = query("{\"id\":1,\"limit\":3}");
  export_(columns, &schema, &array);
  CHECK(array.n_children == 2 && schema.n_children == 2);
  column(&schema, &array, 1, "value", "g", 1, 0);
  array.release(&array);
  cognite_columns_free(columns);
  schema.release(&schema);
  free(list.data);
  free(point.data);
}

static void texts(void) {
  static const char *words[] = {"\xc3\xb8", "", "abc"};
  struct bytes list = {0}, point = {0};
  struct ArrowSchema schema;
  struct ArrowArray array;
  const struct ArrowArray *values;
  const int64_t *offsets;
  cognite_columns *columns;
  int n;
  for (n = 0; n < 3; n++) {
    put_number(&point, 1, (uint64_t)(T0 + n));
    put_bytes(&point, 2, words[n], strlen(words[n]));
    add_point(&list, &point);
  }
  reply_with(4, &list, 2);
  columns = query("{\"id\":1,\"limit\":3}");
  export_(columns, &schema, &array);
  values = column(&schema, &array, 1, "value", "U", 1, 0);
  CHECK(values->buffers[2] == cognite_columns_text(columns, 0, &offsets) && values->buffers[1] == offsets);
  CHECK(offsets[0] == 0 && offsets[1] == 2 && offsets[2] == 2 && offsets[3] == 5 && memcmp(values->buffers[2], "\xc3\xb8" "abc", 5) == 0);
  array.release(&array);
  schema.release(&schema);
  cognite_columns_free(columns);

  /* None at all: types all the same, and buffers that may be read as far as the interface lets. */
  list.used = 0;
  reply_with(4, &list, 2);
  columns = query("{\"id\":1}");
  export_(columns, &schema, &array);
  CHECK(array.length == 0 && array.n_children == 2);
  values = column(&schema, &array, 1, "value", "U", 1, 0);
  CHECK(((const int64_t *)values->buffers[1])[0] == 0 && values->buffers[2] != NULL);
  array.release(&array);
  schema.release(&schema);
  cognite_columns_free(columns);
  free(list.data);
  free(point.data);
}

static void states(void) {
  struct bytes list = {0}, point = {0};
  struct ArrowSchema schema;
  struct ArrowArray array;
  const struct ArrowArray *values;
  cognite_columns *columns;
  int n;
  for (n = 0; n < 3; n++) {
    put_number(&point, 1, (uint64_t)(T0 + n));
    if (n < 2) {
      put_number(&point, 2, n == 0 ? (uint64_t)-7 : 3);
      put_bytes(&point, 3, n == 0 ? "OFF" : "ON", n == 0 ? 3 : 2);
    } else {
      put_status(&point, 4, 0x80000000u);
    }
    add_point(&list, &point);
  }
  reply_with(13, &list, 3);
  columns = query("{\"id\":1,\"limit\":3,\"ignoreBadDataPoints\":false}");
  export_(columns, &schema, &array);
  CHECK(array.n_children == 4);
  values = column(&schema, &array, 1, "numericValue", "l", 1, 1);
  CHECK(((const int64_t *)values->buffers[1])[0] == -7 && ((const int64_t *)values->buffers[1])[1] == 3);
  CHECK((((const uint8_t *)values->buffers[0])[0] & 7) == 3);
  values = column(&schema, &array, 2, "stringValue", "U", 1, 1);
  CHECK(memcmp(values->buffers[2], "OFFON", 5) == 0 && ((const int64_t *)values->buffers[1])[3] == 5);
  values = column(&schema, &array, 3, "status", "I", 0, 0);
  CHECK(((const uint32_t *)values->buffers[1])[2] == 0x80000000u);
  array.release(&array);
  schema.release(&schema);
  cognite_columns_free(columns);
  free(list.data);
  free(point.data);
}

static void aggregates(void) {
  struct bytes list = {0}, point = {0}, most = {0};
  struct ArrowSchema schema;
  struct ArrowArray array;
  const struct ArrowArray *values;
  cognite_columns *columns;
  int n;
  for (n = 0; n < 10; n++) {
    put_number(&point, 1, (uint64_t)(T0 / 3600000 * 3600000 + n * INT64_C(3600000)));
    put_double(&point, 2, n == 8 ? NAN : n);
    most.used = 0;
    put_number(&most, 1, (uint64_t)(T0 + n));
    put_double(&most, 2, 2.0 * n);
    put_status(&most, 3, n == 3 ? 0x80000000u : 0);
    if (n != 8) put_bytes(&point, 18, most.data, most.used);
    add_point(&list, &point);
  }
  reply_with(5, &list, 1);
  columns = query("{\"id\":1,\"limit\":10,\"aggregates\":[\"average\",\"maxDatapoint\"],\"granularity\":\"1h\"}");
  export_(columns, &schema, &array);
  CHECK(array.length == 10 && array.n_children == 5);
  values = column(&schema, &array, 1, "average", "g", 1, 1);
  CHECK(values->buffers[1] == cognite_columns_numbers(columns, 0, "average"));
  CHECK(((const uint8_t *)values->buffers[0])[0] == 0xff && (((const uint8_t *)values->buffers[0])[1] & 3) == 2);
  values = column(&schema, &array, 2, "maxDatapoint", "g", 1, 1);
  CHECK(((const double *)values->buffers[1])[7] == 14);
  values = column(&schema, &array, 3, "maxDatapoint.timestamp", "tsm:UTC", 1, 1);
  CHECK(((const int64_t *)values->buffers[1])[9] == T0 + 9);
  values = column(&schema, &array, 4, "maxDatapoint.status", "I", 1, 1);
  CHECK(((const uint32_t *)values->buffers[1])[3] == 0x80000000u && ((const uint32_t *)values->buffers[1])[4] == 0);
  cognite_columns_free(columns);
  schema.release(&schema);
  CHECK(((const double *)array.children[1]->buffers[1])[9] == 9);
  array.release(&array);
  free(list.data);
  free(point.data);
  free(most.data);
}

static void refused(void) {
  struct bytes list = {0};
  struct ArrowSchema schema;
  struct ArrowArray array;
  cognite_columns *columns;
  cognite_error *err = NULL;
  reply_with(3, &list, 1);
  columns = query("{\"id\":1}");
  memset(&schema, 0x55, sizeof schema);
  memset(&array, 0x55, sizeof array);
  CHECK_STATUS(cognite_columns_export_arrow(columns, 1, &schema, &array, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "series is 1");
  cognite_error_free(err);
  CHECK(schema.release == NULL && array.release == NULL);
  CHECK_STATUS(cognite_columns_export_arrow(columns, 0, NULL, &array, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(array.release == NULL);
  CHECK_STATUS(cognite_columns_export_arrow(columns, 0, &schema, NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(schema.release == NULL);
  CHECK_STATUS(cognite_columns_export_arrow(NULL, 0, &schema, &array, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  cognite_columns_free(columns);
  free(list.data);
}

int main(void) {
  static struct server server;
  server_start(&server, answer);
  client = connect_server(server.port);

  numbers();
  texts();
  states();
  aggregates();
  refused();
  cognite_client_free(client);
  server_stop(&server);
  free(reply.data);
  return REPORT();
}
