/* meter.h - clocks, options and the report line that all bench programs share. */
#ifndef METER_H
#define METER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* CPU time of this process, user and system. */
static double cpu_s(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

static const char *option(int argc, char **argv, const char *name, const char *absent) {
  int i;
  for (i = 2; i + 1 < argc; i++) {
    if (strcmp(argv[i], name) == 0) return argv[i + 1];
  }
  return absent;
}

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* One JSON line. `latencies` may be NULL; `t_first` is left out when it is 0. */
static void report(const char *client, const char *task, long n, double wall, double cpu, double *latencies, double t_first) {
  double p50 = 0, p99 = 0;
  if (latencies != NULL && n > 0) {
    qsort(latencies, (size_t)n, sizeof *latencies, compare_doubles);
    p50 = latencies[n / 2] * 1e6;
    p99 = latencies[(long)((double)n * 0.99)] * 1e6;
  }
  printf("{\"client\":\"%s\",\"task\":\"%s\",\"n\":%ld,\"wall\":%.6f,\"cpu\":%.6f,\"p50_us\":%.1f,\"p99_us\":%.1f", client, task, n, wall,
         cpu, p50, p99);
  if (t_first > 0) printf(",\"t_first\":%.6f", t_first);
  printf("}\n");
  fflush(stdout);
}

#endif
