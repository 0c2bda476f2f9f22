#include "daemon/imports.h"

void imports_call(struct daemon *daemon, struct api_request *request)
{
    struct error error;
    (void)daemon;
    error_set(&error, ERROR_INTERNAL, "not built yet");
    api_answer_error(request, &error);
}
