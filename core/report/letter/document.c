#include "report/letter/document.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "report/letter/engine.h"
#include "report/letter/html.h"

#define MAX_TABLE_NESTING 4
#define MAX_COLUMNS 100

enum display {
    SHOW_INLINE,
    SHOW_BLOCK,
    SHOW_BREAK,
    SHOW_RULE,
    SHOW_PICTURE,
    SHOW_LIST,
    SHOW_ITEM,
    SHOW_TABLE,
    SHOW_ODD_BLOCK,  /* outside the subset: warned about, laid out as a block */
    SHOW_ODD_INLINE, /* the same, within the text */
    SHOW_NOTHING     /* holds no text for readers: warned about */
};

/* What HTML elements look like before any style sheet; margins in em. */
struct element {
    GumboTag tag;
    enum display display;
    double size; /* times the parent's */
    bool bold, italic, underline;
    double before, after;
};

static const struct element elements[] = {
    {GUMBO_TAG_P, SHOW_BLOCK, 1, false, false, false, 0, 0.75},
    {GUMBO_TAG_DIV, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_SPAN, SHOW_INLINE, 1, false, false, false, 0, 0},
    {GUMBO_TAG_B, SHOW_INLINE, 1, true, false, false, 0, 0},
    {GUMBO_TAG_STRONG, SHOW_INLINE, 1, true, false, false, 0, 0},
    {GUMBO_TAG_I, SHOW_INLINE, 1, false, true, false, 0, 0},
    {GUMBO_TAG_EM, SHOW_INLINE, 1, false, true, false, 0, 0},
    {GUMBO_TAG_U, SHOW_INLINE, 1, false, false, true, 0, 0},
    {GUMBO_TAG_SMALL, SHOW_INLINE, 0.8, false, false, false, 0, 0},
    {GUMBO_TAG_A, SHOW_INLINE, 1, false, false, false, 0, 0},
    {GUMBO_TAG_BR, SHOW_BREAK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_HR, SHOW_RULE, 1, false, false, false, 0.5, 0.5},
    {GUMBO_TAG_IMG, SHOW_PICTURE, 1, false, false, false, 0, 0},
    {GUMBO_TAG_H1, SHOW_BLOCK, 1.35, true, false, false, 0.8, 0.55},
    {GUMBO_TAG_H2, SHOW_BLOCK, 1.15, true, false, false, 0.9, 0.5},
    {GUMBO_TAG_H3, SHOW_BLOCK, 1, true, false, false, 0.9, 0.4},
    {GUMBO_TAG_UL, SHOW_LIST, 1, false, false, false, 0, 0.75},
    {GUMBO_TAG_OL, SHOW_LIST, 1, false, false, false, 0, 0.75},
    {GUMBO_TAG_LI, SHOW_ITEM, 1, false, false, false, 0, 0.15},
    {GUMBO_TAG_TABLE, SHOW_TABLE, 1, false, false, false, 0.3, 0.9},
    {GUMBO_TAG_CAPTION, SHOW_BLOCK, 1, false, true, false, 0.3, 0.2},
    {GUMBO_TAG_TD, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_TH, SHOW_BLOCK, 1, true, false, false, 0, 0},
    {GUMBO_TAG_TR, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_THEAD, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_TBODY, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_TFOOT, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_ADDRESS, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_HEADER, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_FOOTER, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_MAIN, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_SECTION, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_ARTICLE, SHOW_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_H4, SHOW_ODD_BLOCK, 1, true, false, false, 0.9, 0.4},
    {GUMBO_TAG_H5, SHOW_ODD_BLOCK, 1, true, false, false, 0.9, 0.4},
    {GUMBO_TAG_H6, SHOW_ODD_BLOCK, 1, true, false, false, 0.9, 0.4},
    {GUMBO_TAG_BLOCKQUOTE, SHOW_ODD_BLOCK, 1, false, false, false, 0, 0.75},
    {GUMBO_TAG_PRE, SHOW_ODD_BLOCK, 1, false, false, false, 0, 0.75},
    {GUMBO_TAG_CENTER, SHOW_ODD_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_DL, SHOW_ODD_BLOCK, 1, false, false, false, 0, 0.75},
    {GUMBO_TAG_DT, SHOW_ODD_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_DD, SHOW_ODD_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_FIGURE, SHOW_ODD_BLOCK, 1, false, false, false, 0, 0.75},
    {GUMBO_TAG_FIGCAPTION, SHOW_ODD_BLOCK, 1, false, true, false, 0, 0},
    {GUMBO_TAG_NAV, SHOW_ODD_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_ASIDE, SHOW_ODD_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_FORM, SHOW_ODD_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_FIELDSET, SHOW_ODD_BLOCK, 1, false, false, false, 0, 0},
    {GUMBO_TAG_SCRIPT, SHOW_NOTHING, 1, false, false, false, 0, 0},
    {GUMBO_TAG_STYLE, SHOW_NOTHING, 1, false, false, false, 0, 0},
};

static const struct element odd_inline = {
    GUMBO_TAG_UNKNOWN, SHOW_ODD_INLINE, 1, false, false, false, 0, 0};

static const struct element *find_element(GumboTag tag)
{
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (elements[i].tag == tag)
            return &elements[i];
    return &odd_inline;
}

/* A part of the page: who fills it, and which sizes of type it takes (0: any). */
static const struct role {
    GumboTag tag;
    const char *class_name; /* NULL: none needed */
    double size, least, most;
} roles[PARTS] = {
    [PART_WINDOW] = {GUMBO_TAG_ADDRESS, "window", 11, 9, 11},
    [PART_RETURN] = {GUMBO_TAG_DIV, "return-line", 7, 6, 8},
    [PART_INFO] = {GUMBO_TAG_DIV, "info-block", 9.5, 0, 0},
    [PART_HEADER] = {GUMBO_TAG_HEADER, NULL, 0, 0, 0},
    [PART_FOOTER] = {GUMBO_TAG_FOOTER, NULL, 7.5, 0, 0},
};

struct builder {
    struct job *job;
    struct document *document;
    struct sheet *sheet;
    enum part part;
    unsigned depth;
    unsigned tables; /* around what is being built */
    size_t cells;
    const struct style *fonts[LETTER_MAX_FONTS + 1]; /* one style of each font */
    size_t font_count;

    struct block *box;  /* being filled */
    struct block *open; /* its last text, if more may be added to it */
    size_t text_capacity, run_capacity;
    bool broke;       /* the open text has had a <br> */
    char list;        /* '*' or '1', of the innermost list */
    unsigned ordinal; /* of its next item */
};

static int build_children(struct builder *builder, const GumboNode *node,
                          const struct style *style);

static struct position position_of(const GumboNode *node)
{
    return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE
               ? html_position(node->v.element.start_pos)
               : html_position(node->v.text.start_pos);
}

static bool is_element(const GumboNode *node)
{
    return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE;
}

/* ---- attributes and style ---- */

static bool attribute_known(GumboTag tag, const char *name)
{
    static const struct {
        GumboTag tag;
        const char *name;
    } own[] = {
        {GUMBO_TAG_IMG, "src"},    {GUMBO_TAG_IMG, "alt"},    {GUMBO_TAG_IMG, "width"},
        {GUMBO_TAG_IMG, "height"}, {GUMBO_TAG_TD, "colspan"}, {GUMBO_TAG_TH, "colspan"},
        {GUMBO_TAG_A, "href"},     {GUMBO_TAG_OL, "start"},   {GUMBO_TAG_COL, "width"},
        {GUMBO_TAG_TH, "scope"},
    };
    static const char *const any[] = {"class", "style", "id", "lang", "title"};
    for (size_t i = 0; i < sizeof any / sizeof *any; i++)
        if (strcmp(name, any[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i].tag == tag && strcmp(name, own[i].name) == 0)
            return true;
    return text_starts(name, "data-") || text_starts(name, "aria-");
}

static void check_attributes(struct builder *builder, const GumboNode *node)
{
    const GumboVector *attributes = &node->v.element.attributes;
    for (unsigned i = 0; i < attributes->length; i++) {
        const GumboAttribute *attribute = attributes->data[i];
        if (!attribute_known(node->v.element.tag, attribute->name))
            job_warn(builder->job, html_position(attribute->name_start),
                     "the attribute »%.60s« of <%.30s> is not known here; it is ignored",
                     attribute->name, html_tag(builder->job, node));
    }
}

static struct declaration *inline_style(struct builder *builder, const GumboNode *node)
{
    const GumboAttribute *attribute = gumbo_get_attribute(&node->v.element.attributes, "style");
    if (!attribute)
        return NULL;
    struct position at = html_position(attribute->value_start);
    at.column += attribute->original_value.data && strchr("\"'", *attribute->original_value.data);
    return style_read(builder->job, attribute->value, strlen(attribute->value), at);
}

static void apply_defaults(struct style *style, const struct element *element)
{
    style->size *= element->size;
    style->bold |= element->bold;
    style->italic |= element->italic;
    style->underline |= element->underline;
    style->margin[SIDE_TOP] = element->before * style->size;
    style->margin[SIDE_BOTTOM] = element->after * style->size;
    style->keep = element->display == SHOW_BLOCK && element->bold && element->before > 0;
    if (element->tag == GUMBO_TAG_TH)
        style->vertical = VERTICAL_BOTTOM;
    if (element->display == SHOW_LIST)
        style->padding[SIDE_LEFT] = MM(5.5);
    if (element->tag == GUMBO_TAG_TD || element->tag == GUMBO_TAG_TH) {
        style->padding[SIDE_TOP] = style->padding[SIDE_BOTTOM] = 2;
        style->padding[SIDE_LEFT] = style->padding[SIDE_RIGHT] = 4;
    }
}

/* The window's and the return line's type has limits, and no blank lines: DIN 5008. */
static void hold_to_role(struct builder *builder, struct style *style, struct position at)
{
    const struct role *role = &roles[builder->part];
    if (role->least <= 0)
        return;
    if (style->size < role->least || style->size > role->most) {
        job_warn(builder->job, at, "type of %.4g pt is not possible here: %.4g to %.4g pt are",
                 style->size, role->least, role->most);
        style->size = style->size < role->least ? role->least : role->most;
    }
    memset(style->margin, 0, sizeof style->margin);
    style->break_before = false;
}

/* Finding a font takes Pango milliseconds: its number is limited. */
static void count_font(struct builder *builder, const struct style *style)
{
    for (size_t i = builder->font_count; i-- > 0;) {
        const struct style *font = builder->fonts[i];
        if (font->family == style->family && font->size == style->size &&
            font->bold == style->bold && font->italic == style->italic)
            return;
    }
    if (builder->font_count <= LETTER_MAX_FONTS)
        builder->fonts[builder->font_count++] = style;
}

#define MAX_LISTS_OF_RULES 64
#define MAX_PATH 24

/* The element and what it stands in, for selectors. */
static size_t path_of(struct builder *builder, const GumboNode *node, struct element_name *path)
{
    size_t length = 0;
    for (; node && is_element(node) && length < MAX_PATH; node = node->parent)
        path[length++] =
            (struct element_name){html_tag(builder->job, node), html_attribute(node, "class")};
    return length;
}

static const struct style *style_of(struct builder *builder, const GumboNode *node,
                                    const struct element *element, const struct style *parent,
                                    double role_size)
{
    struct declaration *lists[MAX_LISTS_OF_RULES + 1];
    struct style *style = arena_alloc(builder->job->arena, sizeof *style);
    *style = style_inherit(parent);
    apply_defaults(style, element);
    if (role_size > 0)
        style->size = role_size;
    struct element_name path[MAX_PATH];
    size_t length = path_of(builder, node, path);
    size_t count = sheet_match(builder->sheet, path, length, lists, MAX_LISTS_OF_RULES);
    if ((lists[count] = inline_style(builder, node)))
        count++;
    style_apply(builder->job, style, parent, lists, count);
    hold_to_role(builder, style, position_of(node));
    count_font(builder, style);
    return style;
}

/* ---- text ---- */

static struct block *new_block(struct builder *builder, enum block_kind kind,
                               const struct style *style, struct position at)
{
    struct block *block = arena_alloc(builder->job->arena, sizeof *block);
    block->kind = kind;
    block->style = style;
    block->at = at;
    return block;
}

static void append_block(struct block *parent, struct block *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

static void open_text(struct builder *builder, struct position at)
{
    if (builder->open)
        return;
    builder->open = new_block(builder, BLOCK_TEXT, builder->box->style, at);
    builder->text_capacity = builder->run_capacity = 0;
    builder->broke = false;
}

static char last_char(const struct block *text)
{
    return text->size ? text->text[text->size - 1] : '\n';
}

static void cut_runs(struct block *text)
{
    while (text->run_count && text->runs[text->run_count - 1].begin >= text->size)
        text->run_count--;
    if (text->run_count && text->runs[text->run_count - 1].end > text->size)
        text->runs[text->run_count - 1].end = text->size;
}

static void close_text(struct builder *builder)
{
    struct block *text = builder->open;
    builder->open = NULL;
    if (!text)
        return;
    bool compact = roles[builder->part].least > 0;
    if (text->size && last_char(text) == ' ')
        text->size--;
    if (text->size && last_char(text) == '\n')
        text->size--;
    while (compact && text->size && last_char(text) == '\n')
        text->size--;
    cut_runs(text);
    if (!text->text)
        text->text = arena_alloc(builder->job->arena, 1);
    if (text->size || (builder->broke && !compact))
        append_block(builder->box, text);
}

static void reserve_text(struct builder *builder, size_t size)
{
    struct block *text = builder->open;
    if (text->size + size <= builder->text_capacity)
        return;
    size_t wanted = (text->size + size) * 2;
    char *larger = arena_alloc(builder->job->arena, wanted);
    if (text->size)
        memcpy(larger, text->text, text->size);
    text->text = larger;
    builder->text_capacity = wanted;
}

static struct run *add_run(struct builder *builder, size_t begin, const struct style *style)
{
    struct block *text = builder->open;
    text->runs = job_grow(builder->job, text->runs, text->run_count, &builder->run_capacity,
                          sizeof *text->runs);
    struct run *run = &text->runs[text->run_count++];
    *run = (struct run){.begin = begin, .end = text->size, .style = style};
    return run;
}

static void append_text(struct builder *builder, const char *bytes, const struct style *style,
                        struct position at)
{
    if (!builder->open && !bytes[strspn(bytes, " \t\n\r\f")])
        return;
    open_text(builder, at);
    struct block *text = builder->open;
    size_t begin = text->size;
    reserve_text(builder, strlen(bytes));
    for (; *bytes; bytes++) {
        bool blank = strchr(" \t\n\r\f", *bytes) != NULL;
        if (!blank)
            text->text[text->size++] = *bytes;
        else if (last_char(text) != ' ' && last_char(text) != '\n')
            text->text[text->size++] = ' ';
    }
    struct run *last = text->run_count ? &text->runs[text->run_count - 1] : NULL;
    if (text->size == begin)
        return;
    if (last && last->style == style && !last->picture)
        last->end = text->size;
    else
        add_run(builder, begin, style);
}

static void append_break(struct builder *builder, const struct style *style, struct position at)
{
    open_text(builder, at);
    struct block *text = builder->open;
    builder->broke = true;
    if (text->size && last_char(text) == ' ') {
        text->size--;
        cut_runs(text);
    }
    if (roles[builder->part].least > 0 && last_char(text) == '\n')
        return;
    reserve_text(builder, 1);
    text->text[text->size++] = '\n';
    add_run(builder, text->size - 1, style);
}

/* ---- pictures ---- */

static struct length picture_extent(struct builder *builder, const GumboNode *node,
                                    const char *name, struct length styled)
{
    struct length length;
    const GumboAttribute *attribute = gumbo_get_attribute(&node->v.element.attributes, name);
    if (styled.unit != UNIT_AUTO || !attribute)
        return styled;
    if (style_length(attribute->value, 11, true, &length) || length.value <= 0 ||
        length.value > MM(297)) {
        job_warn(builder->job, html_position(attribute->value_start),
                 "»%s=%.30s« is no size: mm, %% or pixels are; it is ignored", name,
                 attribute->value);
        return styled;
    }
    return length;
}

static int append_picture(struct builder *builder, const GumboNode *node, const struct style *style)
{
    static const char replacement[] = "\xef\xbf\xbc";
    const char *name = html_attribute(node, "src");
    struct position at = position_of(node);
    if (!name || !*name)
        return job_fail(builder->job, at, "<img> has no src");
    const struct picture *picture = picture_get(builder->job, name, at);
    if (!picture)
        return -1;
    open_text(builder, at);
    struct block *text = builder->open;
    reserve_text(builder, sizeof replacement - 1);
    memcpy(text->text + text->size, replacement, sizeof replacement - 1);
    text->size += sizeof replacement - 1;
    struct run *run = add_run(builder, text->size - sizeof replacement + 1, style);
    run->picture = picture;
    run->width = picture_extent(builder, node, "width", style->width);
    run->height = picture_extent(builder, node, "height", style->height);
    run->at = at;
    return 0;
}

/* ---- boxes ---- */

/* Build the children of `node` into `box`, whatever is being filled now. */
static int fill_box(struct builder *builder, const GumboNode *node, struct block *box)
{
    struct block *outer = builder->box;
    close_text(builder);
    builder->box = box;
    int result = build_children(builder, node, box->style);
    close_text(builder);
    builder->box = outer;
    return result;
}

static int build_box(struct builder *builder, const GumboNode *node, const struct style *style)
{
    struct block *box = new_block(builder, BLOCK_BOX, style, position_of(node));
    close_text(builder);
    append_block(builder->box, box);
    return fill_box(builder, node, box);
}

static int build_list(struct builder *builder, const GumboNode *node, const struct style *style)
{
    char outer_list = builder->list;
    unsigned outer_ordinal = builder->ordinal;
    const char *start = html_attribute(node, "start");
    int64_t first = 1;
    if (start && (text_to_int64(start, &first) || first < 0 || first > 1000000))
        first = 1;
    builder->list = node->v.element.tag == GUMBO_TAG_OL ? '1' : '*';
    builder->ordinal = (unsigned)first;
    int result = build_box(builder, node, style);
    builder->list = outer_list;
    builder->ordinal = outer_ordinal;
    return result;
}

static int build_item(struct builder *builder, const GumboNode *node, const struct style *style)
{
    struct block *box = new_block(builder, BLOCK_BOX, style, position_of(node));
    box->marker =
        builder->list == '1' ? arena_format(builder->job->arena, "%u.", builder->ordinal++) : "•";
    close_text(builder);
    append_block(builder->box, box);
    return fill_box(builder, node, box);
}

static int build_rule(struct builder *builder, const GumboNode *node, const struct style *style)
{
    close_text(builder);
    append_block(builder->box, new_block(builder, BLOCK_RULE, style, position_of(node)));
    return 0;
}

/* The part that an element fills, PART_BODY if none. */
static enum part role_of(const struct builder *builder, const GumboNode *node)
{
    if (builder->part != PART_BODY)
        return PART_BODY;
    for (enum part part = PART_WINDOW; part < PARTS; part++) {
        const struct role *role = &roles[part];
        if (role->tag == node->v.element.tag &&
            (!role->class_name || sheet_has_class(html_attribute(node, "class"), role->class_name)))
            return builder->document->form != FORM_PLAIN || part == PART_FOOTER ? part : PART_BODY;
    }
    return PART_BODY;
}

static int build_part(struct builder *builder, const GumboNode *node, enum part part,
                      const struct style *parent)
{
    struct block **place = &builder->document->parts[part];
    builder->part = part;
    const struct style *style =
        style_of(builder, node, find_element(node->v.element.tag), parent, roles[part].size);
    builder->part = PART_BODY;
    close_text(builder);
    builder->part = part;
    *place = new_block(builder, BLOCK_BOX, style, position_of(node));
    int result = fill_box(builder, node, *place);
    builder->part = PART_BODY;
    return result;
}

/* ---- tables ---- */

static unsigned column_span(struct builder *builder, const GumboNode *node)
{
    int64_t span = 1;
    const char *text = html_attribute(node, "colspan");
    if (text && (text_to_int64(text, &span) || span < 1 || span > MAX_COLUMNS)) {
        job_warn(builder->job, position_of(node), "»colspan=%.20s« is ignored", text);
        span = 1;
    }
    return (unsigned)span;
}

static int build_cell(struct builder *builder, const GumboNode *node, struct block *row)
{
    const struct element *element = find_element(node->v.element.tag);
    if (++builder->cells > LETTER_MAX_CELLS)
        return job_fail(builder->job, position_of(node), "the tables have more than %d cells",
                        LETTER_MAX_CELLS);
    check_attributes(builder, node);
    const struct style *style = style_of(builder, node, element, row->style, 0);
    struct block *cell = new_block(builder, BLOCK_CELL, style, position_of(node));
    cell->span = column_span(builder, node);
    cell->behind = row->style->background;
    append_block(row, cell);
    return fill_box(builder, node, cell);
}

static void warn_odd(struct builder *builder, const GumboNode *node)
{
    job_warn(builder->job, position_of(node),
             "<%.40s> is not known here; its text is laid out as if it were not there",
             html_tag(builder->job, node));
}

static int build_row(struct builder *builder, const GumboNode *node, struct block *table,
                     const struct style *parent, bool heading)
{
    check_attributes(builder, node);
    struct style *style = arena_alloc(builder->job->arena, sizeof *style);
    *style = *style_of(builder, node, find_element(GUMBO_TAG_TR), parent, 0);
    if (!style->background.visible)
        style->background = parent->background;
    struct block *row = new_block(builder, BLOCK_ROW, style, position_of(node));
    row->heading = heading;
    for (unsigned i = 0; i < node->v.element.children.length; i++) {
        const GumboNode *child = node->v.element.children.data[i];
        if (!is_element(child))
            continue;
        if (child->v.element.tag != GUMBO_TAG_TD && child->v.element.tag != GUMBO_TAG_TH)
            warn_odd(builder, child);
        else if (build_cell(builder, child, row))
            return -1;
    }
    if (row->first)
        append_block(table, row);
    return 0;
}

static int build_section(struct builder *builder, const GumboNode *node, struct block *table)
{
    check_attributes(builder, node);
    const struct style *style =
        style_of(builder, node, find_element(node->v.element.tag), table->style, 0);
    bool heading = node->v.element.tag == GUMBO_TAG_THEAD;
    for (unsigned i = 0; i < node->v.element.children.length; i++) {
        const GumboNode *child = node->v.element.children.data[i];
        if (is_element(child) && child->v.element.tag == GUMBO_TAG_TR &&
            build_row(builder, child, table, style, heading))
            return -1;
    }
    return 0;
}

static void build_columns(struct builder *builder, const GumboNode *node, struct block *table,
                          size_t *capacity)
{
    for (unsigned i = 0; i < node->v.element.children.length; i++) {
        const GumboNode *child = node->v.element.children.data[i];
        if (!is_element(child) || child->v.element.tag != GUMBO_TAG_COL)
            continue;
        check_attributes(builder, child);
        const struct style *style =
            style_of(builder, child, find_element(GUMBO_TAG_DIV), table->style, 0);
        if (table->column_count == MAX_COLUMNS)
            return;
        table->columns = job_grow(builder->job, table->columns, table->column_count, capacity,
                                  sizeof *table->columns);
        table->columns[table->column_count++].width =
            picture_extent(builder, child, "width", style->width);
    }
}

static bool is_section(const GumboNode *node, bool footers)
{
    GumboTag tag = node->v.element.tag;
    if (footers)
        return tag == GUMBO_TAG_TFOOT;
    return tag == GUMBO_TAG_THEAD || tag == GUMBO_TAG_TBODY;
}

static int build_table_children(struct builder *builder, const GumboNode *node, struct block *table)
{
    size_t capacity = 0;
    for (int footers = 0; footers < 2; footers++) {
        for (unsigned i = 0; i < node->v.element.children.length; i++) {
            const GumboNode *child = node->v.element.children.data[i];
            if (!is_element(child))
                continue;
            if (is_section(child, footers) && build_section(builder, child, table))
                return -1;
            if (!footers && child->v.element.tag == GUMBO_TAG_COLGROUP)
                build_columns(builder, child, table, &capacity);
        }
    }
    return 0;
}

static int build_captions(struct builder *builder, const GumboNode *node, const struct style *style)
{
    for (unsigned i = 0; i < node->v.element.children.length; i++) {
        const GumboNode *child = node->v.element.children.data[i];
        if (!is_element(child) || child->v.element.tag != GUMBO_TAG_CAPTION)
            continue;
        const struct element *element = find_element(GUMBO_TAG_CAPTION);
        if (build_box(builder, child, style_of(builder, child, element, style, 0)))
            return -1;
    }
    return 0;
}

static int build_table(struct builder *builder, const GumboNode *node, const struct style *style)
{
    close_text(builder);
    if (builder->tables == MAX_TABLE_NESTING)
        return job_fail(builder->job, position_of(node), "more than %d tables inside each other",
                        MAX_TABLE_NESTING);
    if (build_captions(builder, node, style))
        return -1;
    struct block *table = new_block(builder, BLOCK_TABLE, style, position_of(node));
    table->nesting = builder->tables++;
    int result = build_table_children(builder, node, table);
    builder->tables--;
    if (table->first)
        append_block(builder->box, table);
    return result;
}

/* ---- the tree ---- */

static int show_element(struct builder *builder, const GumboNode *node,
                        const struct element *element, const struct style *style)
{
    switch (element->display) {
    case SHOW_ODD_INLINE:
        warn_odd(builder, node);
        return build_children(builder, node, style);
    case SHOW_INLINE:
        return build_children(builder, node, style);
    case SHOW_ODD_BLOCK:
        warn_odd(builder, node);
        return build_box(builder, node, style);
    case SHOW_BLOCK:
        return build_box(builder, node, style);
    case SHOW_BREAK:
        append_break(builder, style, position_of(node));
        return 0;
    case SHOW_RULE:
        return build_rule(builder, node, style);
    case SHOW_PICTURE:
        return append_picture(builder, node, style);
    case SHOW_LIST:
        return build_list(builder, node, style);
    case SHOW_ITEM:
        return build_item(builder, node, style);
    case SHOW_TABLE:
        return build_table(builder, node, style);
    case SHOW_NOTHING:
        job_warn(builder->job, position_of(node), "<%.40s> is not possible here; it is ignored",
                 html_tag(builder->job, node));
        return 0;
    }
    return 0;
}

static int build_element(struct builder *builder, const GumboNode *node, const struct style *parent)
{
    const struct element *element = find_element(node->v.element.tag);
    check_attributes(builder, node);
    enum part part = role_of(builder, node);
    if (part != PART_BODY && !builder->document->parts[part])
        return build_part(builder, node, part, parent);
    if (part != PART_BODY)
        job_warn(builder->job, position_of(node),
                 "there is a <%s> of this kind already; this one is laid out in the text",
                 html_tag(builder->job, node));
    return show_element(builder, node, element, style_of(builder, node, element, parent, 0));
}

static int build_children(struct builder *builder, const GumboNode *node, const struct style *style)
{
    int result = 0;
    if (++builder->depth > LETTER_MAX_DEPTH)
        return job_fail(builder->job, position_of(node), "more than %d elements inside each other",
                        LETTER_MAX_DEPTH);
    if (builder->font_count > LETTER_MAX_FONTS)
        return job_fail(builder->job, position_of(node), "more than %d fonts; use fewer sizes",
                        LETTER_MAX_FONTS);
    for (unsigned i = 0; i < node->v.element.children.length && !result; i++) {
        const GumboNode *child = node->v.element.children.data[i];
        if (is_element(child))
            result = build_element(builder, child, style);
        else if (child->type != GUMBO_NODE_COMMENT)
            append_text(builder, child->v.text.text, style, position_of(child));
    }
    builder->depth--;
    return result;
}

/* ---- the head ---- */

static const char *text_of(const GumboNode *node)
{
    if (!node->v.element.children.length)
        return NULL;
    const GumboNode *child = node->v.element.children.data[0];
    return is_element(child) ? NULL : child->v.text.text;
}

static int read_head_element(struct builder *builder, const GumboNode *node)
{
    const char *text = text_of(node);
    GumboTag tag = node->v.element.tag;
    if (tag == GUMBO_TAG_TITLE) {
        builder->document->title = text;
        return 0;
    }
    if (tag == GUMBO_TAG_STYLE && text) {
        const GumboNode *child = node->v.element.children.data[0];
        return sheet_read(builder->job, builder->sheet, text, strlen(text), position_of(child));
    }
    if (tag != GUMBO_TAG_META && tag != GUMBO_TAG_STYLE)
        job_warn(builder->job, position_of(node), "<%.40s> is not possible here; it is ignored",
                 html_tag(builder->job, node));
    return 0;
}

static int read_head(struct builder *builder, const GumboNode *head)
{
    for (unsigned i = 0; i < head->v.element.children.length; i++) {
        const GumboNode *child = head->v.element.children.data[i];
        if (is_element(child) && read_head_element(builder, child))
            return -1;
    }
    return 0;
}

static void read_form(struct builder *builder, const GumboNode *body)
{
    const char *classes = html_attribute(body, "class");
    struct document *document = builder->document;
    if (sheet_has_class(classes, "din5008-a"))
        document->form = FORM_A;
    else if (sheet_has_class(classes, "din5008-b"))
        document->form = FORM_B;
    document->marks = document->form != FORM_PLAIN && !sheet_has_class(classes, "no-marks");
}

static int read_body(struct builder *builder, const GumboNode *body)
{
    static const struct element plain = {.tag = GUMBO_TAG_BODY, .display = SHOW_BLOCK, .size = 1};
    const struct style base = {
        .family = engine_family(builder->job->engine, "sans-serif"),
        .size = 11,
        .color = {true, 0, 0, 0},
        .line_factor = 1.3,
    };
    struct style *style = arena_alloc(builder->job->arena, sizeof *style);
    read_form(builder, body);
    *style = *style_of(builder, body, &plain, &base, 0);
    struct block *box = new_block(builder, BLOCK_BOX, style, position_of(body));
    memset(style->margin, 0, sizeof style->margin);
    builder->document->parts[PART_BODY] = box;
    return fill_box(builder, body, box);
}

int document_read(struct job *job, struct document *document)
{
    struct builder builder = {.job = job, .document = document, .sheet = sheet_new(job)};
    const GumboNode *root = html_parse(job);
    if (!root)
        return -1;
    document->language = html_attribute(root, "lang");
    for (unsigned i = 0; i < root->v.element.children.length; i++) {
        const GumboNode *child = root->v.element.children.data[i];
        if (!is_element(child))
            continue;
        if (child->v.element.tag == GUMBO_TAG_HEAD && read_head(&builder, child))
            return -1;
        if (child->v.element.tag == GUMBO_TAG_BODY && read_body(&builder, child))
            return -1;
        if (child->v.element.tag == GUMBO_TAG_FRAMESET)
            return job_fail(job, position_of(child), "<frameset> is not possible here");
    }
    return 0;
}

static const struct style *resized(struct job *job, const struct style *style, double size,
                                   double line_height)
{
    struct style *copy = arena_alloc(job->arena, sizeof *copy);
    *copy = *style;
    copy->size = size;
    copy->line_factor = 0;
    copy->line_points = line_height;
    return copy;
}

void document_resize(struct job *job, struct block *block, double size, double line_height)
{
    block->style = resized(job, block->style, size, line_height);
    for (size_t i = 0; i < block->run_count; i++)
        block->runs[i].style = resized(job, block->runs[i].style, size, line_height);
    for (struct block *child = block->first; child; child = child->next)
        document_resize(job, child, size, line_height);
}
