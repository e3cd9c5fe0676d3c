/* JSON by reference: values are slices of the text they came in, so that nothing is lost in numbers of any length. */
#ifndef CONFORMANCE_JSON_H
#define CONFORMANCE_JSON_H

#include <stddef.h>

/* The tokenizer: jsmn, from the Debian package libjsmn-dev. Its functions are compiled in json.c. */
#define JSMN_PARENT_LINKS
#define JSMN_STRICT
#ifndef CONFORMANCE_JSON_C
#define JSMN_HEADER
#endif
#include <jsmn.h>

#include "text.h"

typedef struct doc {
  const char *at; /* the text, not owned */
  jsmntok_t *token;
  int count;
} doc;

#define NONE (-1)

/* A value is named by the number of its token; the whole document is 0. */
int parse(doc *d, const char *at, size_t len); /* false: not JSON; the text must stay */
void free_doc(doc *d);

int member(const doc *d, int object, const char *name); /* NONE: absent */
int is_null(const doc *d, int value);
int is_text(const doc *d, int value);
int is_object(const doc *d, int value);
int is_list(const doc *d, int value);
double number_of(const doc *d, int value);
char *text_of(const doc *d, int value, size_t *len); /* decoded; to be freed */

/* Iterates over the elements of a list or the member names of an object. */
int first_of(const doc *d, int value);
int next_of(const doc *d, int element);
int value_of(const doc *d, int name); /* of a member, from its name */

void add_value(text *t, const doc *d, int value);       /* as it is written */
void add_plain_value(text *t, const doc *d, int value); /* {"$float": "NaN"} becomes a bare NaN */
int same_text(const doc *a, int value, const doc *b, int other);

/* Whether the bytes are one JSON value in UTF-8; NaN and infinities are taken as numbers, as many peers write them. */
int is_json(const char *at, size_t len);
int is_utf8(const char *at, size_t len);

#endif
