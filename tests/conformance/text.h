/* A growing text, and the ways in which bytes are written into the driver's reply. */
#ifndef CONFORMANCE_TEXT_H
#define CONFORMANCE_TEXT_H

#include <stddef.h>

typedef struct text {
  char *at; /* a NUL follows; NULL only while nothing was added */
  size_t len, room;
} text;

void *must(void *allocated); /* ends the program when there is no memory */
char *copy_of(const char *at, size_t len);

void add(text *t, const char *at, size_t len);
void add_text(text *t, const char *words);
void add_quoted(text *t, const char *at, size_t len); /* as a JSON text; the bytes are UTF-8 */
void add_number(text *t, double number);
void add_base64(text *t, const unsigned char *at, size_t len);
void add_sha256(text *t, const unsigned char *at, size_t len); /* in hexadecimal digits */
void free_text(text *t);

#endif
