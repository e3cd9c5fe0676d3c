/* Elements of answers as the reference's classes keep them: the vectors have no more than that. */
#ifndef CONFORMANCE_CLASSES_H
#define CONFORMANCE_CLASSES_H

#include "json.h"

void add_view(text *t, const doc *body, int view);
/* A list of views; newest: of several versions of one only that which was made last. */
void add_views(text *t, const doc *body, int items, int newest);

/* Groups by their values, without the type of their instances. */
void add_groups(text *t, const doc *body, int items);
/* The aggregates of instances that were not grouped are those of the one group there is; one: only the first was asked for. */
void add_aggregates(text *t, const doc *body, int items, int one);
/* Values or properties with how often they are there; a bucket of nothing is left out. */
void add_buckets(text *t, const doc *body, int items);

#endif
