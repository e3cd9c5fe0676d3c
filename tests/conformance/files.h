/* upload_file, download_file, download_urls: the vectors' words as calls of the library. */
#ifndef CONFORMANCE_FILES_H
#define CONFORMANCE_FILES_H

#include <cognite/cognite.h>

#include "json.h"
#include "text.h"

/* 0: not one of these. */
int files_call(text *t, cognite_client *client, const char *op, const doc *d, int call);

#endif
