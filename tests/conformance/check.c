/* Whether bytes are JSON: RFC 8259, in UTF-8, and NaN and the infinities besides. */
#include "json.h"

#include <string.h>

typedef struct reader {
  const char *at, *end;
  int depth;
} reader;

enum { DEEPEST = 500 };

static int one_of(const reader *r, const char *set) {
  return r->at < r->end && *r->at != '\0' && strchr(set, *r->at) != NULL;
}

static void skip_space(reader *r) {
  while (one_of(r, " \t\r\n")) r->at++;
}

static int word(reader *r, const char *w) {
  size_t len = strlen(w);
  if ((size_t)(r->end - r->at) < len || memcmp(r->at, w, len) != 0) return 0;
  r->at += len;
  return 1;
}

static int digits(reader *r) {
  const char *from = r->at;
  while (one_of(r, "0123456789")) r->at++;
  return (int)(r->at - from);
}

static int number(reader *r) {
  if (word(r, "NaN") || word(r, "Infinity") || word(r, "-Infinity")) return 1;
  word(r, "-");
  if (!word(r, "0") && digits(r) == 0) return 0;
  if (word(r, ".") && digits(r) == 0) return 0;
  if (one_of(r, "eE")) {
    r->at++;
    if (one_of(r, "+-")) r->at++;
    if (digits(r) == 0) return 0;
  }
  return 1;
}

static int string(reader *r) {
  if (!word(r, "\"")) return 0;
  while (r->at < r->end) {
    unsigned char c = (unsigned char)*r->at++;
    int i;
    if (c == '"') return 1;
    if (c < 0x20) return 0;
    if (c != '\\') continue;
    if (one_of(r, "\"\\/bfnrt")) {
      r->at++;
    } else if (word(r, "u")) {
      for (i = 0; i < 4; i++, r->at++) {
        if (!one_of(r, "0123456789abcdefABCDEF")) return 0;
      }
    } else {
      return 0;
    }
  }
  return 0;
}

static int value(reader *r);

static int list(reader *r, const char *close, int named) {
  skip_space(r);
  if (word(r, close)) return 1;
  for (;;) {
    skip_space(r);
    if (named) {
      if (!string(r)) return 0;
      skip_space(r);
      if (!word(r, ":")) return 0;
    }
    if (!value(r)) return 0;
    skip_space(r);
    if (word(r, close)) return 1;
    if (!word(r, ",")) return 0;
  }
}

static int value(reader *r) {
  int good;
  skip_space(r);
  if (++r->depth > DEEPEST) return 0;
  if (word(r, "{")) good = list(r, "}", 1);
  else if (word(r, "[")) good = list(r, "]", 0);
  else if (one_of(r, "\"")) good = string(r);
  else good = word(r, "null") || word(r, "true") || word(r, "false") || number(r);
  r->depth--;
  return good;
}

int is_json(const char *at, size_t len) {
  reader r;
  r.at = at;
  r.end = at + len;
  r.depth = 0;
  if (!is_utf8(at, len) || !value(&r)) return 0;
  skip_space(&r);
  return r.at == r.end;
}

int is_utf8(const char *at, size_t len) {
  const unsigned char *p = (const unsigned char *)at, *end = p + len;
  while (p < end) {
    unsigned char c = *p++;
    int more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : -1;
    if (more < 0 || end - p < more) return 0;
    /* too long a form, surrogates, beyond U+10FFFF */
    if ((c == 0xe0 && p[0] < 0xa0) || (c == 0xed && p[0] > 0x9f) || (c == 0xf0 && p[0] < 0x90) || (c == 0xf4 && p[0] > 0x8f)) return 0;
    for (; more > 0; more--) {
      if ((*p++ & 0xc0) != 0x80) return 0;
    }
  }
  return 1;
}
