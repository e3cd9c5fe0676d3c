/* arrow.c - reads datapoints of a time series and hands them to Arrow as a table, without copying them.
 *
 *   arrow EXTERNAL_ID [START [END]]        for example: arrow my-series 1d-ago now
 *
 * Built with Arrow's C++ library, if that was found (see cmake/CogniteExamples.cmake), it becomes an arrow::RecordBatch, which
 * Arrow checks and prints. Without it this program reads the two structs itself, as the C Data Interface lays them out: that
 * is what any importer does. See example.h for the environment variables. */
#include "example.h"
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef EXAMPLE_WITH_ARROW
/* In arrow_import.cpp. Takes over both structs; 0 when Arrow took them. */
int example_import(struct ArrowSchema *schema, struct ArrowArray *array);
#else

static int is_there(const struct ArrowArray *column, int64_t row) {
  const uint8_t *bits = column->buffers[0];
  int64_t at = column->offset + row;
  return bits == NULL || (bits[at / 8] >> at % 8 & 1);
}

static void print_value(const char *format, const struct ArrowArray *column, int64_t row) {
  int64_t at = column->offset + row;
  if (!is_there(column, row)) {
    printf("null");
  } else if (strncmp(format, "ts", 2) == 0 || strcmp(format, "l") == 0) {
    printf("%" PRId64, ((const int64_t *)column->buffers[1])[at]);
  } else if (strcmp(format, "g") == 0) {
    printf("%.10g", ((const double *)column->buffers[1])[at]);
  } else if (strcmp(format, "I") == 0) {
    printf("0x%08" PRIx32, ((const uint32_t *)column->buffers[1])[at]);
  } else if (strcmp(format, "U") == 0) {
    const int64_t *offsets = (const int64_t *)column->buffers[1] + at;
    printf("\"%.*s\"", (int)(offsets[1] - offsets[0]), (const char *)column->buffers[2] + offsets[0]);
  }
}

/* What an importer does: looks at the types, uses the buffers where they are, and releases both when it has done. */
static int example_import(struct ArrowSchema *schema, struct ArrowArray *array) {
  int64_t row, column;
  printf("a table of %" PRId64 " rows, read by the C Data Interface itself (this program was built without Arrow's library)\n",
         array->length);
  for (column = 0; column < schema->n_children; column++) {
    const struct ArrowSchema *type = schema->children[column];
    printf("%s%s: %s%s", column ? ", " : "", type->name, type->format, type->flags & ARROW_FLAG_NULLABLE ? "?" : "");
  }
  printf("\n");
  for (row = 0; row < array->length && row < 5; row++) {
    for (column = 0; column < array->n_children; column++) {
      printf("%s", column ? "  " : "");
      print_value(schema->children[column]->format, array->children[column], row);
    }
    printf("\n");
  }
  if (array->length > row) printf("... and %" PRId64 " more\n", array->length - row);
  array->release(array);
  schema->release(schema);
  return 0;
}
#endif

/* Text as part of a JSON text: enough for names that hold no control characters. */
static void add_quoted(char *to, size_t size, const char *text) {
  size_t n = strlen(to);
  to[n++] = '"';
  for (; *text != '\0' && n + 3 < size; text++) {
    if (*text == '"' || *text == '\\') to[n++] = '\\';
    to[n++] = *text;
  }
  to[n++] = '"';
  to[n] = '\0';
}

int main(int argc, char **argv) {
  char query[1200] = "{\"externalId\":";
  cognite_client *client;
  cognite_columns *columns = NULL;
  cognite_error *error = NULL;
  struct ArrowSchema schema;
  struct ArrowArray array;
  int failed;
  if (argc < 2 || argc > 4 || strlen(argv[1]) > 255) {
    fprintf(stderr, "usage: arrow EXTERNAL_ID [START [END]]\n");
    return 2;
  }
  add_quoted(query, sizeof query, argv[1]);
  strcat(query, ",\"start\":");
  add_quoted(query, 700, argc > 2 ? argv[2] : "1970-01-01T00:00:00Z");
  strcat(query, ",\"end\":");
  add_quoted(query, 1100, argc > 3 ? argv[3] : "now");
  strcat(query, ",\"includeStatus\":true,\"ignoreBadDataPoints\":false}");

  client = example_client("arrow example");
  if (client == NULL) return 1;
  failed = cognite_columns_read(client, query, strlen(query), NULL, &columns, &error) != COGNITE_OK ||
           cognite_columns_export_arrow(columns, 0, &schema, &array, &error) != COGNITE_OK;
  if (failed) {
    example_fail("reading", error);
  } else {
    /* What was exported keeps the memory alive by itself. */
    cognite_columns_free(columns);
    columns = NULL;
    failed = example_import(&schema, &array);
  }
  cognite_columns_free(columns);
  cognite_client_free(client);
  cognite_shutdown(NULL);
  return failed != 0;
}
