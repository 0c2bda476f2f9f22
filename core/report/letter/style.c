#include "report/letter/style.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "report/letter/engine.h"

#define MAX_WORDS 8
#define WORD_SIZE 64
#define MIN_FONT 1.0
#define MAX_FONT 200.0
#define MAX_BOX MM(297)

/* A value cut at blanks, in lower case. */
struct words {
    char word[MAX_WORDS][WORD_SIZE];
    unsigned count;
};

struct setting {
    struct job *job;
    struct style *style;
    const struct style *parent;
    const char *value;
    struct words words;
};

double style_line_height(const struct style *style)
{
    return style->line_factor > 0 ? style->line_factor * style->size : style->line_points;
}

struct style style_inherit(const struct style *parent)
{
    return (struct style){
        .family = parent->family,
        .size = parent->size,
        .bold = parent->bold,
        .italic = parent->italic,
        .underline = parent->underline,
        .color = parent->color,
        .align = parent->align,
        .line_factor = parent->line_factor,
        .line_points = parent->line_points,
    };
}

struct position position_after(struct position at, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n') {
            at.line++;
            at.column = 1;
        } else if ((text[i] & 0xc0) != 0x80) {
            at.column++;
        }
    }
    return at;
}

/* ---- values ---- */

/* strtod() reads numbers as the process's locale writes them; CSS does not. */
static const char *read_number(const char *text, double *number)
{
    double sign = 1, value = 0, scale = 1;
    bool digits = false;
    if (*text == '-' || *text == '+')
        sign = *text++ == '-' ? -1 : 1;
    for (; isdigit((unsigned char)*text); text++, digits = true)
        value = value < 1e7 ? value * 10 + (*text - '0') : value;
    if (*text == '.') {
        for (text++; isdigit((unsigned char)*text); text++, digits = true)
            value += (scale /= 10) * (*text - '0');
    }
    *number = sign * value;
    return digits ? text : NULL;
}

static const struct {
    const char *name;
    double points;
} units[] = {
    {"pt", 1},  {"mm", POINTS_PER_MM}, {"cm", 10 * POINTS_PER_MM}, {"px", 0.75}, {"in", 72},
    {"pc", 12},
};

int style_length(const char *text, double em, bool pixels, struct length *length)
{
    double number;
    const char *unit = read_number(text, &number);
    if (!unit)
        return -1;
    *length = (struct length){UNIT_POINTS, number};
    if (!strcasecmp(unit, "%")) {
        length->unit = UNIT_PERCENT;
        return 0;
    }
    if (!strcasecmp(unit, "em") || !strcasecmp(unit, "rem")) {
        length->value *= em;
        return 0;
    }
    if (!*unit) {
        length->value *= 0.75;
        return pixels || number == 0 ? 0 : -1;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcasecmp(unit, units[i].name) == 0) {
            length->value *= units[i].points;
            return 0;
        }
    }
    return -1;
}

/* A length in points within 0 … MAX_BOX (or from -MAX_BOX, if it may be negative). */
static bool read_points(const struct setting *setting, const char *word, double *points)
{
    struct length length;
    if (style_length(word, setting->style->size, false, &length) || length.unit != UNIT_POINTS)
        return false;
    if (length.value < 0 || length.value > MAX_BOX)
        return false;
    *points = length.value;
    return true;
}

static const struct {
    const char *name;
    unsigned rgb;
} color_names[] = {
    {"black", 0x000000},     {"white", 0xffffff},     {"gray", 0x808080},
    {"grey", 0x808080},      {"silver", 0xc0c0c0},    {"red", 0xff0000},
    {"maroon", 0x800000},    {"green", 0x008000},     {"lime", 0x00ff00},
    {"blue", 0x0000ff},      {"navy", 0x000080},      {"teal", 0x008080},
    {"olive", 0x808000},     {"purple", 0x800080},    {"orange", 0xffa500},
    {"yellow", 0xffff00},    {"aqua", 0x00ffff},      {"fuchsia", 0xff00ff},
    {"lightgray", 0xd3d3d3}, {"lightgrey", 0xd3d3d3}, {"darkgray", 0xa9a9a9},
    {"darkgrey", 0xa9a9a9},
};

static struct color color_of(unsigned rgb)
{
    return (struct color){true, (unsigned char)(rgb >> 16), (unsigned char)(rgb >> 8),
                          (unsigned char)rgb};
}

static bool read_hex_color(const char *digits, struct color *color)
{
    unsigned rgb = 0;
    size_t length = strlen(digits);
    if ((length != 3 && length != 6) || strspn(digits, "0123456789abcdef") != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned digit =
            digits[i] <= '9' ? (unsigned)(digits[i] - '0') : (unsigned)(digits[i] - 'a' + 10);
        rgb = length == 3 ? rgb << 8 | digit * 17 : rgb << 4 | digit;
    }
    *color = color_of(rgb);
    return true;
}

static bool read_rgb_color(const char *text, struct color *color)
{
    unsigned rgb = 0;
    for (int i = 0; i < 3; i++) {
        double number;
        text += strspn(text, " ");
        text = read_number(text, &number);
        if (!text || number < 0 || number > 255)
            return false;
        rgb = rgb << 8 | (unsigned)(number + 0.5);
        text += strspn(text, " ");
        if (*text++ != (i < 2 ? ',' : ')'))
            return false;
    }
    *color = color_of(rgb);
    return !*text;
}

static bool read_color(const char *word, struct color *color)
{
    if (*word == '#')
        return read_hex_color(word + 1, color);
    if (strncmp(word, "rgb(", 4) == 0)
        return read_rgb_color(word + 4, color);
    if (strcmp(word, "transparent") == 0) {
        *color = (struct color){0};
        return true;
    }
    for (size_t i = 0; i < sizeof color_names / sizeof *color_names; i++) {
        if (strcmp(word, color_names[i].name) == 0) {
            *color = color_of(color_names[i].rgb);
            return true;
        }
    }
    return false;
}

/* The place of a word in a list that ends with NULL, or -1. */
static int choice(const char *word, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    return -1;
}

/* ---- properties ---- */

static bool set_font_family(struct setting *setting, unsigned side)
{
    (void)side;
    const char *family = engine_family(setting->job->engine, setting->value);
    if (family)
        setting->style->family = family;
    return family != NULL;
}

static bool set_font_size(struct setting *setting, unsigned side)
{
    (void)side;
    struct length length;
    if (setting->words.count != 1 ||
        style_length(setting->words.word[0], setting->parent->size, false, &length))
        return false;
    if (length.unit == UNIT_PERCENT)
        length.value *= setting->parent->size / 100;
    if (length.value < MIN_FONT || length.value > MAX_FONT)
        return false;
    setting->style->size = length.value;
    return true;
}

static bool set_font_weight(struct setting *setting, unsigned side)
{
    (void)side;
    static const char *const names[] = {"normal", "bold", "lighter", "bolder", "100", "600", "200",
                                        "700",    "300",  "800",     "400",    "900", "500", NULL};
    int place = choice(setting->words.word[0], names);
    setting->style->bold = place % 2;
    return place >= 0;
}

static bool set_font_style(struct setting *setting, unsigned side)
{
    (void)side;
    static const char *const names[] = {"normal", "italic", "oblique", NULL};
    int place = choice(setting->words.word[0], names);
    setting->style->italic = place > 0;
    return place >= 0;
}

static bool set_text_decoration(struct setting *setting, unsigned side)
{
    (void)side;
    static const char *const names[] = {"none", "underline", NULL};
    int place = choice(setting->words.word[0], names);
    setting->style->underline = place == 1;
    return place >= 0 && setting->words.count == 1;
}

static bool set_color(struct setting *setting, unsigned side)
{
    (void)side;
    return read_color(setting->words.word[0], &setting->style->color) &&
           setting->style->color.visible;
}

static bool set_background(struct setting *setting, unsigned side)
{
    (void)side;
    return setting->words.count == 1 &&
           read_color(setting->words.word[0], &setting->style->background);
}

static bool set_text_align(struct setting *setting, unsigned side)
{
    (void)side;
    static const char *const names[] = {"left", "right", "center", "justify", NULL};
    int place = choice(setting->words.word[0], names);
    if (place >= 0)
        setting->style->align = (enum align)place;
    return place >= 0;
}

static bool set_vertical_align(struct setting *setting, unsigned side)
{
    (void)side;
    static const char *const names[] = {"top", "middle", "bottom", NULL};
    int place = choice(setting->words.word[0], names);
    if (place >= 0)
        setting->style->vertical = (enum vertical)place;
    return place >= 0;
}

static bool set_line_height(struct setting *setting, unsigned side)
{
    (void)side;
    struct length length;
    double number;
    const char *rest = read_number(setting->words.word[0], &number);
    if (rest && !*rest && number >= 0.8 && number <= 10) {
        setting->style->line_factor = number;
        return true;
    }
    if (style_length(setting->words.word[0], setting->style->size, false, &length))
        return false;
    if (length.unit == UNIT_PERCENT)
        length.value *= setting->style->size / 100;
    if (length.value < MIN_FONT || length.value > MAX_BOX)
        return false;
    setting->style->line_factor = 0;
    setting->style->line_points = length.value;
    return true;
}

static bool set_extent(const struct setting *setting, struct length *target)
{
    struct length length = {0};
    if (strcmp(setting->words.word[0], "auto") != 0 &&
        (style_length(setting->words.word[0], setting->style->size, false, &length) ||
         length.value <= 0 || length.value > MAX_BOX))
        return false;
    *target = length;
    return true;
}

static bool set_width(struct setting *setting, unsigned side)
{
    (void)side;
    return set_extent(setting, &setting->style->width);
}

static bool set_height(struct setting *setting, unsigned side)
{
    (void)side;
    return set_extent(setting, &setting->style->height);
}

/* One to four lengths, for the sides in CSS's order. */
static bool set_sides(const struct setting *setting, double *sides)
{
    static const unsigned char source[5][4] = {
        {0}, {0, 0, 0, 0}, {0, 1, 0, 1}, {0, 1, 2, 1}, {0, 1, 2, 3}};
    double points[4];
    unsigned count = setting->words.count;
    if (count > 4)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (!read_points(setting, setting->words.word[i], &points[i]))
            return false;
    for (unsigned i = 0; i < 4; i++)
        sides[i] = points[source[count][i]];
    return true;
}

static bool set_margin(struct setting *setting, unsigned side)
{
    (void)side;
    return set_sides(setting, setting->style->margin);
}

static bool set_padding(struct setting *setting, unsigned side)
{
    (void)side;
    return set_sides(setting, setting->style->padding);
}

static bool set_margin_side(struct setting *setting, unsigned side)
{
    return setting->words.count == 1 &&
           read_points(setting, setting->words.word[0], &setting->style->margin[side]);
}

static bool set_padding_side(struct setting *setting, unsigned side)
{
    return setting->words.count == 1 &&
           read_points(setting, setting->words.word[0], &setting->style->padding[side]);
}

static bool read_border(const struct setting *setting, struct border *border)
{
    static const char *const widths[] = {"thin", "medium", "thick", NULL};
    *border = (struct border){0.75, setting->style->color};
    for (unsigned i = 0; i < setting->words.count; i++) {
        const char *word = setting->words.word[i];
        int named = choice(word, widths);
        if (strcmp(word, "none") == 0)
            border->width = 0;
        else if (named >= 0)
            border->width = 0.5 + 0.75 * named;
        else if (strcmp(word, "solid") != 0 && !read_points(setting, word, &border->width) &&
                 !read_color(word, &border->color))
            return false;
    }
    return true;
}

static bool set_border(struct setting *setting, unsigned side)
{
    (void)side;
    struct border border;
    if (!read_border(setting, &border))
        return false;
    for (unsigned i = 0; i < 4; i++)
        setting->style->border[i] = border;
    return true;
}

static bool set_border_side(struct setting *setting, unsigned side)
{
    return read_border(setting, &setting->style->border[side]);
}

/* Table borders always fall together here, so saying it is no news. */
static bool set_border_collapse(struct setting *setting, unsigned side)
{
    (void)side;
    return strcmp(setting->words.word[0], "collapse") == 0;
}

static bool set_break_before(struct setting *setting, unsigned side)
{
    (void)side;
    static const char *const names[] = {"auto", "always", "page", NULL};
    int place = choice(setting->words.word[0], names);
    setting->style->break_before = place > 0;
    return place >= 0;
}

static bool set_break_after(struct setting *setting, unsigned side)
{
    (void)side;
    static const char *const names[] = {"auto", "avoid", NULL};
    int place = choice(setting->words.word[0], names);
    setting->style->keep = place == 1;
    return place >= 0;
}

static const struct property {
    const char *name;
    bool (*set)(struct setting *setting, unsigned side);
    unsigned side;
    bool first; /* others are measured in em of it */
} properties[] = {
    {"font-family", set_font_family, 0, true},
    {"font-size", set_font_size, 0, true},
    {"font-weight", set_font_weight, 0, false},
    {"font-style", set_font_style, 0, false},
    {"text-decoration", set_text_decoration, 0, false},
    {"color", set_color, 0, true},
    {"background-color", set_background, 0, false},
    {"background", set_background, 0, false},
    {"text-align", set_text_align, 0, false},
    {"vertical-align", set_vertical_align, 0, false},
    {"line-height", set_line_height, 0, false},
    {"width", set_width, 0, false},
    {"height", set_height, 0, false},
    {"margin", set_margin, 0, false},
    {"margin-top", set_margin_side, SIDE_TOP, false},
    {"margin-right", set_margin_side, SIDE_RIGHT, false},
    {"margin-bottom", set_margin_side, SIDE_BOTTOM, false},
    {"margin-left", set_margin_side, SIDE_LEFT, false},
    {"padding", set_padding, 0, false},
    {"padding-top", set_padding_side, SIDE_TOP, false},
    {"padding-right", set_padding_side, SIDE_RIGHT, false},
    {"padding-bottom", set_padding_side, SIDE_BOTTOM, false},
    {"padding-left", set_padding_side, SIDE_LEFT, false},
    {"border", set_border, 0, false},
    {"border-top", set_border_side, SIDE_TOP, false},
    {"border-right", set_border_side, SIDE_RIGHT, false},
    {"border-bottom", set_border_side, SIDE_BOTTOM, false},
    {"border-left", set_border_side, SIDE_LEFT, false},
    {"border-collapse", set_border_collapse, 0, false},
    {"page-break-before", set_break_before, 0, false},
    {"break-before", set_break_before, 0, false},
    {"page-break-after", set_break_after, 0, false},
    {"break-after", set_break_after, 0, false},
};

#define PROPERTIES (sizeof properties / sizeof *properties)

/* ---- declarations ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* False if there are too many words, or one too long for anything we know. */
static bool cut_words(const char *value, struct words *words)
{
    words->count = 0;
    while (*value) {
        unsigned depth = 0;
        size_t size = 0;
        if (is_blank(*value)) {
            value++;
            continue;
        }
        if (words->count == MAX_WORDS)
            return false;
        char *word = words->word[words->count++];
        for (; *value && (depth || !is_blank(*value)); value++) {
            depth += *value == '(';
            depth -= depth && *value == ')';
            if (size == WORD_SIZE - 1)
                return false;
            word[size++] = (char)tolower((unsigned char)*value);
        }
        word[size] = '\0';
    }
    return words->count > 0;
}

static bool apply_one(struct job *job, struct style *style, const struct style *parent,
                      const struct declaration *declaration)
{
    const struct property *property = &properties[declaration->property];
    struct setting setting = {
        .job = job, .style = style, .parent = parent, .value = declaration->value};
    bool cut = cut_words(declaration->value, &setting.words);
    if (!cut && property->set != set_font_family)
        return false;
    return property->set(&setting, property->side);
}

void style_apply(struct job *job, struct style *style, const struct style *parent,
                 struct declaration *const *lists, size_t count)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count; i++)
            for (const struct declaration *one = lists[i]; one; one = one->next)
                if (properties[one->property].first == (pass == 0))
                    apply_one(job, style, parent, one);
}

static bool find_property(const char *name, size_t size, unsigned *property)
{
    for (unsigned i = 0; i < PROPERTIES; i++) {
        if (strlen(properties[i].name) == size && !strncasecmp(properties[i].name, name, size)) {
            *property = i;
            return true;
        }
    }
    return false;
}

static void trim(const char **text, size_t *size)
{
    while (*size && is_blank(**text)) {
        (*text)++;
        (*size)--;
    }
    while (*size && is_blank((*text)[*size - 1]))
        (*size)--;
}

static int shown(size_t size)
{
    return size > 60 ? 60 : (int)size;
}

/* One declaration, `size` bytes of `text`; NULL if it is none of ours. */
static struct declaration *read_declaration(struct job *job, const char *text, size_t size,
                                            struct position at)
{
    const char *colon = memchr(text, ':', size);
    if (!colon) {
        job_warn(job, at, "»%.*s« is no CSS declaration", shown(size), text);
        return NULL;
    }
    const char *name = text, *value = colon + 1;
    size_t name_size = (size_t)(colon - text), value_size = size - name_size - 1;
    trim(&name, &name_size);
    trim(&value, &value_size);
    struct declaration *declaration = arena_alloc(job->arena, sizeof *declaration);
    declaration->at = at;
    if (!find_property(name, name_size, &declaration->property)) {
        job_warn(job, at, "the CSS property »%.*s« is not known here; it is ignored",
                 shown(name_size), name);
        return NULL;
    }
    declaration->value = arena_text_n(job->arena, value, value_size);
    struct style parent = {.size = 11, .line_factor = 1}, scratch = parent;
    if (!apply_one(job, &scratch, &parent, declaration)) {
        job_warn(job, at, "»%s: %.*s« is not possible here; it is ignored",
                 properties[declaration->property].name, shown(value_size), value);
        return NULL;
    }
    return declaration;
}

/* How far to the next `end` outside of quotes and parentheses. */
static size_t span_until(const char *text, size_t size, char end)
{
    char quote = 0;
    unsigned depth = 0;
    for (size_t i = 0; i < size; i++) {
        if (quote)
            quote = text[i] == quote ? 0 : quote;
        else if (text[i] == '"' || text[i] == '\'')
            quote = text[i];
        else if (text[i] == end && !depth)
            return i;
        else if (text[i] == '(')
            depth++;
        else if (text[i] == ')' && depth)
            depth--;
    }
    return size;
}

struct declaration *style_read(struct job *job, const char *text, size_t size, struct position at)
{
    struct declaration *first = NULL, **next = &first;
    while (size) {
        size_t part = span_until(text, size, ';');
        size_t blank = 0;
        while (blank < part && is_blank(text[blank]))
            blank++;
        struct position here = position_after(at, text, blank);
        if (part > blank && (*next = read_declaration(job, text + blank, part - blank, here)))
            next = &(*next)->next;
        part += part < size;
        at = position_after(at, text, part);
        text += part;
        size -= part;
    }
    return first;
}
