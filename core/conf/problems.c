#include "conf/problems.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static void insert(struct conf_problems *problems, struct conf_problem problem)
{
    if (!problems->items)
        problems->items = memory_array(CONF_PROBLEMS_MAX + 1, sizeof *problems->items);
    size_t at = problems->count++;
    for (; at > 0; at--) {
        const struct conf_problem *before = &problems->items[at - 1];
        if (before->line <= problem.line || !text_equal(before->file, problem.file))
            break;
        problems->items[at] = *before;
    }
    problems->items[at] = problem;
}

void conf_problems_add(struct conf_problems *problems, const char *file, int line,
                       const char *format, ...)
{
    if (problems->count > CONF_PROBLEMS_MAX)
        return;
    if (problems->count == CONF_PROBLEMS_MAX) {
        problems->items[problems->count++] = (struct conf_problem){
            memory_text(file), 0,
            memory_text("there are more problems than can be listed; mend these first")};
        return;
    }
    struct buffer message = {0};
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&message, format, arguments);
    va_end(arguments);
    insert(problems, (struct conf_problem){memory_text(file), line, buffer_steal(&message)});
}

void conf_problems_free(struct conf_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->items[i].file);
        free(problems->items[i].message);
    }
    free(problems->items);
    *problems = (struct conf_problems){0};
}

void conf_problem_text(const struct conf_problem *problem, struct buffer *out)
{
    if (problem->line)
        buffer_printf(out, "%s:%d: %s", problem->file, problem->line, problem->message);
    else
        buffer_printf(out, "%s: %s", problem->file, problem->message);
}
