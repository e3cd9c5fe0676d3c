/* refuses.h - what the argument tests share: a call is refused, named, and leaves nothing behind. */
#ifndef REFUSES_H
#define REFUSES_H

#include "check.h"

static const char bad[] = "a\xff\xfe z"; /* not UTF-8 */
static const char cut[] = "a\xe2\x82";   /* a cut-off euro sign */

static inline void after_refusal(cognite_error *err, int line, const char *name) {
  char where[32];
  snprintf(where, sizeof where, "called at line %d", line);
  if (!CHECK_(err != NULL && (char *)err != check_poison(), where)) return;
  CHECK_(cognite_error_status(err) == COGNITE_ERR_INVALID_ARGUMENT, where);
  CHECK_(strlen(cognite_error_message(err)) > 10, where);
  CHECK_(strchr(cognite_error_message(err), '\n') == NULL, where);
  CHECK_(cognite_error_in_doubt(err) == 0 && cognite_error_is_retryable(err) == 0, where);
  CHECK_(cognite_error_http_status(err) == 0, where);
  if (name != NULL) check_contains(cognite_error_message(err), name, __FILE__, line, "the message names the parameter");
  cognite_error_free(err);
}

/* Calls fn(..., &err) and fn(..., NULL): both are refused; err is overwritten and has a message. */
#define REFUSES(fn, ...)                                                \
  do {                                                                  \
    cognite_error *err_ = POISON(cognite_error);                        \
    CHECK_STATUS(fn(__VA_ARGS__, &err_), COGNITE_ERR_INVALID_ARGUMENT); \
    after_refusal(err_, __LINE__, NULL);                                \
    CHECK_STATUS(fn(__VA_ARGS__, NULL), COGNITE_ERR_INVALID_ARGUMENT);  \
  } while (0)

/* The same, and the message names the parameter. */
#define REFUSES_NAMING(name, fn, ...)                                   \
  do {                                                                  \
    cognite_error *err_ = POISON(cognite_error);                        \
    CHECK_STATUS(fn(__VA_ARGS__, &err_), COGNITE_ERR_INVALID_ARGUMENT); \
    after_refusal(err_, __LINE__, name);                                \
    CHECK_STATUS(fn(__VA_ARGS__, NULL), COGNITE_ERR_INVALID_ARGUMENT);  \
  } while (0)

/* The same, and `out` (passed as &out among the arguments) becomes NULL. */
#define REFUSES_OUT(type, out, ...)  \
  do {                               \
    out = POISON(type);              \
    REFUSES(__VA_ARGS__);            \
    CHECK(out == NULL);              \
    out = NULL;                      \
  } while (0)

/* A configuration that is complete, and leads nowhere. */
static inline cognite_config *good_config(void) {
  static const char text[] = "{\"client_name\": \"test\", \"project\": \"p\", \"base_url\": \"http://127.0.0.1:9\","
                             " \"credentials\": {\"token\": \"t\"}}";
  cognite_config *config = NULL;
  CHECK_STATUS(cognite_config_load(text, sizeof text - 1, &config, NULL), COGNITE_OK);
  return config;
}

#endif
