/* signals.h - where historian.c gets its numbers from: this machine's /proc, or a CSV file. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <stddef.h>
#include <stdint.h>

enum { MAX_SIGNALS = 64 };

/* One signal and every sample of it that was taken. */
struct signal {
  char name[64];
  char unit[16];
  int64_t *timestamps; /* milliseconds since 1970, ascending */
  double *values;
  size_t count, capacity;
  size_t queued; /* the first so many are in a batch already */
};

struct signals {
  struct signal list[MAX_SIGNALS];
  size_t count;
  int64_t last_ms; /* time of the newest sample */
};

int64_t now_ms(void);
void sleep_ms(int64_t ms);

/* Finds out which signals this machine has. 0: none (no /proc, so not Linux). */
int signals_open_machine(struct signals *signals);

/* Takes one sample of each. All get the same time, which is later than that of the sample before. 0: cannot read. */
int signals_sample_machine(struct signals *signals);

/* Reads lines "timestamp_ms,name,value"; a first line of other text is a heading. Prints what is wrong and gives 0. */
int signals_read_csv(struct signals *signals, const char *path);

void signals_free(struct signals *signals);

#endif
