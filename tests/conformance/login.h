/* What the driver does in place of a person who logs in. */
#ifndef LOGIN_H
#define LOGIN_H

#include <cognite/cognite.h>

#include "json.h"
#include "text.h"

/* Takes over the prompts of a config whose credentials are a device code login; leaves others alone. */
cognite_status set_prompt(cognite_config *config, cognite_error **error);
void forget_prompt(void);
/* Adds which of the `expected` texts the last prompt had in it, if any are expected. */
void add_prompt(text *t, const doc *d, int expected);

#endif
