/* signals.c - see signals.h. */
#define _POSIX_C_SOURCE 200809L
#include "signals.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sleep_ms(int64_t ms) {
  struct timespec wait;
  wait.tv_sec = (time_t)(ms / 1000);
  wait.tv_nsec = (long)(ms % 1000) * 1000000;
  while (ms > 0 && nanosleep(&wait, &wait) != 0 && errno == EINTR) {
  }
}

static struct signal *add_signal(struct signals *signals, const char *name, const char *unit) {
  struct signal *signal;
  if (signals->count == MAX_SIGNALS || strlen(name) >= sizeof signal->name) return NULL;
  signal = &signals->list[signals->count++];
  memset(signal, 0, sizeof *signal);
  strcpy(signal->name, name);
  strcpy(signal->unit, unit);
  return signal;
}

static int add_sample(struct signal *signal, int64_t timestamp, double value) {
  if (signal->count == signal->capacity) {
    size_t capacity = signal->capacity != 0 ? 2 * signal->capacity : 256;
    int64_t *timestamps = realloc(signal->timestamps, capacity * sizeof *timestamps);
    double *values;
    if (timestamps != NULL) signal->timestamps = timestamps;
    values = realloc(signal->values, capacity * sizeof *values);
    if (values != NULL) signal->values = values;
    if (timestamps == NULL || values == NULL) return 0;
    signal->capacity = capacity;
  }
  signal->timestamps[signal->count] = timestamp;
  signal->values[signal->count++] = value;
  return 1;
}

/* ---- /proc ---- */

/* Running totals; a signal that is a rate comes from the difference of two. */
struct totals {
  double cpu_busy, cpu_all, disk_bytes, received_bytes, sent_bytes;
  int64_t at_us;
};

static struct totals before;

static int64_t monotonic_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int read_cpu(struct totals *totals) {
  double t[8] = {0};
  FILE *file = fopen("/proc/stat", "r");
  int i, n;
  if (file == NULL) return 0;
  n = fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]);
  fclose(file);
  for (i = 0, totals->cpu_all = 0; i < n; i++) totals->cpu_all += t[i];
  totals->cpu_busy = totals->cpu_all - t[3] - t[4]; /* without idle and waiting for disks */
  return n >= 4;
}

static int read_memory(double *used_mib) {
  char line[256];
  double total = -1, available = -1;
  FILE *file = fopen("/proc/meminfo", "r");
  if (file == NULL) return 0;
  while (fgets(line, sizeof line, file) != NULL) {
    (void)sscanf(line, "MemTotal: %lf", &total);
    (void)sscanf(line, "MemAvailable: %lf", &available);
  }
  fclose(file);
  *used_mib = (total - available) / 1024;
  return total >= 0 && available >= 0;
}

static int read_load(double *load) {
  FILE *file = fopen("/proc/loadavg", "r");
  int n;
  if (file == NULL) return 0;
  n = fscanf(file, "%lf", load);
  fclose(file);
  return n == 1;
}

/* Bytes read and written by whole disks (partitions would count twice). */
static int read_disks(struct totals *totals) {
  char line[512], name[64], path[128];
  double read_sectors, written_sectors;
  FILE *file = fopen("/proc/diskstats", "r");
  int found = 0;
  if (file == NULL) return 0;
  totals->disk_bytes = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "%*d %*d %63s %*f %*f %lf %*f %*f %*f %lf", name, &read_sectors, &written_sectors) != 3) continue;
    snprintf(path, sizeof path, "/sys/block/%s", name);
    if (strncmp(name, "loop", 4) == 0 || strncmp(name, "ram", 3) == 0 || access(path, F_OK) != 0) continue;
    totals->disk_bytes += (read_sectors + written_sectors) * 512;
    found = 1;
  }
  fclose(file);
  return found;
}

/* Bytes of all network interfaces, the loopback one included. */
static int read_network(struct totals *totals) {
  char line[512];
  double received, sent;
  FILE *file = fopen("/proc/net/dev", "r");
  int found = 0;
  if (file == NULL) return 0;
  totals->received_bytes = totals->sent_bytes = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    const char *colon = strchr(line, ':');
    if (colon == NULL || sscanf(colon + 1, "%lf %*f %*f %*f %*f %*f %*f %*f %lf", &received, &sent) != 2) continue;
    totals->received_bytes += received;
    totals->sent_bytes += sent;
    found = 1;
  }
  fclose(file);
  return found;
}

int signals_open_machine(struct signals *signals) {
  double ignored;
  before.at_us = monotonic_us();
  if (read_cpu(&before)) add_signal(signals, "cpu_percent", "%");
  if (read_memory(&ignored)) add_signal(signals, "memory_used", "MiB");
  if (read_load(&ignored)) add_signal(signals, "load_1min", "");
  if (read_disks(&before)) add_signal(signals, "disk_io", "KiB/s");
  if (read_network(&before)) {
    add_signal(signals, "network_received", "KiB/s");
    add_signal(signals, "network_sent", "KiB/s");
  }
  return signals->count > 0;
}

int signals_sample_machine(struct signals *signals) {
  static double cpu_percent = 0;
  struct totals now = before;
  double memory = 0, load = 0, seconds;
  int64_t timestamp = now_ms();
  size_t i;

  now.at_us = monotonic_us();
  seconds = (double)(now.at_us - before.at_us) / 1e6;
  if (seconds <= 0) return 0;
  for (i = 0; i < signals->count; i++) {
    const char *name = signals->list[i].name;
    if (strcmp(name, "cpu_percent") == 0 && !read_cpu(&now)) return 0;
    if (strcmp(name, "memory_used") == 0 && !read_memory(&memory)) return 0;
    if (strcmp(name, "load_1min") == 0 && !read_load(&load)) return 0;
    if (strcmp(name, "disk_io") == 0 && !read_disks(&now)) return 0;
    if (strcmp(name, "network_received") == 0 && !read_network(&now)) return 0;
  }
  /* The kernel counts CPU time in steps of 10 ms: with a short interval there may be none; then the last value holds. */
  if (now.cpu_all > before.cpu_all)
    cpu_percent = 100 * (now.cpu_busy - before.cpu_busy) / (now.cpu_all - before.cpu_all);
  if (timestamp <= signals->last_ms) timestamp = signals->last_ms + 1; /* the clock was set back, or the same ms */
  signals->last_ms = timestamp;
  for (i = 0; i < signals->count; i++) {
    const char *name = signals->list[i].name;
    double value = 0;
    if (strcmp(name, "cpu_percent") == 0) value = cpu_percent;
    if (strcmp(name, "memory_used") == 0) value = memory;
    if (strcmp(name, "load_1min") == 0) value = load;
    if (strcmp(name, "disk_io") == 0) value = (now.disk_bytes - before.disk_bytes) / 1024 / seconds;
    if (strcmp(name, "network_received") == 0) value = (now.received_bytes - before.received_bytes) / 1024 / seconds;
    if (strcmp(name, "network_sent") == 0) value = (now.sent_bytes - before.sent_bytes) / 1024 / seconds;
    if (!add_sample(&signals->list[i], timestamp, value)) return 0;
  }
  before = now;
  return 1;
}

/* ---- CSV ---- */

int signals_read_csv(struct signals *signals, const char *path) {
  char line[512], name[64], rest[8];
  int64_t timestamp;
  double value;
  size_t i;
  long number = 0;
  FILE *file = fopen(path, "r");
  const char *problem = NULL;

  if (file == NULL) {
    perror(path);
    return 0;
  }
  while (problem == NULL && fgets(line, sizeof line, file) != NULL) {
    struct signal *signal = NULL;
    number++;
    if (line[strspn(line, " \t\r\n")] == '\0') continue;
    if (sscanf(line, " %" SCNd64 " , %63[^,\r\n] , %lf %7s", &timestamp, name, &value, rest) != 3) {
      if (number > 1) problem = "not timestamp_ms,name,value";
      continue;
    }
    if (!isfinite(value)) problem = "not a finite number";
    for (i = 0; i < signals->count; i++)
      if (strcmp(signals->list[i].name, name) == 0) signal = &signals->list[i];
    if (signal == NULL && (signal = add_signal(signals, name, "")) == NULL) problem = "too many signals";
    if (signal != NULL && signal->count > 0 && timestamp <= signal->timestamps[signal->count - 1])
      problem = "not later than the line before of the same signal";
    if (problem == NULL && !add_sample(signal, timestamp, value)) problem = "out of memory";
  }
  fclose(file);
  if (problem == NULL && signals->count == 0) problem = "no samples";
  if (problem != NULL) fprintf(stderr, "historian: %s, line %ld: %s\n", path, number, problem);
  return problem == NULL;
}

void signals_free(struct signals *signals) {
  size_t i;
  for (i = 0; i < signals->count; i++) {
    free(signals->list[i].timestamps);
    free(signals->list[i].values);
  }
}
