/* check.h - CHECK macros of the C tests. A program runs its checks, then returns REPORT(). */
#ifndef CHECK_H
#define CHECK_H

#include <cognite/cognite.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_passed = 0, check_failed = 0;

static inline int check_that(int good, const char *file, int line, const char *what, const char *detail) {
  if (good) {
    check_passed++;
  } else {
    check_failed++;
    fprintf(stderr, "%s:%d: FAILED: %s%s%s\n", file, line, what, *detail != '\0' ? ": " : "", detail);
  }
  return good;
}

#define CHECK(condition) check_that(!!(condition), __FILE__, __LINE__, #condition, "")
#define CHECK_(condition, detail) check_that(!!(condition), __FILE__, __LINE__, #condition, detail)

static inline int check_status(cognite_status got, cognite_status wanted, const char *file, int line, const char *what) {
  char detail[128];
  snprintf(detail, sizeof detail, "got %s, wanted %s", cognite_status_name(got), cognite_status_name(wanted));
  return check_that(got == wanted, file, line, what, detail);
}
#define CHECK_STATUS(got, wanted) check_status(got, wanted, __FILE__, __LINE__, #got)

static inline int check_contains(const char *text, const char *part, const char *file, int line, const char *what) {
  char detail[600];
  snprintf(detail, sizeof detail, "\"%.50s\" is not in \"%.500s\"", part, text != NULL ? text : "(NULL)");
  return check_that(text != NULL && strstr(text, part) != NULL, file, line, what, detail);
}
#define CHECK_CONTAINS(text, part) check_contains(text, part, __FILE__, __LINE__, #text)

static inline int check_lacks(const char *text, const char *part, const char *file, int line, const char *what) {
  char detail[600];
  snprintf(detail, sizeof detail, "\"%.50s\" is in \"%.500s\"", part, text != NULL ? text : "(NULL)");
  return check_that(text != NULL && strstr(text, part) == NULL, file, line, what, detail);
}
#define CHECK_LACKS(text, part) check_lacks(text, part, __FILE__, __LINE__, #text)

static inline int check_equal(const char *got, const char *wanted, const char *file, int line, const char *what) {
  char detail[600];
  snprintf(detail, sizeof detail, "got \"%.250s\", wanted \"%.250s\"", got != NULL ? got : "(NULL)", wanted);
  return check_that(got != NULL && strcmp(got, wanted) == 0, file, line, what, detail);
}
#define CHECK_EQUAL(got, wanted) check_equal(got, wanted, __FILE__, __LINE__, #got)

/* A pointer that no call may ever read: outputs are set to it first, to see that they are overwritten. */
#define POISON(type) ((type *)(void *)check_poison())
static inline char *check_poison(void) {
  static char bytes[64];
  return bytes;
}

/* Ends all activity and prints the totals. */
static inline int check_report(void) {
  cognite_error *err = NULL;
  CHECK_STATUS(cognite_shutdown(&err), COGNITE_OK);
  cognite_error_free(err);
  printf("%d passed, %d failed\n", check_passed, check_failed);
  return check_failed > 0 || check_passed == 0;
}
#define REPORT() check_report()

#endif
