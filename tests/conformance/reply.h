/* What the library gave, in the words of the vectors. */
#ifndef CONFORMANCE_REPLY_H
#define CONFORMANCE_REPLY_H

#include <cognite/cognite.h>

#include "json.h"
#include "text.h"

void add_response(text *t, const cognite_response *response);
void add_error(text *t, const cognite_error *error); /* {"kind": ...} */
void add_item_error(text *t, const cognite_error *error, int bare); /* with items told by their bare identifiers */
void add_config(text *t, const cognite_config *config);

#endif
