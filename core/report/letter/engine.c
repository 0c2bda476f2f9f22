#include "report/letter/engine.h"

#include <ctype.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "report/letter/document.h"
#include "report/letter/page.h"
#include "report/letter/pdf.h"

#define DEFAULT_LANGUAGE "de"

/* ---- families ---- */

/* Names that stand for another family, which has the same widths. */
static const char *const aliases[][2] = {
    {"sans-serif", ENGINE_FAMILY},
    {"arial", ENGINE_FAMILY},
    {"helvetica", ENGINE_FAMILY},
    {"serif", "Liberation Serif"},
    {"times new roman", "Liberation Serif"},
    {"times", "Liberation Serif"},
    {"monospace", "Liberation Mono"},
    {"courier new", "Liberation Mono"},
    {"courier", "Liberation Mono"},
};

static const char *installed(const struct letter_engine *engine, const char *name)
{
    for (size_t i = 0; i < engine->family_count; i++)
        if (strcasecmp(engine->families[i], name) == 0)
            return engine->families[i];
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcasecmp(name, aliases[i][0]) == 0)
            return installed(engine, aliases[i][1]);
    return NULL;
}

const char *engine_family(struct letter_engine *engine, const char *list)
{
    char name[80];
    while (*list) {
        list += strspn(list, " \t\r\n,\"'");
        size_t size = strcspn(list, ",\"'");
        size_t trimmed = size;
        while (trimmed && isspace((unsigned char)list[trimmed - 1]))
            trimmed--;
        if (trimmed && trimmed < sizeof name) {
            memcpy(name, list, trimmed);
            name[trimmed] = '\0';
            const char *family = installed(engine, name);
            if (family)
                return family;
        }
        list += size;
    }
    return NULL;
}

static void list_families(struct letter_engine *engine)
{
    PangoFontFamily **families = NULL;
    int count = 0;
    pango_font_map_list_families(engine->fonts, &families, &count);
    engine->families = memory_array((size_t)count + 1, sizeof *engine->families);
    for (int i = 0; i < count; i++)
        engine->families[engine->family_count++] =
            memory_text(pango_font_family_get_name(families[i]));
    g_free(families);
}

/* ---- engines ---- */

/* Letters are printed: glyphs stand where the font says, not where a screen's pixels are. */
static void set_print_options(PangoContext *context)
{
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    pango_cairo_context_set_font_options(context, options);
    cairo_font_options_destroy(options);
    pango_context_set_round_glyph_positions(context, FALSE);
}

/* Each stream that Cairo compresses takes and gives back 270 KB. Left alone, malloc hands them to
 * the kernel each time, and two fifths of a letter's time goes into page faults. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 8 << 20);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
}

static struct letter_engine *engine_new(void)
{
    keep_memory();
    struct letter_engine *engine = memory_new(sizeof *engine);
    engine->fonts = pango_cairo_font_map_new_for_font_type(CAIRO_FONT_TYPE_FT);
    engine->context = pango_font_map_create_context(engine->fonts);
    engine->arena = arena_new();
    set_print_options(engine->context);
    text_prepare(engine->context);
    list_families(engine);
    return engine;
}

static void engine_free(struct letter_engine *engine)
{
    if (!engine)
        return;
    text_cache_free(&engine->texts);
    picture_cache_free(&engine->pictures);
    for (size_t i = 0; i < engine->family_count; i++)
        free(engine->families[i]);
    free(engine->families);
    arena_free(engine->arena);
    g_object_unref(engine->context);
    g_object_unref(engine->fonts);
    free(engine);
}

/* ---- letters ---- */

/* Only what a language tag may hold goes into the PDF. */
static bool is_language(const char *text)
{
    size_t length = strlen(text);
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    return length >= 2 && length <= 35 && strspn(text, letters) == length;
}

static void choose_language(struct job *job, const struct document *document)
{
    const char *language = job->request->language;
    if (!language || !*language)
        language = document->language;
    if (language && *language && !is_language(language)) {
        job_warn(job, (struct position){1, 1}, "»%.40s« is no language tag; »%s« is taken",
                 language, DEFAULT_LANGUAGE);
        language = NULL;
    }
    job->language = language && *language ? language : DEFAULT_LANGUAGE;
    pango_context_set_language(job->engine->context, pango_language_from_string(job->language));
}

static int render_job(struct job *job, struct buffer *pdf)
{
    struct document document = {0};
    struct pages pages = {0};
    if (!engine_family(job->engine, ENGINE_FAMILY))
        return error_set(job->error, ERROR_SYSTEM,
                         "letter: the font family »%s« is not installed; install the package "
                         "fonts-liberation2",
                         ENGINE_FAMILY);
    if (document_read(job, &document))
        return -1;
    choose_language(job, &document);
    if (page_layout(job, &document, &pages) || pdf_write(job, &document, &pages, pdf))
        return -1;
    if (job->request->pages)
        *job->request->pages = (unsigned)pages.count;
    return 0;
}

static int render(struct letter_engine *engine, const struct letter_request *request,
                  struct buffer *pdf, struct error *error)
{
    struct job job = {.engine = engine, .request = request, .arena = engine->arena, .error = error};
    int result = render_job(&job, pdf);
    text_cache_trim(&engine->texts, picture_cache_trim(&engine->pictures));
    arena_reset(engine->arena);
    return result;
}

extern const struct letter_api campaignd_letter;

__attribute__((visibility("default"))) const struct letter_api campaignd_letter = {
    .version = LETTER_API_VERSION,
    .size = sizeof(struct letter_api),
    .engine_new = engine_new,
    .engine_free = engine_free,
    .render = render,
};
