/* Datapoints that are read: queries in the vectors' words, and series as the reference keeps them. */
#ifndef CONFORMANCE_SERIES_H
#define CONFORMANCE_SERIES_H

#include <cognite/cognite.h>

#include "json.h"
#include "text.h"

/* What a query or a range says, by the library's names. */
void add_settings(text *t, const doc *d, int from, const char *between);
void retrieve_series(text *t, cognite_client *client, const doc *d, int call, int latest);

#endif
