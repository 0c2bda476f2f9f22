/* What a compiled template answers about itself, and its end. */
#include "report/template.h"

#include <stdlib.h>

#include "report/template_internal.h"

void template_free(struct template *template)
{
    if (!template)
        return;
    arena_free(template->arena);
    buffer_free(&template->literals);
    free(template->ops);
    free(template);
}

void template_cleanup(struct template **template)
{
    template_free(*template);
}

void template_names(const struct template *template,
                    void (*each)(void *context, const struct template_name *name), void *context)
{
    for (size_t i = 0; i < template->count; i++) {
        const struct template_op *op = &template->ops[i];
        if (op->path && op->path->count)
            each(context, op->name);
    }
}

int template_place(struct error *error, const char *partial, int line, int column)
{
    if (partial)
        return error_prefix(error, "partial »%s«, line %d, column %d: ", partial, line, column);
    return error_prefix(error, "line %d, column %d: ", line, column);
}
