/* A shared object that is no action. It must be refused. */
#include <campaignd/action.h>

CAMPAIGND_EXPORT extern const int something_else;
const int something_else = CAMPAIGND_ABI_MINOR;
