#include "report/letter/text.h"

#include <stdlib.h>
#include <string.h>

#include "report/letter/engine.h"

#define BUCKETS 1024
#define MAX_TEXTS 2000
#define MAX_BYTES (256 * 1024)
#define MAX_LINES 5000
#define MAX_PICTURE_HEIGHT MM(200)

struct font {
    struct font *next;
    const char *family;
    double size;
    bool bold, italic;
    PangoFontDescription *description;
    double height; /* ascent and descent */
};

/* What of a style decides on the look of text; zeroed before it is filled, as it is compared by its
 * bytes. */
struct look {
    const char *family;
    double size;
    struct color color;
    bool bold, italic, underline;
};

/* A picture in a text, where Pango's renderer finds it. */
struct placed_picture {
    const struct picture *picture;
    double width, height;
};

struct text_entry {
    struct text_entry *next;
    uint64_t hash;
    void *key;
    size_t key_size;
    struct placed_picture *pictures;
    struct text *text;
};

/* ---- fonts ---- */

static double font_height(struct job *job, const PangoFontDescription *description)
{
    PangoFontMetrics *metrics = pango_context_get_metrics(job->engine->context, description, NULL);
    int height = pango_font_metrics_get_ascent(metrics) + pango_font_metrics_get_descent(metrics);
    pango_font_metrics_unref(metrics);
    return (double)height / PANGO_SCALE;
}

static const struct font *find_font(struct job *job, const struct style *style)
{
    struct text_cache *cache = &job->engine->texts;
    struct font *font = cache->fonts;
    for (; font; font = font->next)
        if (font->family == style->family && font->size == style->size &&
            font->bold == style->bold && font->italic == style->italic)
            return font;
    font = memory_new(sizeof *font);
    *font = (struct font){.next = cache->fonts,
                          .family = style->family,
                          .size = style->size,
                          .bold = style->bold,
                          .italic = style->italic,
                          .description = pango_font_description_new()};
    pango_font_description_set_family(font->description, style->family);
    pango_font_description_set_absolute_size(font->description, style->size * PANGO_SCALE);
    if (style->bold)
        pango_font_description_set_weight(font->description, PANGO_WEIGHT_BOLD);
    if (style->italic)
        pango_font_description_set_style(font->description, PANGO_STYLE_ITALIC);
    font->height = font_height(job, font->description);
    cache->fonts = font;
    return font;
}

static void forget_fonts(struct text_cache *cache)
{
    while (cache->fonts) {
        struct font *font = cache->fonts;
        cache->fonts = font->next;
        pango_font_description_free(font->description);
        free(font);
    }
}

/* ---- pictures ---- */

static double in_points(const struct length *length, double whole)
{
    return length->unit == UNIT_PERCENT ? length->value * whole / 100 : length->value;
}

void text_picture_size(const struct run *run, double width, double *picture_width,
                       double *picture_height)
{
    double own_width = run->picture->width * 0.75, own_height = run->picture->height * 0.75;
    double wide = in_points(&run->width, width), high = in_points(&run->height, own_height);
    if (run->width.unit == UNIT_AUTO && run->height.unit == UNIT_AUTO)
        wide = own_width, high = own_height;
    else if (run->width.unit == UNIT_AUTO)
        wide = high * own_width / own_height;
    else if (run->height.unit == UNIT_AUTO)
        high = wide * own_height / own_width;
    double factor = 1;
    if (wide > width)
        factor = width / wide;
    if (high * factor > MAX_PICTURE_HEIGHT)
        factor = MAX_PICTURE_HEIGHT / high;
    *picture_width = wide * factor;
    *picture_height = high * factor;
}

static void draw_picture(cairo_t *cairo, PangoAttrShape *shape, gboolean do_path, gpointer unused)
{
    (void)unused;
    const struct placed_picture *placed = shape->data;
    double x, y;
    if (do_path)
        return;
    cairo_get_current_point(cairo, &x, &y);
    cairo_save(cairo);
    cairo_translate(cairo, x, y - placed->height);
    cairo_scale(cairo, placed->width / placed->picture->width,
                placed->height / placed->picture->height);
    cairo_set_source_surface(cairo, placed->picture->surface, 0, 0);
    cairo_paint(cairo);
    cairo_restore(cairo);
}

void text_prepare(PangoContext *context)
{
    pango_cairo_context_set_shape_renderer(context, draw_picture, NULL, NULL);
}

/* ---- keys ---- */

static void key_look(struct buffer *key, const struct style *style)
{
    struct look look;
    memset(&look, 0, sizeof look);
    look.family = style->family;
    look.size = style->size;
    look.color = style->color;
    look.bold = style->bold;
    look.italic = style->italic;
    look.underline = style->underline;
    buffer_append(key, &look, sizeof look);
}

static void key_run(struct buffer *key, const struct run *run, double width)
{
    double size[2] = {0};
    buffer_append(key, &run->begin, sizeof run->begin);
    buffer_append(key, &run->end, sizeof run->end);
    buffer_append(key, &run->picture, sizeof run->picture);
    if (run->picture)
        text_picture_size(run, width, &size[0], &size[1]);
    buffer_append(key, size, sizeof size);
    key_look(key, run->style);
}

static void make_key(struct job *job, struct buffer *key, const struct block *block,
                     enum text_wrap wrap, double width)
{
    double line_height = style_line_height(block->style);
    char kind[2] = {(char)wrap, block->style->align == ALIGN_JUSTIFY};
    buffer_clear(key);
    buffer_append(key, kind, sizeof kind);
    buffer_append(key, &line_height, sizeof line_height);
    if (wrap == TEXT_WRAPPED)
        buffer_append(key, &width, sizeof width);
    key_look(key, block->style);
    buffer_append(key, job->language, strlen(job->language) + 1);
    buffer_append(key, &block->run_count, sizeof block->run_count);
    for (size_t i = 0; i < block->run_count; i++)
        key_run(key, &block->runs[i], width);
    buffer_append(key, block->text, block->size);
}

static uint64_t hash_bytes(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    while (size--)
        hash = (hash ^ *bytes++) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

/* ---- shaping ---- */

static void insert(PangoAttrList *list, PangoAttribute *attribute, const struct run *run)
{
    attribute->start_index = (guint)run->begin;
    attribute->end_index = (guint)run->end;
    pango_attr_list_insert(list, attribute);
}

static void insert_picture(PangoAttrList *list, const struct run *run, double width,
                           struct placed_picture *placed)
{
    placed->picture = run->picture;
    text_picture_size(run, width, &placed->width, &placed->height);
    PangoRectangle box = {0, -(int)(placed->height * PANGO_SCALE),
                          (int)(placed->width * PANGO_SCALE), (int)(placed->height * PANGO_SCALE)};
    insert(list, pango_attr_shape_new_with_data(&box, &box, placed, NULL, NULL), run);
}

static void insert_run(struct job *job, PangoAttrList *list, const struct run *run,
                       const struct style *base)
{
    const struct style *style = run->style;
    if (style->family != base->family || style->size != base->size || style->bold != base->bold ||
        style->italic != base->italic)
        insert(list, pango_attr_font_desc_new(find_font(job, style)->description), run);
    if (style->underline)
        insert(list, pango_attr_underline_new(PANGO_UNDERLINE_SINGLE), run);
    if (style->color.red || style->color.green || style->color.blue)
        insert(list,
               pango_attr_foreground_new((guint16)(style->color.red * 257),
                                         (guint16)(style->color.green * 257),
                                         (guint16)(style->color.blue * 257)),
               run);
}

static PangoAttrList *attributes(struct job *job, const struct block *block, double width,
                                 struct placed_picture *pictures)
{
    PangoAttrList *list = pango_attr_list_new();
    for (size_t i = 0; i < block->run_count; i++) {
        const struct run *run = &block->runs[i];
        if (run->picture)
            insert_picture(list, run, width, &pictures[i]);
        else
            insert_run(job, list, run, block->style);
    }
    return list;
}

static PangoLayout *shape(struct job *job, const struct block *block, enum text_wrap wrap,
                          double width, struct placed_picture *pictures)
{
    PangoLayout *layout = pango_layout_new(job->engine->context);
    pango_layout_set_font_description(layout, find_font(job, block->style)->description);
    PangoAttrList *list = attributes(job, block, width, pictures);
    pango_layout_set_attributes(layout, list);
    pango_attr_list_unref(list);
    pango_layout_set_text(layout, block->text, (int)block->size);
    if (wrap != TEXT_UNBROKEN) {
        pango_layout_set_width(layout, wrap == TEXT_WORDS ? 0 : (int)(width * PANGO_SCALE));
        pango_layout_set_wrap(layout, wrap == TEXT_WORDS ? PANGO_WRAP_WORD : PANGO_WRAP_WORD_CHAR);
        pango_layout_set_justify(layout, block->style->align == ALIGN_JUSTIFY);
    }
    return layout;
}

/* CSS's model: the line's height is given; what the font needs sits in its middle, and only what is
 * taller than the text around it (a picture, larger letters) makes it higher. */
static struct line measure(PangoLayoutLine *line, double font, double line_height)
{
    PangoRectangle extents;
    pango_layout_line_get_extents(line, NULL, &extents);
    double needs = (double)extents.height / PANGO_SCALE;
    double more = needs > font ? needs - font : 0;
    return (struct line){
        .line = line,
        .width = (double)extents.width / PANGO_SCALE,
        .height = line_height + more,
        .baseline = (line_height + more - needs) / 2 - (double)extents.y / PANGO_SCALE,
    };
}

static struct text *make_text(PangoLayout *layout, double font, double line_height)
{
    unsigned count = (unsigned)pango_layout_get_line_count(layout);
    struct text *text = memory_new(sizeof *text + count * sizeof text->lines[0]);
    text->layout = layout;
    text->count = count;
    unsigned i = 0;
    for (GSList *item = pango_layout_get_lines_readonly(layout); item && i < count;
         item = item->next, i++) {
        text->lines[i] = measure(item->data, font, line_height);
        if (text->lines[i].width > text->width)
            text->width = text->lines[i].width;
    }
    return text;
}

static struct text_entry *make_entry(struct job *job, const struct block *block,
                                     enum text_wrap wrap, double width)
{
    const struct buffer *key = &job->engine->texts.key;
    struct text_entry *entry = memory_new(sizeof *entry);
    entry->key = memory_resize(NULL, key->size);
    memcpy(entry->key, key->data, key->size);
    entry->key_size = key->size;
    entry->pictures = memory_array(block->run_count + 1, sizeof *entry->pictures);
    entry->text = make_text(shape(job, block, wrap, width, entry->pictures),
                            find_font(job, block->style)->height, style_line_height(block->style));
    return entry;
}

static size_t longest_word(const char *text, size_t size)
{
    size_t longest = 0, length = 0;
    for (size_t i = 0; i < size; i++) {
        length = text[i] > ' ' && text[i] < 0x7f ? length + 1 : 0;
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* Pango breaks a paragraph in time that grows with its square; and the lines of a text must all be
 * known before its pages are. */
static int check_size(struct job *job, const struct block *block)
{
    size_t begin = 0, lines = 0;
    if (longest_word(block->text, block->size) > LETTER_MAX_WORD)
        return job_fail(job, block->at, "a word has more than %d letters", LETTER_MAX_WORD);
    while (begin < block->size) {
        const char *end = memchr(block->text + begin, '\n', block->size - begin);
        size_t size = end ? (size_t)(end - block->text) - begin : block->size - begin;
        if (size > LETTER_MAX_PARAGRAPH)
            return job_fail(job, block->at,
                            "a paragraph has more than %d bytes; divide it into several",
                            LETTER_MAX_PARAGRAPH);
        if (++lines > MAX_LINES)
            return job_fail(job, block->at, "a paragraph has more than %d lines", MAX_LINES);
        begin += size + 1;
    }
    return 0;
}

const struct text *text_layout(struct job *job, const struct block *block, enum text_wrap wrap,
                               double width)
{
    struct text_cache *cache = &job->engine->texts;
    if (block->size > LETTER_MAX_WORD && check_size(job, block))
        return NULL;
    make_key(job, &cache->key, block, wrap, width);
    uint64_t hash = hash_bytes(cache->key.data, cache->key.size);
    if (!cache->table)
        cache->table = memory_array(BUCKETS, sizeof(struct text_entry *));
    struct text_entry **bucket = &cache->table[hash % BUCKETS];
    for (struct text_entry *entry = *bucket; entry; entry = entry->next)
        if (entry->hash == hash && entry->key_size == cache->key.size &&
            memcmp(entry->key, cache->key.data, cache->key.size) == 0)
            return entry->text;
    struct text_entry *entry = make_entry(job, block, wrap, width);
    entry->hash = hash;
    entry->next = *bucket;
    *bucket = entry;
    cache->count++;
    cache->bytes += cache->key.size;
    return entry->text;
}

const struct text *text_plain(struct job *job, const char *text, const struct style *style)
{
    size_t size = strlen(text);
    struct run run = {.end = size, .style = style};
    struct block block = {.kind = BLOCK_TEXT,
                          .style = style,
                          .text = arena_text_n(job->arena, text, size),
                          .size = size,
                          .runs = &run,
                          .run_count = 1};
    return text_layout(job, &block, TEXT_UNBROKEN, 0);
}

void text_draw(cairo_t *cairo, const struct line *line, double x, double y)
{
    cairo_move_to(cairo, x, y + line->baseline);
    pango_cairo_show_layout_line(cairo, line->line);
}

/* ---- ends ---- */

static void entry_free(struct text_entry *entry)
{
    g_object_unref(entry->text->layout);
    free(entry->text);
    free(entry->pictures);
    free(entry->key);
    free(entry);
}

void text_cache_trim(struct text_cache *cache, bool all)
{
    if (!cache->table || (!all && cache->count < MAX_TEXTS && cache->bytes < MAX_BYTES))
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (cache->table[i]) {
            struct text_entry *entry = cache->table[i];
            cache->table[i] = entry->next;
            entry_free(entry);
        }
    }
    cache->count = 0;
    cache->bytes = 0;
    forget_fonts(cache);
}

void text_cache_free(struct text_cache *cache)
{
    text_cache_trim(cache, true);
    forget_fonts(cache);
    buffer_free(&cache->key);
    free(cache->table);
}
