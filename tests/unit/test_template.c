/*
 * Templates: mustache's rules case by case, our targets and policies, what is refused and how it is
 * said, and hostile texts. Data are written as JSON here, because that shows them best.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "report/format.h"
#include "report/template.h"

/* Examples leave out the partials that they do not have. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static struct error error;

/* ---- JSON as template data ---- */

static int lookup_member(void *context, const char *name, size_t length,
                         struct template_value *out);

static int item_of_array(void *context, size_t index, struct template_value *out);

static void describe_json(json_t *json, struct template_value *out)
{
    switch (json_typeof(json)) {
    case JSON_STRING:
        out->kind = TEMPLATE_TEXT;
        out->text = json_string_value(json);
        out->length = json_string_length(json);
        break;
    case JSON_INTEGER:
        out->kind = TEMPLATE_INTEGER;
        out->integer = json_integer_value(json);
        break;
    case JSON_TRUE:
        out->kind = TEMPLATE_INTEGER;
        out->integer = 1;
        break;
    case JSON_ARRAY:
        out->kind = TEMPLATE_LIST;
        out->list = (struct template_list){json_array_size(json), item_of_array, json};
        break;
    case JSON_OBJECT:
        out->kind = TEMPLATE_RECORD;
        out->record = (struct template_data){lookup_member, json};
        break;
    default:
        out->kind = TEMPLATE_NULL;
    }
}

/* ---- a list that is read as a stream: {"stream": [rows], "columns": {"name": "format"}} ---- */

static struct arena *formats; /* of the present rendering */
static int open_streams, most_streams, items_read;

struct stream {
    json_t *json;
    size_t next;
};

static void *open_stream(void *context)
{
    struct stream *stream = memory_new(sizeof *stream);
    stream->json = context;
    if (++open_streams > most_streams)
        most_streams = open_streams;
    return stream;
}

static void close_stream(void *opened)
{
    open_streams--;
    free(opened);
}

static int next_of_stream(void *opened, size_t index, struct template_value *out)
{
    struct stream *stream = opened;
    assert_int_equal(index, stream->next++); /* in order, from 0 */
    items_read++;
    return item_of_array(json_object_get(stream->json, "stream"), index, out);
}

static int column_of_stream(void *context, const char *name, const struct format **own)
{
    const char *format =
        json_string_value(json_object_get(json_object_get(context, "columns"), name));
    if (!format)
        return -1;
    *own = *format ? format_parse(formats, format, strlen(format), &error) : NULL;
    return 0;
}

static int lookup_member(void *context, const char *name, size_t length, struct template_value *out)
{
    assert_int_equal(strlen(name), length);
    json_t *member = json_object_get(context, name);
    if (!member)
        return -1;
    json_t *stream = json_object_get(member, "stream");
    if (stream) {
        out->kind = TEMPLATE_LIST;
        out->list = (struct template_list){.count = json_array_size(stream),
                                           .item = next_of_stream,
                                           .context = member,
                                           .open = open_stream,
                                           .close = close_stream,
                                           .column = column_of_stream};
        return 0;
    }
    /* {"own": format, "of": value} is a field with a format of its own. */
    const char *own = json_string_value(json_object_get(member, "own"));
    if (own) {
        lookup_member(member, "of", 2, out);
        out->formats = format_parse(formats, own, strlen(own), &error);
        assert_non_null(out->formats);
        return 0;
    }
    /* JSON has no decimals: {"real": "1.50"} stands for one. */
    const char *real = json_string_value(json_object_get(member, "real"));
    if (real)
        *out = (struct template_value){.kind = TEMPLATE_REAL, .text = real, .length = strlen(real)};
    else
        describe_json(member, out);
    return 0;
}

static int item_of_array(void *context, size_t index, struct template_value *out)
{
    json_t *item = json_array_get(context, index);
    if (json_is_null(item))
        return -1; /* a row that cannot be read */
    describe_json(item, out);
    return 0;
}

static int find_member(void *context, const char *name, const char **source, size_t *size)
{
    json_t *partial = json_object_get(context, name);
    if (!partial)
        return -1;
    *source = json_string_value(partial);
    *size = json_string_length(partial);
    return 0;
}

static json_t *parse_json(const char *text)
{
    json_error_t why;
    json_t *json = json_loads(text ? text : "{}", 0, &why);
    if (!json)
        fail_msg("%s: %s", text, why.text);
    return json;
}

static struct template *compile(const char *text, json_t *partials)
{
    struct template_partials source = {find_member, partials};
    return template_compile(text, strlen(text), partials ? &source : NULL, &error);
}

/* Rendered, or NULL and `error`. The caller frees. */
static char *render_with(const char *text, const char *data, const char *partials,
                         const struct template_options *options)
{
    json_t *json = parse_json(data);
    json_t *others = parse_json(partials);
    struct template_data source = {lookup_member, json};
    BUFFER_CLEAN struct buffer out = {0};
    buffer_text(&out, "before ");
    TEMPLATE_CLEAN struct template *template = compile(text, others);
    formats = arena_new();
    int result = template ? template_render(template, &source, options, &out, &error) : -1;
    json_decref(json);
    json_decref(others);
    arena_free(formats);
    assert_int_equal(open_streams, 0);
    assert_memory_equal(out.data, "before ", 7);
    if (result == 0)
        return memory_text(out.data + 7);
    assert_string_equal(buffer_string(&out), "before ");
    return NULL;
}

static void expect(const char *text, const char *data, const char *partials, int target,
                   int missing, const char *expected)
{
    struct template_options options = {.target = target, .language = "de", .missing = missing};
    FREE_CLEAN char *result = render_with(text, data, partials, &options);
    if (!result)
        fail_msg("»%s«: %s", text, error.message);
    if (strcmp(result, expected) != 0)
        fail_msg("»%s« gives\n»%s«, not\n»%s«", text, result, expected);
}

static void expect_error(const char *text, const char *data, const char *partials,
                         const char *expected)
{
    struct template_options options = {.target = TEMPLATE_AS_HTML, .language = "de"};
    FREE_CLEAN char *result = render_with(text, data, partials, &options);
    if (result)
        fail_msg("»%s« is accepted and gives »%s«", text, result);
    if (strcmp(error.message, expected) != 0)
        fail_msg("»%s« says\n»%s«, not\n»%s«", text, error.message, expected);
}

struct example {
    const char *text, *data, *expected, *partials;
};

static void check_examples(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect(examples[i].text, examples[i].data, examples[i].partials, TEMPLATE_AS_HTML,
               TEMPLATE_MISSING_EMPTY, examples[i].expected);
}

#define CHECK(...)                                                                                 \
    do {                                                                                           \
        static const struct example examples[] = {__VA_ARGS__};                                    \
        check_examples(examples, sizeof examples / sizeof *examples);                              \
    } while (0)

/* ---- mustache ---- */

static void values_are_put_in(void **state)
{
    (void)state;
    CHECK({"", "{}", ""}, {"No tags.\n", "{}", "No tags.\n"},
          {"Hallo {{who}}!", "{\"who\": \"Welt\"}", "Hallo Welt!"},
          {"{{x}}", "{\"x\": \"<a href=\\\"b\\\">'&'</a>\"}",
           "&lt;a href=&quot;b&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;"},
          {"{{{x}}} {{&x}} {{& x }} {{{ x }}}", "{\"x\": \"<&>\"}", "<&> <&> <&> <&>"},
          {"{{n}} {{{n}}} {{&n}}", "{\"n\": -85}", "-85 -85 -85"},
          {"{{r}}", "{\"r\": {\"real\": \"1.210\"}}", "1.210"},
          {"[{{x}}{{{x}}}{{&x}}]", "{\"x\": null}", "[]"}, {"[{{nowhere}}]", "{}", "[]"},
          {"{{ x }}|{{\tx\n}}", "{\"x\": \"1\"}", "1|1"}, {"  {{x}}\n", "{\"x\": \"1\"}", "  1\n"},
          {"| {{x}} |", "{\"x\": \"-\"}", "| - |"},
          {"{{First Name}}", "{\"First Name\": \"Ada\"}", "Ada"},
          {"{{Straße}}", "{\"Straße\": \"Weg 1\"}", "Weg 1"},
          {"\xEF\xBB\xBF{{x}}", "{\"x\": \"1\"}", "1"}, {"{ {x} } }}", "{}", "{ {x} } }}"});
}

static void dotted_names_go_into_records(void **state)
{
    (void)state;
    CHECK({"{{a.b.c}}", "{\"a\": {\"b\": {\"c\": \"deep\"}}}", "deep"},
          {"{{{a.b}}} {{&a.b}}", "{\"a\": {\"b\": \"<\"}}", "< <"},
          {"[{{a.b.c}}]", "{\"a\": {\"b\": {}}}", "[]"},
          {"[{{a.b.c.d}}]", "{\"a\": {\"b\": \"text\"}}", "[]"},
          /* The first part decides where: nothing is looked for further out. */
          {"[{{#a}}{{b.c}}{{/a}}]", "{\"a\": {\"b\": {}}, \"b\": {\"c\": \"wrong\"}}", "[]"},
          {"{{#a}}{{b.c}}{{/a}}", "{\"a\": {\"x\": 1}, \"b\": {\"c\": \"outer\"}}", "outer"},
          {"{{#a.b}}yes{{/a.b}}{{^a.c}}no{{/a.c}}", "{\"a\": {\"b\": 1}}", "yesno"});
}

static void sections_show_repeat_and_nest(void **state)
{
    (void)state;
    CHECK({"{{#t}}shown{{/t}}", "{\"t\": true}", "shown"},
          {"[{{#t}}hidden{{/t}}]", "{\"t\": false}", "[]"},
          {"[{{#t}}hidden{{/t}}]", "{\"t\": null}", "[]"}, {"[{{#t}}hidden{{/t}}]", "{}", "[]"},
          {"[{{#t}}hidden{{/t}}]", "{\"t\": \"\"}", "[]"},
          {"[{{#t}}hidden{{/t}}]", "{\"t\": 0}", "[]"},
          {"[{{#t}}hidden{{/t}}]", "{\"t\": {\"real\": \"-0.00e7\"}}", "[]"},
          {"[{{#t}}shown{{/t}}]", "{\"t\": {\"real\": \"0.01\"}}", "[shown]"},
          {"[{{#t}}shown{{/t}}]", "{\"t\": \"0\"}", "[shown]"},
          {"[{{#t}}hidden{{/t}}]", "{\"t\": []}", "[]"},
          {"{{#p}}{{name}}{{/p}}", "{\"p\": {\"name\": \"Joe\"}}", "Joe"},
          {"{{#p}}{{a}}{{b}}{{/p}}", "{\"p\": {\"a\": 1}, \"a\": 7, \"b\": 2}", "12"},
          {"{{#l}}{{n}};{{/l}}", "{\"l\": [{\"n\": 1}, {\"n\": 2}, {\"n\": 3}]}", "1;2;3;"},
          {"{{#l}}({{.}}){{/l}}", "{\"l\": [\"<a>\", 2]}", "(&lt;a&gt;)(2)"},
          {"{{#l}}({{{.}}}{{&.}}){{/l}}", "{\"l\": [\"<\"]}", "(<<)"},
          {"{{#l}}({{#.}}{{.}}{{/.}}){{/l}}", "{\"l\": [[1, 2], [3]]}", "(12)(3)"},
          {"{{#l}}{{#.}}{{n}}{{/.}}{{/l}}", "{\"l\": [{\"n\": 1}, {\"n\": 2}]}", "12"},
          {"{{#name}}<{{.}}>{{/name}}", "{\"name\": \"Ada\"}", "<Ada>"},
          {"{{#a}}{{#b}}{{#c}}{{x}}{{y}}{{z}}{{/c}}{{/b}}{{/a}}",
           "{\"x\": 1, \"a\": {\"y\": 2}, \"b\": {\"z\": 3}, \"c\": {\"q\": 0}}", "123"},
          {"{{#a}}{{#l}}{{n}}{{m}} {{/l}}{{/a}}{{n}}",
           "{\"a\": {\"m\": \"m\"}, \"n\": \"-\", \"l\": [{\"n\": 1}, {}]}", "1m -m -"},
          {"{{#t}}1{{/t}} {{#t}}2{{/t}}", "{\"t\": true}", "1 2"},
          {"| A {{#t}}B {{#t}}C{{/t}} D{{/t}} E |", "{\"t\": true}", "| A B C D E |"},
          {"| A {{#t}}B {{#t}}C{{/t}} D{{/t}} E |", "{\"t\": false}", "| A  E |"},
          {"|{{# t }}={{/ t }}|", "{\"t\": true}", "|=|"},
          {"{{#l}}{{#l}}{{.}}{{/l}},{{/l}}", "{\"l\": [1, 2]}", "12,12,"});
}

static void inverted_sections_show_what_is_not(void **state)
{
    (void)state;
    CHECK({"[{{^t}}shown{{/t}}]", "{\"t\": false}", "[shown]"},
          {"[{{^t}}hidden{{/t}}]", "{\"t\": true}", "[]"},
          {"[{{^t}}shown{{/t}}]", "{\"t\": null}", "[shown]"},
          {"[{{^t}}shown{{/t}}]", "{}", "[shown]"},
          {"[{{^l}}shown{{/l}}]", "{\"l\": []}", "[shown]"},
          {"[{{^l}}hidden{{/l}}]", "{\"l\": [{}]}", "[]"},
          {"[{{^p}}hidden{{/p}}]", "{\"p\": {}}", "[]"},
          {"{{^t}}{{x}}{{^u}}{{x}}{{/u}}{{/t}}", "{\"x\": 1}", "11"},
          {"{{^t}}1{{/t}}{{#t}}2{{/t}}3", "{\"t\": true}", "23"},
          {"{{^t}}1{{/t}}{{#t}}2{{/t}}3", "{}", "13"},
          {"{{^a}}b{{/a}}c{{^a}}d{{/a}}", "{\"a\": 1}", "c"});
}

static void tags_alone_in_a_line_take_it_with_them(void **state)
{
    (void)state;
    CHECK({"| a\n{{#t}}\n|\n{{/t}}\n| b\n", "{\"t\": true}", "| a\n|\n| b\n"},
          {"| a\n  {{#t}}  \n|\n\t{{/t}}\t\n| b\n", "{\"t\": true}", "| a\n|\n| b\n"},
          {"| a\n{{^t}}\n|\n{{/t}}\n| b\n", "{}", "| a\n|\n| b\n"},
          {"|\r\n{{#t}}\r\n{{/t}}\r\n|", "{\"t\": true}", "|\r\n|"},
          {"  {{#t}}\n#{{/t}}\n/", "{\"t\": true}", "#\n/"},
          {"#{{#t}}\n/\n  {{/t}}", "{\"t\": true}", "#\n/\n"},
          {" | {{#t}}\t|\t{{/t}} | \n", "{\"t\": true}", " | \t|\t | \n"},
          {" {{#t}}YES{{/t}}\n {{#t}}GOOD{{/t}}\n", "{\"t\": true}", " YES\n GOOD\n"},
          {" | {{#t}} {{! note }}\n {{/t}} | \n", "{\"t\": true}", " |  \n  | \n"},
          {"1\n{{! note }}\n2\n", "{}", "1\n2\n"}, {"1\n  {{!\n long\n note }}\n2", "{}", "1\n2"},
          {"  {{! note }}", "{}", ""}, {"1 {{! a }}{{! b }}\n", "{}", "1 \n"},
          {"{{! a }}{{! b }}\n", "{}", "\n"}, {"12{{! note }}34", "{}", "1234"},
          {"1 {{! note }} 2", "{}", "1  2"}, {"|\r\n{{! note }}\r\n|", "{}", "|\r\n|"},
          {"{{x}}\n{{#t}}\n{{x}}\n{{/t}}\n", "{\"x\": 1, \"t\": 1}", "1\n1\n"},
          {"{{#l}}\n- {{.}}\n{{/l}}\nend", "{\"l\": [1, 2]}", "- 1\n- 2\nend"});
}

static void marks_can_be_changed(void **state)
{
    (void)state;
    CHECK(
        {"{{=<% %>=}}(<%x%>) {{x}}", "{\"x\": \"1\"}", "(1) {{x}}"},
        {"({{=[ ]=}}[x])", "{\"x\": \"1\"}", "(1)"},
        {"{{= | | =}}(|x|)(|#x|y|/x|)", "{\"x\": \"1\"}", "(1)(y)"},
        {"{{=<% %>=}}<%{x}%><%& x %>", "{\"x\": \"<\"}", "<<"},
        {"{{x}}{{=@   @=}}@x@@={{ }}=@{{x}}", "{\"x\": \"1\"}", "111"},
        {"[\n{{#s}}\n  {{=| |=}}\n  |x|\n|/s|\n]", "{\"s\": 1, \"x\": \"1\"}", "[\n  1\n]"},
        {"1\n{{=@ @=}}\n2\n", "{}", "1\n2\n"}, {"| {{=@ @=}} |", "{}", "|  |"},
        {"1\r\n  {{=@ @=}}\r\n2", "{}", "1\r\n2"}, {"  {{=@ @=}}\n=", "{}", "="},
        {"=\n  {{=@ @=}}", "{}", "=\n"},
        /* Neither do partials inherit them, nor do theirs leave them. */
        {"[ {{>p}} ]{{=| |=}}[ |>p| ]", "{\"x\": \"1\"}", "[ .1. ][ .1. ]", "{\"p\": \".{{x}}.\"}"},
        {"[ {{>p}} ][ .{{x}}.  .|x|. ]", "{\"x\": \"1\"}", "[ .1.  .1. ][ .1.  .|x|. ]",
         "{\"p\": \".{{x}}. {{= | | =}} .|x|.\"}"});
}

static void partials_are_put_in_with_their_tags_indentation(void **state)
{
    (void)state;
    CHECK({"({{>p}})", "{}", "(text)", "{\"p\": \"text\"}"},
          {"({{> p }})", "{\"x\": 1}", "(1)", "{\"p\": \"{{x}}\"}"},
          {"{{#s}}{{>p}}{{/s}}", "{\"s\": {\"x\": 2}, \"x\": 1}", "*2*", "{\"p\": \"*{{x}}*\"}"},
          {"  {{x}}  {{>p}}\n", "{\"x\": \"|\"}", "  |  >\n>\n", "{\"p\": \">\\n>\"}"},
          {"|\r\n{{>p}}\r\n|", "{}", "|\r\n>|", "{\"p\": \">\"}"},
          {"  {{>p}}\n>", "{}", "  >\n  >>", "{\"p\": \">\\n>\"}"},
          {">\n  {{>p}}", "{}", ">\n  >\n  >", "{\"p\": \">\\n>\"}"},
          {"\\\n {{>p}}\n/\n", "{\"x\": \"<\\n->\"}", "\\\n |\n <\n->\n |\n/\n",
           "{\"p\": \"|\\n{{{x}}}\\n|\\n\"}"},
          {"| {{>p}} |", "{}", "| \t|\t |", "{\"p\": \"\\t|\\t\"}"},
          {"{{>outer}}", "{\"x\": 1}", "*1 2!*",
           "{\"outer\": \"*{{>inner}}*\", \"inner\": \"{{x}} 2!\"}"},
          {" {{>outer}}\n", "{}", " a\n   b\n   c\n",
           "{\"outer\": \"a\\n  {{>inner}}\\n\", \"inner\": \"b\\nc\\n\"}"},
          {"{{#l}}\n  {{>row}}\n{{/l}}\n", "{\"l\": [1, 2]}", "  - 1\n  - 2\n",
           "{\"row\": \"- {{.}}\\n\"}"},
          {"[{{>p}}]", "{}", "[]", "{\"p\": \"\"}"},
          {"  {{>p}}\n", "{\"t\": 1}", "  x\n", "{\"p\": \"{{#t}}\\nx\\n{{/t}}\\n\"}"});
}

/* ---- what is ours ---- */

static void values_are_escaped_for_their_target(void **state)
{
    (void)state;
    const char *data = "{\"x\": \"A&B <ü>\\r\\n\\t\\u0007\\u007f\\u0085\\u2028~\"}";
    expect("{{x}}", data, NULL, TEMPLATE_AS_TEXT, 0, "A&B <ü>\n\t\u2028~");
    expect("{{x}}", data, NULL, TEMPLATE_AS_HTML, 0, "A&amp;B &lt;ü&gt;\n\t\u2028~");
    expect("{{x}}", data, NULL, TEMPLATE_AS_URL, 0,
           "A%26B%20%3C%C3%BC%3E%0D%0A%09%07%7F%C2%85%E2%80%A8~");
    expect("{{x}}", data, NULL, TEMPLATE_AS_HEADER, 0, "A&B <ü>       ~");
    expect("{{x}}", "{\"x\": \"AZaz09-._~ §–\"}", NULL, TEMPLATE_AS_URL, 0,
           "AZaz09-._~%20%C2%A7%E2%80%93");
    expect("{{x}}", "{\"x\": \"§ 5 – „a“\"}", NULL, TEMPLATE_AS_HEADER, 0, "§ 5 – „a“");
}

static int lookup_text(void *context, const char *name, size_t length, struct template_value *out)
{
    (void)name;
    (void)length;
    const char *text = context;
    *out = (struct template_value){.kind = TEMPLATE_TEXT, .text = text, .length = strlen(text)};
    return 0;
}

static void every_ascii_character_is_escaped_as_told(void **state)
{
    (void)state;
    TEMPLATE_CLEAN struct template *template = compile("{{x}}", NULL);
    for (int c = 1; c < 128; c++) {
        char text[2] = {(char)c, '\0'}, percent[4];
        snprintf(percent, sizeof percent, "%%%02X", (unsigned char)c);
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool control = c < ' ' || c == 127;
        const char *kept = control && c != '\n' && c != '\t' ? "" : text;
        const char *const expected[] = {
            [TEMPLATE_AS_TEXT] = kept,
            [TEMPLATE_AS_HTML] = c == '&'    ? "&amp;"
                                 : c == '<'  ? "&lt;"
                                 : c == '>'  ? "&gt;"
                                 : c == '"'  ? "&quot;"
                                 : c == '\'' ? "&#39;"
                                             : kept,
            [TEMPLATE_AS_URL] = letter || strchr("-._~", c) ? text : percent,
            [TEMPLATE_AS_HEADER] = control ? " " : text,
        };
        for (int target = TEMPLATE_AS_TEXT; target <= TEMPLATE_AS_HEADER; target++) {
            struct template_options options = {.target = target};
            struct template_data data = {lookup_text, text};
            BUFFER_CLEAN struct buffer out = {0};
            assert_int_equal(template_render(template, &data, &options, &out, &error), 0);
            assert_string_equal(buffer_string(&out), expected[target]);
        }
    }
}

static void raw_values_stay_harmless_in_headers_and_urls(void **state)
{
    (void)state;
    const char *data = "{\"x\": \"a/b\\r\\nBcc: c\"}";
    expect("{{{x}}}", data, NULL, TEMPLATE_AS_TEXT, 0, "a/b\r\nBcc: c");
    expect("{{{x}}}", data, NULL, TEMPLATE_AS_HTML, 0, "a/b\r\nBcc: c");
    expect("/{{{x}}}{{&x}}", data, NULL, TEMPLATE_AS_URL, 0,
           "/a%2Fb%0D%0ABcc%3A%20ca%2Fb%0D%0ABcc%3A%20c");
    expect("{{{x}}}{{&x}}", data, NULL, TEMPLATE_AS_HEADER, 0, "a/b  Bcc: ca/b  Bcc: c");
    expect("Re:\n {{x}}\n", data, NULL, TEMPLATE_AS_HEADER, 0, "Re:  a/b  Bcc: c ");
}

static void formats_come_after_a_pipe(void **state)
{
    (void)state;
    CHECK({"{{n|money EUR}}", "{\"n\": {\"real\": \"1234.5\"}}", "1.234,50 €"},
          {"{{ n | number 2 }}", "{\"n\": 1480}", "1.480,00"},
          {"{{d | date long}}", "{\"d\": \"2026-11-24\"}", "24. November 2026"},
          {"{{x | upper}} {{{x | upper}}}", "{\"x\": \"<ä>\"}", "&lt;Ä&gt; <Ä>"},
          {"{{x | default \"<&>\"}}", "{\"x\": null}", "&lt;&amp;&gt;"},
          {"{{a.b | default \"-\"}}", "{}", "-"}, {"{{a | money EUR}}", "{\"a\": null}", ""},
          {"{{#l}}{{. | number 1}} {{/l}}", "{\"l\": [1, 2]}", "1,0 2,0 "});
    expect_error("a\n {{betrag | money EUR}}", "{\"betrag\": \"geheim\"}", NULL,
                 "line 2, column 2: »betrag«: the format »money« needs a number such as 1234.50, "
                 "but this is text of another form");
    expect_error("{{tag | date}}", "{\"tag\": 20261124}", NULL,
                 "line 1, column 1: »tag«: the format »date« needs a date such as 2026-11-24, but "
                 "this is an integer");
    expect_error("{{tag | upper | date}}", "{\"tag\": \"x\"}", NULL,
                 "line 1, column 1: »tag«: the format »date« needs a date such as 2026-11-24, but "
                 "this is what the format before it made");
}

static void missing_names_are_errors_unless_empty_is_wanted(void **state)
{
    (void)state;
    expect_error("Guten Tag\n{{vorname}}", "{}", NULL,
                 "line 2, column 1: there is no field »vorname« in the data; correct the name, or "
                 "say what stands for it: | default \"…\"");
    expect_error("{{#titel}}x{{/titel}}", "{}", NULL,
                 "line 1, column 1: there is no field »titel« in the data; correct the name");
    expect_error("{{>p}}", "{}", "{\"p\": \"ü {{x.y}}\"}",
                 "partial »p«, line 1, column 3: there is no field »x.y« in the data; correct the "
                 "name, or say what stands for it: | default \"…\"");
    expect_error("{{.}}", "{}", NULL,
                 "line 1, column 1: there is no field ».« in the data; correct the name, or say "
                 "what stands for it: | default \"…\"");
    expect("{{x | default \"-\"}}", "{}", NULL, TEMPLATE_AS_TEXT, TEMPLATE_MISSING_ERROR, "-");
}

static void rows_know_their_place_in_a_list(void **state)
{
    (void)state;
    CHECK(
        {"{{#l}}{{n}}{{^last}}, {{/last}}{{/l}}", "{\"l\": [{\"n\": 1}, {\"n\": 2}]}", "1, 2"},
        {"{{#l}}{{#first}}[{{/first}}{{index}}:{{.}} {{#last}}]{{/last}}{{/l}}",
         "{\"l\": [\"a\", \"b\", \"c\"]}", "[1:a 2:b 3:c ]"},
        {"{{#l}}{{#n}}{{index}}{{/n}}{{/l}}", "{\"l\": [{\"n\": 1}, {\"n\": 7}]}", "12"},
        {"{{#l}}{{#m}}{{index}}{{/m}};{{/l}}", "{\"l\": [{\"m\": [1, 2]}, {\"m\": [5]}]}", "12;1;"},
        /* a column of that name goes first, the recipient's, too */
        {"{{#l}}{{first}}{{last}}{{/l}}", "{\"last\": \"L\", \"l\": [{\"first\": \"F\"}]}", "FL"},
        {"[{{first}}{{#x}}{{index}}{{/x}}]", "{\"x\": 1}", "[]"});
}

static void lists_are_counted_and_summed_exactly(void **state)
{
    (void)state;
    CHECK(
        {"{{l.count}}", "{\"l\": [1, 2, 3]}", "3"}, {"{{l.count}}", "{\"l\": []}", "0"},
        {"{{l.sum.n}}", "{\"l\": [{\"n\": 1}, {\"n\": -3}]}", "-2"},
        {"{{l.sum.n}}", "{\"l\": [{\"n\": \"0.1\"}, {\"n\": \"0.20\"}]}", "0.30"},
        {"{{l.sum.n}}", "{\"l\": [{\"n\": \"12.50\"}, {\"n\": null}, {\"n\": \"\"}, {\"n\": 1}]}",
         "13.50"},
        {"{{l.sum.n}} {{l.min.n}} {{l.max.n}}", "{\"l\": []}", "0  "},
        {"{{l.sum.n}}", "{\"l\": [{\"n\": {\"real\": \"1.5e3\"}}, {\"n\": \" -0.25 \"}]}",
         "1499.75"},
        {"{{l.sum.n}}", "{\"l\": [{\"n\": \"-0.5\"}, {\"n\": \"0.25\"}]}", "-0.25"},
        {"{{l.sum.n}}", "{\"l\": [{\"n\": \"-0.5\"}, {\"n\": \"0.5\"}]}", "0.0"},
        {"{{l.sum.n}}",
         "{\"l\": [{\"n\": \"99999999999999999999999999999999999999.99\"}, {\"n\": \"0.01\"}]}",
         "100000000000000000000000000000000000000.00"},
        {"{{l.sum.n}}", "{\"l\": [{\"n\": 9223372036854775807}, {\"n\": 9223372036854775807}]}",
         "18446744073709551614"},
        {"{{l.min.n}} {{l.max.n}}",
         "{\"l\": [{\"n\": \"2.5\"}, {\"n\": 10}, {\"n\": \"-3\"}, {\"n\": \"2.50\"}]}", "-3 10"},
        {"{{l.min.n}} {{l.max.n}}", "{\"l\": [{\"n\": \"-0.0\"}, {\"n\": \"0\"}]}", "-0.0 -0.0"},
        {"{{l.min.d | date}} {{l.max.d | date}}",
         "{\"l\": [{\"d\": \"2026-11-24\"}, {\"d\": \"2026-02-03 14:00\"}, {\"d\": "
         "\"2027-01-01\"}]}",
         "03.02.2026 01.01.2027"},
        {"{{l.sum.n | money EUR}} {{l.count | number 2}}",
         "{\"l\": [{\"n\": \"1000.1\"}, {\"n\": \"0.2\"}]}", "1.000,30 € 2,00"},
        {"{{#l.sum.n}}owed{{/l.sum.n}}{{^l.sum.n}}nothing{{/l.sum.n}}",
         "{\"l\": [{\"n\": \"1.0\"}, {\"n\": \"-1.0\"}]}", "nothing"},
        {"{{#l}}{{m.sum.n}},{{m.count}};{{/l}}",
         "{\"l\": [{\"m\": [{\"n\": 1}, {\"n\": 2}]}, {\"m\": [{\"n\": 5}]}]}", "3,2;5,1;"},
        {"{{#l}}{{n}}/{{l.sum.n}} {{/l}}", "{\"l\": [{\"n\": 1}, {\"n\": 2}]}", "1/3 2/3 "},
        /* a record's own names are its own */
        {"{{r.count}} {{r.sum.x}}", "{\"r\": {\"count\": \"c\", \"sum\": {\"x\": \"s\"}}}", "c s"});
}

static void totals_that_cannot_be_had_say_why(void **state)
{
    (void)state;
    expect_error("ab {{l.sum.n}}", "{\"l\": [{\"n\": 1}, {\"n\": \"1,50\"}]}", NULL,
                 "line 1, column 4: »l.sum.n«: row 2 of »l« has no number in the column »n«; let "
                 "the query deliver numbers with a point, such as 1234.50");
    expect_error("{{l.max.n}}", "{\"l\": [{\"n\": \"2026-01-01\"}, {\"n\": 1}]}", NULL,
                 "line 1, column 1: »l.max.n«: row 2 of »l« has no date in the column »n«; let "
                 "the query deliver dates alone, or numbers with a point, such as 1234.50");
    expect_error("{{l.min.n}}", "{\"l\": [{\"n\": 1}, {\"n\": \"2026-01-01\"}]}", NULL,
                 "line 1, column 1: »l.min.n«: row 2 of »l« has no number in the column »n«; let "
                 "the query deliver numbers with a point, such as 1234.50");
    expect_error("{{l.sum.d}}", "{\"l\": [{\"d\": \"2026-01-01\"}]}", NULL,
                 "line 1, column 1: »l.sum.d«: row 1 of »l« has no number in the column »d«; let "
                 "the query deliver numbers with a point, such as 1234.50");
    expect_error("{{l.sum.x}}", "{\"l\": [{\"n\": 1}]}", NULL,
                 "line 1, column 1: the rows of »l« have no column »x«; correct the name");
    expect_error("{{l.sum.x}}", "{\"l\": {\"stream\": [], \"columns\": {\"n\": \"\"}}}", NULL,
                 "line 1, column 1: the rows of »l« have no column »x«; correct the name");
    expect_error("{{l.average.n}}", "{\"l\": [{\"n\": 1}]}", NULL,
                 "line 1, column 1: there is no field »l.average.n« in the data; correct the name, "
                 "or say what stands for it: | default \"…\"");
    /* 1 MB of blanks, or of zeros in an exponent, around a number that would be one */
    BUFFER_CLEAN struct buffer data = {0};
    buffer_text(&data, "{\"l\": [{\"n\": \"1e");
    for (int i = 0; i < 1000000; i++)
        buffer_char(&data, '0');
    buffer_text(&data, "1\"}]}");
    expect_error("{{l.max.n}}", buffer_string(&data), NULL,
                 "line 1, column 1: »l.max.n«: row 1 of »l« has no number in the column »n«; let "
                 "the query deliver numbers with a point, such as 1234.50");
}

static void a_hundred_thousand_tenths_are_ten_thousand(void **state)
{
    (void)state;
    BUFFER_CLEAN struct buffer data = {0};
    buffer_text(&data, "{\"l\": {\"columns\": {\"n\": \"\"}, \"stream\": [{\"n\": \"0.1\"}");
    for (int i = 1; i < 100000; i++)
        buffer_text(&data, ",{\"n\":\"0.1\"}");
    buffer_text(&data, "]}}");
    items_read = 0;
    expect("{{l.sum.n}} {{l.count}} {{#l}}{{#last}}{{l.sum.n}}{{/last}}{{/l}}",
           buffer_string(&data), NULL, TEMPLATE_AS_TEXT, TEMPLATE_MISSING_ERROR,
           "10000.0 100000 10000.0");
    assert_int_equal(items_read, 300000); /* once for each place that says it, and once to walk */
}

static void streams_are_closed_whatever_happens(void **state)
{
    (void)state;
    static const char data[] =
        "{\"l\": {\"stream\": [{\"n\": 1}, {\"n\": 2}], \"columns\": {\"n\": "
        "\"money EUR\"}}, \"x\": \"X\"}";
    most_streams = 0;
    expect("{{#l}}{{#l}}{{n}}{{/l}}{{x}}{{/l}}{{^l}}none{{/l}} {{l.count}}", data, NULL,
           TEMPLATE_AS_TEXT, TEMPLATE_MISSING_ERROR, "12X12X 2");
    assert_int_equal(most_streams, 2);
    expect_error("{{#l}}{{#l}}{{nowhere}}{{/l}}{{/l}}", data, NULL,
                 "line 1, column 13: there is no field »nowhere« in the data; correct the name, or "
                 "say what stands for it: | default \"…\"");
    /* a list's column knows its format where there is no row to show it */
    expect("{{l.sum.n}}", data, NULL, TEMPLATE_AS_TEXT, TEMPLATE_MISSING_ERROR, "3");
    expect("{{l.sum.n}}", "{\"l\": {\"stream\": [], \"columns\": {\"n\": \"money EUR\"}}}", NULL,
           TEMPLATE_AS_TEXT, TEMPLATE_MISSING_ERROR, "0,00 €");
}

static void a_fields_own_format_is_its_default(void **state)
{
    (void)state;
    CHECK(
        {"{{n}}", "{\"n\": {\"own\": \"money EUR\", \"of\": \"12.5\"}}", "12,50 €"},
        {"{{n | number 1}}", "{\"n\": {\"own\": \"money EUR\", \"of\": \"12.5\"}}", "12,5"},
        {"{{n | plain}}", "{\"n\": {\"own\": \"money EUR\", \"of\": \"12.5\"}}", "12.5"},
        {"{{n | default \"–\"}}", "{\"n\": {\"own\": \"money EUR\", \"of\": \"12.5\"}}", "12,50 €"},
        {"{{n | default \"–\"}}", "{\"n\": {\"own\": \"money EUR\", \"of\": null}}", "–"},
        {"[{{n}}]", "{\"n\": {\"own\": \"money EUR\", \"of\": null}}", "[]"},
        {"{{#n}}{{.}}{{/n}}", "{\"n\": {\"own\": \"date long\", \"of\": \"2026-11-24\"}}",
         "24. November 2026"},
        {"{{n | upper}}", "{\"n\": {\"own\": \"date long\", \"of\": \"2026-11-24\"}}",
         "2026-11-24"},
        {"{{l.sum.n}} {{l.max.n}}",
         "{\"l\": [{\"n\": {\"own\": \"money EUR\", \"of\": \"2\"}}, {\"n\": {\"own\": \"money "
         "EUR\", \"of\": \"0.5\"}}]}",
         "2,50 € 2,00 €"});
    expect_error("x{{n}}", "{\"n\": {\"own\": \"money EUR\", \"of\": \"much\"}}", NULL,
                 "line 1, column 2: »n«: the format »money« needs a number such as 1234.50, but "
                 "this is text of another form");
}

static void lists_and_rows_are_no_values(void **state)
{
    (void)state;
    expect_error("{{l}}", "{\"l\": [1]}", NULL,
                 "line 1, column 1: »l« is a list, not one value; write {{#l}} … {{/l}} around "
                 "what it is for");
    expect_error("{{r | upper}}", "{\"r\": {}}", NULL,
                 "line 1, column 1: »r« is a row, not one value; write {{#r}} … {{/r}} around what "
                 "it is for");
    expect_error("{{#l}}{{.}}{{/l}}", "{\"l\": [1, null]}", NULL,
                 "line 1, column 1: row 2 of »l« could not be read");
}

static void errors_of_the_text_say_where_and_what_to_write(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message, *partials;
    } wrong[] = {
        {"Ä {{name", "line 1, column 3: the tag that is opened here with {{ is never closed; write "
                     "}} where it ends"},
        {"{{name} und {{ort}}", "line 1, column 1: the tag that is opened here with {{ is never "
                                "closed; write }} where it ends"},
        {"{{{name}}", "line 1, column 1: the tag that is opened here with {{ is never closed; "
                      "write }}} where it ends"},
        {"a\nb {{#a}} c\n", "line 2, column 3: the section {{#a}} that is opened here is never "
                            "closed; write {{/a}} where it ends"},
        {"{{^a}}",
         "line 1, column 1: the section {{^a}} that is opened here is never closed; write "
         "{{/a}} where it ends"},
        {"{{/a}}",
         "line 1, column 1: {{/a}} closes a section that is not open; write {{#a}} before "
         "it, or take it away"},
        {"{{#a}}{{#b}}\n{{/a}}",
         "line 2, column 1: {{/a}} stands here, but the section opened last "
         "is »b« (line 1, column 7); write {{/b}} first"},
        {"{{#a}}{{>p}}{{/a}}",
         "partial »p«, line 1, column 1: {{/a}} closes a section that is not "
         "open; write {{#a}} before it, or take it away",
         "{\"p\": \"{{/a}}\"}"},
        {"    {{>p}}",
         "partial »p«, line 2, column 2: the tag that is opened here with {{ is "
         "never closed; write }} where it ends",
         "{\"p\": \"a\\nb{{\"}"},
        {"{{}}", "line 1, column 1: a tag without a name; write one, such as {{name}}"},
        {"{{# }}", "line 1, column 1: a tag without a name; write one, such as {{name}}"},
        {"{{a..b}}", "line 1, column 1: the name »a..b« has a dot with nothing on one side; write "
                     "name.name, or . alone"},
        {"{{.a}}", "line 1, column 1: the name ».a« has a dot with nothing on one side; write "
                   "name.name, or . alone"},
        {"{{a.}}", "line 1, column 1: the name »a.« has a dot with nothing on one side; write "
                   "name.name, or . alone"},
        {"{{a\nb}}", "line 1, column 1: a name with a line break or control character in it; is "
                     "the closing }} missing?"},
        {"{{$block}}", "line 1, column 1: {{$ is no tag of this language; a name does not begin "
                       "with $"},
        {"{{<p}}",
         "line 1, column 1: {{< is no tag of this language; a name does not begin with <"},
        {"{{>*p}}", "line 1, column 1: {{* is no tag of this language; a name does not begin with "
                    "*"},
        {"{{#a | upper}}{{/a}}", "line 1, column 1: a section takes no format; write it on the "
                                 "values inside, as in {{name | upper}}"},
        {"{{a | shout}}", "line 1, column 1: there is no format »shout«; there are money, number, "
                          "date, time, yes/no, telephone, upper, lower, plain and default"},
        {"{{=a=}}", "line 1, column 1: new marks are written as {{=<% %>=}}: two of them, up to 15 "
                    "bytes each, without = and blanks"},
        {"{{=a b c=}}",
         "line 1, column 1: new marks are written as {{=<% %>=}}: two of them, up to "
         "15 bytes each, without = and blanks"},
        {"{{=<% %>=}}<%#a%>", "line 1, column 12: the section <%#a%> that is opened here is never "
                              "closed; write <%/a%> where it ends"},
        {"{{>p}}", "line 1, column 1: there is no partial »p«; make one of that name, or correct "
                   "the name"},
        {"x {{>a}}",
         "partial »b«, line 1, column 1: the partial »a« contains itself; take {{>a}} "
         "out of it",
         "{\"a\": \"{{>b}}\", \"b\": \"{{>a}}\"}"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_error(wrong[i].text, "{}", wrong[i].partials, wrong[i].message);
}

static void a_template_without_partials_refuses_them(void **state)
{
    (void)state;
    assert_null(compile("{{>p}}", NULL));
    assert_null(template_compile("\xFF", 1, NULL, &error));
    assert_string_equal(error.message, "the template is not UTF-8; store it as UTF-8");
    assert_null(template_compile("{{", 2, NULL, NULL));
}

static void note_name(void *context, const struct template_name *name)
{
    buffer_printf(context, "%s%s@%s%d:%d%s%s%s ", name->is_section ? "#" : "", name->name,
                  name->partial ? name->partial : "", name->line, name->column,
                  name->has_default ? "?" : "", name->in_section ? "<" : "",
                  name->in_section ? name->in_section->name : "");
}

static void names_are_told_before_a_run(void **state)
{
    (void)state;
    json_t *partials = parse_json("{\"p\": \"{{c}}\"}");
    BUFFER_CLEAN struct buffer names = {0};
    TEMPLATE_CLEAN struct template *template =
        compile("{{a.b}}\n{{#l}}{{n}}{{^m}}{{k}}{{/m}}{{.}}{{/l}}{{^z}}{{y | default 1}}{{/z}}\n"
                "   {{>p}}",
                partials);
    assert_non_null(template);
    template_names(template, note_name, &names);
    assert_string_equal(buffer_string(&names),
                        "a@1:1 #l@2:1 n@2:7<l #m@2:12<l k@2:18<l #z@2:40 y@2:46? c@p1:1 ");
    json_decref(partials);
}

/* ---- bounds ---- */

static void refuse(const char *text, size_t size, const char *part_of_message)
{
    int64_t start_us = clock_monotonic_us();
    struct template *template = template_compile(text, size, NULL, &error);
    assert_null(template);
    if (!strstr(error.message, part_of_message))
        fail_msg("%s", error.message);
    assert_true(clock_monotonic_us() - start_us < 2000000);
}

static void repeat(struct buffer *out, const char *text, int count)
{
    buffer_clear(out);
    for (int i = 0; i < count; i++)
        buffer_text(out, text);
}

static void hostile_templates_are_refused_quickly(void **state)
{
    (void)state;
    BUFFER_CLEAN struct buffer text = {0};
    repeat(&text, "{{#a}}", 100000);
    refuse(text.data, text.size, "more than 64 sections in each other");
    repeat(&text, "{{^a}}", 65);
    refuse(text.data, text.size, "more than 64 sections in each other");
    repeat(&text, "{{a}}", 100001);
    refuse(text.data, text.size, "more than 100000 tags");
    repeat(&text, "{{", 500000);
    refuse(text.data, text.size, "never closed");
    repeat(&text, "{{!}}", 150000);
    refuse(text.data, text.size, "more than 100000 tags");
    repeat(&text, "          ", 104858);
    refuse(text.data, text.size, "the template has 1048580 bytes; at most 1048576 are allowed");
    repeat(&text, "x", 300);
    text.data[0] = text.data[1] = '{';
    text.data[298] = text.data[299] = '}';
    refuse(text.data, text.size, "a name of 296 bytes; at most 200 are allowed");
}

static int find_newlines(void *context, const char *name, const char **source, size_t *size)
{
    (void)name;
    const struct buffer *newlines = context;
    *source = newlines->data;
    *size = newlines->size;
    return 0;
}

static void partials_cannot_grow_without_bound(void **state)
{
    (void)state;
    BUFFER_CLEAN struct buffer newlines = {0};
    repeat(&newlines, "\n", 1000000);
    struct template_partials partials = {find_newlines, &newlines};
    assert_null(template_compile("          {{>p}}", 16, &partials, &error));
    assert_string_equal(error.message, "line 1, column 11: with all partials put in, the text is "
                                       "longer than 4194304 bytes; use fewer or shorter ones");
}

static const char *levels[32];

static int find_level(void *context, const char *name, const char **source, size_t *size)
{
    (void)context;
    *source = levels[atoi(name)];
    *size = strlen(*source);
    return 0;
}

static void partials_in_partials_are_bounded(void **state)
{
    (void)state;
    static char texts[32][40];
    struct template_partials partials = {find_level, NULL};
    for (int i = 0; i < 32; i++) {
        snprintf(texts[i], sizeof texts[i], "{{>%d}}{{>%d}}", i + 1, i + 1);
        levels[i] = texts[i];
    }
    assert_null(template_compile("{{>0}}", 6, &partials, &error));
    assert_non_null(strstr(error.message, "more than 16 partials in each other"));
    levels[15] = "x";
    assert_null(template_compile("{{>0}}{{>0}}{{>0}}", 18, &partials, &error));
    assert_non_null(strstr(error.message, "more than 100000 tags"));
}

static void the_output_is_bounded(void **state)
{
    (void)state;
    struct template_options options = {.target = TEMPLATE_AS_HTML, .output_limit = 10};
    FREE_CLEAN char *fits = render_with("{{x}}56789a", "{\"x\": \"1234\"}", NULL, &options);
    assert_string_equal(fits, "123456789a");
    assert_null(render_with("{{x}}56789ab", "{\"x\": \"1234\"}", NULL, &options));
    assert_null(render_with("{{x}}", "{\"x\": \"<<<\"}", NULL, &options));
    assert_null(render_with("{{x}}", "{\"x\": \"12345678901\"}", NULL, &options));
    assert_string_equal(error.message, "the finished text would be longer than 10 bytes; shorten "
                                       "the template or its lists");
}

static int endless_item(void *context, size_t index, struct template_value *out)
{
    (void)index;
    out->kind = TEMPLATE_LIST;
    out->list = (struct template_list){SIZE_MAX, endless_item, context};
    return 0;
}

static int endless_lookup(void *context, const char *name, size_t length,
                          struct template_value *out)
{
    (void)name;
    (void)length;
    return endless_item(context, 0, out);
}

static void lists_in_lists_end(void **state)
{
    (void)state;
    struct template_options options = {.target = TEMPLATE_AS_TEXT};
    struct template_data data = {endless_lookup, NULL};
    BUFFER_CLEAN struct buffer out = {0};
    TEMPLATE_CLEAN struct template *template =
        compile("{{#a}}{{#b}}{{#c}}{{/c}}{{/b}}{{/a}}", NULL);
    assert_int_equal(template_render(template, &data, &options, &out, &error), -1);
    assert_non_null(strstr(error.message, "go over too many rows"));
}

/* A generator that is the same everywhere. */
static uint32_t random_next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void render_anything(const char *text, size_t size, json_t *data, json_t *partials)
{
    struct template_partials others = {find_member, partials};
    struct template_data source = {lookup_member, data};
    TEMPLATE_CLEAN struct template *template = template_compile(text, size, &others, &error);
    if (!template) {
        assert_true(error.message[0]);
        return;
    }
    for (int target = TEMPLATE_AS_TEXT; target <= TEMPLATE_AS_HEADER; target++) {
        struct template_options options = {
            .target = target, .language = "de", .missing = 1, .output_limit = 4000};
        BUFFER_CLEAN struct buffer out = {0};
        if (template_render(template, &source, &options, &out, &error) == 0)
            assert_true(out.size <= 4000 && text_is_utf8(out.data, out.size));
    }
}

static void random_texts_do_no_harm(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "{{",    "}}",      "{{{",      "}}}",  "{{#l}}", "{{/l}}",  "{{^l}}",   "{{x}}",
        "\n",    "  ",      "{{>",      "p}}",  "{{!",    "{{=",     "=}}",      "| |",
        "|",     "default", "\"",       "ü",    ".",      "r",       "\\",       "\r\n",
        "money", "EUR",     "number 2", "date", "{{.}}",  "{{r.y}}", "<% ",      " %>",
        "l",     "x",       "{{>p}}",   "&",    "/",      "#",       "\xC2\x85", "\0"};
    json_t *data = parse_json("{\"x\": \"<ß\\r\\n\\u0007>\", \"l\": [1, [2, 3], {\"x\": 5}], "
                              "\"r\": {\"y\": \"2026-11-24\"}}");
    json_t *partials = parse_json("{\"p\": \"- {{x}}\\n{{#l}}{{.}}{{/l}}\\n\"}");
    uint64_t seed = 20261124;
    BUFFER_CLEAN struct buffer text = {0};
    for (int round = 0; round < 20000; round++) {
        buffer_clear(&text);
        for (uint32_t left = random_next(&seed) % 24; left; left--) {
            const char *piece = pieces[random_next(&seed) % (sizeof pieces / sizeof *pieces)];
            buffer_append(&text, piece, *piece ? strlen(piece) : 1);
        }
        if (text.size && random_next(&seed) % 8 == 0)
            text.data[random_next(&seed) % text.size] = (char)random_next(&seed);
        /* A copy of the exact size, so that the sanitizer sees a read past the end. */
        FREE_CLEAN char *exact = memory_resize(NULL, text.size);
        if (text.size)
            memcpy(exact, text.data, text.size);
        render_anything(exact, text.size, data, partials);
    }
    json_decref(data);
    json_decref(partials);
}

/* ---- threads and speed ---- */

static void *render_many(void *context)
{
    const struct template *template = context;
    json_t *json = parse_json("{\"l\": [1, 2, 3]}");
    struct template_data data = {lookup_member, json};
    struct template_options options = {.target = TEMPLATE_AS_TEXT, .language = "de"};
    int wrong = 0;
    for (int i = 0; i < 2000; i++) {
        BUFFER_CLEAN struct buffer out = {0};
        wrong += template_render(template, &data, &options, &out, NULL) < 0 ||
                 strcmp(buffer_string(&out), "1,00 €2,00 €3,00 €") != 0;
    }
    json_decref(json);
    return wrong ? context : NULL;
}

static void threads_share_one_template(void **state)
{
    (void)state;
    TEMPLATE_CLEAN struct template *template = compile("{{#l}}{{. | money EUR}}{{/l}}", NULL);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, render_many, template), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

static int lookup_plain(void *context, const char *name, size_t length, struct template_value *out)
{
    (void)context;
    (void)name;
    out->kind = TEMPLATE_TEXT;
    out->text = "Müller & Söhne";
    out->length = 16 + (length > 100);
    return 0;
}

/* 5 KB and 20 values take about a microsecond; the bound leaves room for a busy machine. */
static void rendering_takes_microseconds(void **state)
{
    (void)state;
    BUFFER_CLEAN struct buffer text = {0};
    for (int i = 0; i < 20; i++)
        buffer_printf(&text, "%0240d{{name%d}}", i, i);
    TEMPLATE_CLEAN struct template *template = compile(text.data, NULL);
    struct template_data data = {lookup_plain, NULL};
    struct template_options options = {.target = TEMPLATE_AS_HTML, .language = "de"};
    BUFFER_CLEAN struct buffer out = {0};
    const int rounds = 20000;
    int64_t start_us = clock_monotonic_us();
    for (int i = 0; i < rounds; i++) {
        buffer_clear(&out);
        assert_int_equal(template_render(template, &data, &options, &out, &error), 0);
    }
    double each_us = (double)(clock_monotonic_us() - start_us) / rounds;
    print_message("%zu bytes with 20 values: %.2f us\n", text.size, each_us);
    assert_true(each_us < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_put_in),
        cmocka_unit_test(dotted_names_go_into_records),
        cmocka_unit_test(sections_show_repeat_and_nest),
        cmocka_unit_test(inverted_sections_show_what_is_not),
        cmocka_unit_test(tags_alone_in_a_line_take_it_with_them),
        cmocka_unit_test(marks_can_be_changed),
        cmocka_unit_test(partials_are_put_in_with_their_tags_indentation),
        cmocka_unit_test(values_are_escaped_for_their_target),
        cmocka_unit_test(every_ascii_character_is_escaped_as_told),
        cmocka_unit_test(raw_values_stay_harmless_in_headers_and_urls),
        cmocka_unit_test(formats_come_after_a_pipe),
        cmocka_unit_test(missing_names_are_errors_unless_empty_is_wanted),
        cmocka_unit_test(rows_know_their_place_in_a_list),
        cmocka_unit_test(lists_are_counted_and_summed_exactly),
        cmocka_unit_test(totals_that_cannot_be_had_say_why),
        cmocka_unit_test(a_hundred_thousand_tenths_are_ten_thousand),
        cmocka_unit_test(streams_are_closed_whatever_happens),
        cmocka_unit_test(a_fields_own_format_is_its_default),
        cmocka_unit_test(lists_and_rows_are_no_values),
        cmocka_unit_test(errors_of_the_text_say_where_and_what_to_write),
        cmocka_unit_test(a_template_without_partials_refuses_them),
        cmocka_unit_test(names_are_told_before_a_run),
        cmocka_unit_test(hostile_templates_are_refused_quickly),
        cmocka_unit_test(partials_cannot_grow_without_bound),
        cmocka_unit_test(partials_in_partials_are_bounded),
        cmocka_unit_test(the_output_is_bounded),
        cmocka_unit_test(lists_in_lists_end),
        cmocka_unit_test(random_texts_do_no_harm),
        cmocka_unit_test(threads_share_one_template),
        cmocka_unit_test(rendering_takes_microseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
