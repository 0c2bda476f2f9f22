/*
 * Gumbo itself has no limits: it searches its stack of open elements for each tag, which for
 * 100,000 nested ones takes minutes, and it frees its tree by recursion. So its memory is our arena
 * (nothing is freed node by node), and the allocator, which it calls for each token, is where a
 * document that takes too much is given up, by a jump over gumbo's frames; they hold nothing but
 * that memory.
 */
#include "report/letter/html.h"

#include <ctype.h>
#include <setjmp.h>
#include <string.h>
#include <time.h>

#define MAX_MEMORY (160u * 1024 * 1024)
#define MAX_SECONDS 1.0

struct budget {
    struct arena *arena;
    size_t used;
    unsigned calls;
    double end;
    jmp_buf give_up;
};

static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *take(void *context, size_t size)
{
    struct budget *budget = context;
    budget->used += size;
    if (budget->used > MAX_MEMORY || (++budget->calls % 256 == 0 && thread_seconds() > budget->end))
        longjmp(budget->give_up, 1);
    return arena_alloc(budget->arena, size);
}

static void give_back(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

GumboNode *html_parse(struct job *job)
{
    const struct letter_request *request = job->request;
    struct budget budget = {.arena = job->arena, .end = thread_seconds() + MAX_SECONDS};
    GumboOptions options = kGumboDefaultOptions;
    options.allocator = take;
    options.deallocator = give_back;
    options.userdata = &budget;
    options.max_errors = 0;
    if (request->html_size > LETTER_MAX_HTML) {
        job_fail(job, (struct position){0}, "the HTML has %zu bytes; at most %d are possible",
                 request->html_size, LETTER_MAX_HTML);
        return NULL;
    }
    if (setjmp(budget.give_up)) {
        job_fail(job, (struct position){0},
                 "the HTML is nested too deep or too wildly to be read; at most %d elements "
                 "inside each other are possible",
                 LETTER_MAX_DEPTH);
        return NULL;
    }
    return gumbo_parse_with_options(&options, request->html, request->html_size)->root;
}

struct position html_position(GumboSourcePosition position)
{
    return (struct position){position.line, position.column};
}

const char *html_attribute(const GumboNode *node, const char *name)
{
    const GumboAttribute *attribute = gumbo_get_attribute(&node->v.element.attributes, name);
    return attribute ? attribute->value : NULL;
}

const char *html_tag(struct job *job, const GumboNode *node)
{
    if (node->v.element.tag != GUMBO_TAG_UNKNOWN)
        return gumbo_normalized_tagname(node->v.element.tag);
    GumboStringPiece name = node->v.element.original_tag;
    gumbo_tag_from_original_text(&name);
    char *tag = arena_text_n(job->arena, name.data ? name.data : "", name.length);
    for (char *c = tag; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return tag;
}
