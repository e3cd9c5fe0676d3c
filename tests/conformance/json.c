#define CONFORMANCE_JSON_C
#include "json.h"

#include <stdlib.h>
#include <string.h>

static size_t start_of(const doc *d, int v) {
  return (size_t)d->token[v].start - (d->token[v].type == JSMN_STRING);
}

static size_t end_of(const doc *d, int v) {
  return (size_t)d->token[v].end + (d->token[v].type == JSMN_STRING);
}

int parse(doc *d, const char *at, size_t len) {
  jsmn_parser p;
  d->at = at;
  d->token = NULL;
  d->count = 0;
  /* jsmn only cuts into tokens and lets some mistakes pass */
  if (!is_json(at, len)) return 0;
  jsmn_init(&p);
  d->count = jsmn_parse(&p, at, len, NULL, 0);
  if (d->count <= 0) return 0;
  d->token = must(malloc(sizeof *d->token * (size_t)d->count));
  jsmn_init(&p);
  return jsmn_parse(&p, at, len, d->token, (unsigned)d->count) == d->count;
}

void free_doc(doc *d) {
  free(d->token);
  d->token = NULL;
  d->count = 0;
}

int first_of(const doc *d, int value) {
  if (value == NONE || d->token[value].size == 0) return NONE;
  return value + 1;
}

int next_of(const doc *d, int element) {
  int i, parent = d->token[element].parent;
  for (i = element + 1; i < d->count && d->token[i].start < d->token[parent].end; i++) {
    if (d->token[i].parent == parent) return i;
  }
  return NONE;
}

int value_of(const doc *d, int name) {
  (void)d;
  return name + 1;
}

int member(const doc *d, int object, const char *name) {
  int i, found = NONE;
  if (object == NONE || d->token[object].type != JSMN_OBJECT) return NONE;
  for (i = first_of(d, object); i != NONE; i = next_of(d, i)) {
    size_t len = (size_t)(d->token[i].end - d->token[i].start);
    if (len == strlen(name) && memcmp(d->at + d->token[i].start, name, len) == 0) found = value_of(d, i);
  }
  return found;
}

int is_text(const doc *d, int value) {
  return value != NONE && d->token[value].type == JSMN_STRING;
}

int is_object(const doc *d, int value) {
  return value != NONE && d->token[value].type == JSMN_OBJECT;
}

int is_list(const doc *d, int value) {
  return value != NONE && d->token[value].type == JSMN_ARRAY;
}

int is_null(const doc *d, int value) {
  return value == NONE || (d->token[value].type == JSMN_PRIMITIVE && d->at[d->token[value].start] == 'n');
}

double number_of(const doc *d, int value) {
  return value == NONE ? 0 : strtod(d->at + d->token[value].start, NULL);
}

static unsigned hex4(const char *at) {
  char digits[5] = {at[0], at[1], at[2], at[3], '\0'};
  return (unsigned)strtoul(digits, NULL, 16);
}

static char *put_utf8(char *to, unsigned long code) {
  int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
  int i;
  *to++ = (char)(lead[more] | code >> (6 * more));
  for (i = more - 1; i >= 0; i--) *to++ = (char)(0x80 | (code >> (6 * i) & 0x3f));
  return to;
}

char *text_of(const doc *d, int value, size_t *len) {
  const char *from = d->at + d->token[value].start, *end = d->at + d->token[value].end;
  char *text = must(malloc((size_t)(end - from) + 1)), *to = text;
  while (from < end) {
    static const char names[] = "bfnrt", meant[] = "\b\f\n\r\t";
    const char *hit;
    unsigned long code;
    if (*from != '\\') {
      *to++ = *from++;
      continue;
    }
    hit = strchr(names, from[1]);
    if (from[1] != 'u') {
      *to++ = hit != NULL ? meant[hit - names] : from[1];
      from += 2;
      continue;
    }
    code = hex4(from + 2);
    from += 6;
    if (code >= 0xd800 && code < 0xdc00 && end - from >= 6 && from[0] == '\\' && from[1] == 'u') {
      unsigned long low = hex4(from + 2);
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        from += 6;
      }
    }
    to = put_utf8(to, code);
  }
  *to = '\0';
  if (len != NULL) *len = (size_t)(to - text);
  return text;
}

void add_value(text *t, const doc *d, int value) {
  add(t, d->at + start_of(d, value), end_of(d, value) - start_of(d, value));
}

void add_plain_value(text *t, const doc *d, int value) {
  size_t from = start_of(d, value), end = end_of(d, value);
  int i;
  for (i = value; i < d->count && start_of(d, i) < end; i++) {
    int number = d->token[i].type == JSMN_OBJECT && d->token[i].size == 1 ? member(d, i, "$float") : NONE;
    if (number == NONE) continue;
    add(t, d->at + from, start_of(d, i) - from);
    add(t, d->at + d->token[number].start, (size_t)(d->token[number].end - d->token[number].start));
    from = end_of(d, i);
    i = number;
  }
  add(t, d->at + from, end - from);
}

int same_text(const doc *a, int value, const doc *b, int other) {
  size_t len, start, other_start;
  if (value == NONE || other == NONE) return value == other;
  start = start_of(a, value);
  other_start = start_of(b, other);
  len = end_of(a, value) - start;
  return len == end_of(b, other) - other_start && memcmp(a->at + start, b->at + other_start, len) == 0;
}
