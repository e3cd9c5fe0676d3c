/* json_scan.h - a small JSON reader for the examples, enough for the answers of the service.
 *
 * There is no tree and nothing is allocated: a "value" is a pointer to its first character inside the text, and every
 * function gets the end of the text. Malformed text gives NULL or 0, never a read beyond the end. Programs with more
 * to read use a real JSON library; libcognite hands over bodies as text so that any will do.
 *
 *   const char *end = text + length, *item;
 *   for (item = json_first(json_member(json_skip_space(text, end), end, "items"), end); item; item = json_next(item, end))
 *     if (json_number(json_member(item, end, "value"), end, &value)) ...
 */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_MAX_DEPTH = 64, JSON_MAX_NUMBER = 63 };

static inline const char *json_skip_space(const char *p, const char *end) {
  while (p != NULL && p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
  return p != NULL && p < end ? p : NULL;
}

/* `p` is at the opening quote; the result is behind the closing one. */
static inline const char *json_skip_string(const char *p, const char *end) {
  for (p++; p < end; p++) {
    if (*p == '"') return p + 1;
    if (*p == '\\' && ++p == end) return NULL;
  }
  return NULL;
}

/* Behind the value that begins at `p`. */
static inline const char *json_skip_deep(const char *p, const char *end, int depth) {
  if ((p = json_skip_space(p, end)) == NULL || depth > JSON_MAX_DEPTH) return NULL;
  if (*p == '"') return json_skip_string(p, end);
  if (*p == '{' || *p == '[') {
    char open = *p, close = open == '{' ? '}' : ']';
    if ((p = json_skip_space(p + 1, end)) == NULL) return NULL;
    if (*p == close) return p + 1;
    for (;;) {
      if (open == '{') {
        if (*p != '"' || (p = json_skip_space(json_skip_string(p, end), end)) == NULL || *p != ':') return NULL;
        p++;
      }
      if ((p = json_skip_space(json_skip_deep(p, end, depth + 1), end)) == NULL) return NULL;
      if (*p == close) return p + 1;
      if (*p != ',' || (p = json_skip_space(p + 1, end)) == NULL) return NULL;
    }
  }
  { /* a number, true, false or null */
    const char *start = p;
    while (p < end && strchr(",]} \t\r\n", *p) == NULL) p++;
    return p > start ? p : NULL;
  }
}

static inline const char *json_skip(const char *p, const char *end) { return json_skip_deep(p, end, 0); }

/* The value of the member `name` of the object at `p`; NULL: no object, or no such member. Names are compared as they
 * are written: one with escapes in it is not found. */
static inline const char *json_member(const char *p, const char *end, const char *name) {
  size_t length = strlen(name);
  if ((p = json_skip_space(p, end)) == NULL || *p != '{') return NULL;
  p = json_skip_space(p + 1, end);
  while (p != NULL && *p == '"') {
    const char *key = p + 1, *behind = json_skip_string(p, end);
    int found = behind != NULL && (size_t)(behind - 1 - key) == length && memcmp(key, name, length) == 0;
    if ((p = json_skip_space(behind, end)) == NULL || *p != ':') return NULL;
    if ((p = json_skip_space(p + 1, end)) == NULL || found) return p;
    if ((p = json_skip_space(json_skip(p, end), end)) == NULL || *p != ',') return NULL;
    p = json_skip_space(p + 1, end);
  }
  return NULL;
}

/* The first element of the array at `p`; NULL: no array, or an empty one. */
static inline const char *json_first(const char *p, const char *end) {
  if ((p = json_skip_space(p, end)) == NULL || *p != '[') return NULL;
  p = json_skip_space(p + 1, end);
  return p != NULL && *p != ']' ? p : NULL;
}

/* The element after the one at `p`; NULL: that was the last. */
static inline const char *json_next(const char *p, const char *end) {
  p = json_skip_space(json_skip(p, end), end);
  return p != NULL && *p == ',' ? json_skip_space(p + 1, end) : NULL;
}

/* Copies the text of the number at `p`, so that strtod() and strtoll() cannot run over the end. */
static inline int json_number_text(const char *p, const char *end, char *text) {
  const char *behind = json_skip(p, end);
  if (behind == NULL || behind - p > JSON_MAX_NUMBER || (*p != '-' && (*p < '0' || *p > '9'))) return 0;
  memcpy(text, p, (size_t)(behind - p));
  text[behind - p] = '\0';
  return 1;
}

static inline int json_number(const char *p, const char *end, double *out) {
  char text[JSON_MAX_NUMBER + 1], *stop;
  if (!json_number_text(p, end, text)) return 0;
  *out = strtod(text, &stop); /* needs the "C" locale, which is what a program has unless it calls setlocale() */
  return *stop == '\0';
}

static inline int json_integer(const char *p, const char *end, int64_t *out) {
  char text[JSON_MAX_NUMBER + 1], *stop;
  if (!json_number_text(p, end, text)) return 0;
  *out = strtoll(text, &stop, 10);
  return *stop == '\0';
}

#endif
