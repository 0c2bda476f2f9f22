/* Letters as a worker makes them: letter.so opened, HTML in, PDF out. */

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/memory.h"
#include "report/letter.h"

static const struct letter_api *api;
static struct letter_engine *engine;

struct outcome {
    int result;
    unsigned pages;
    struct error error;
    struct buffer pdf;
    struct buffer warnings; /* "line:column: message\n" … */
};

static const char *const file_name = "logo.png";
static const void *file_data;
static size_t file_size;

static const void *find_file(void *context, const char *name, size_t *size)
{
    (void)context;
    *size = file_size;
    return strcmp(name, file_name) == 0 ? file_data : NULL;
}

static void warn(void *context, unsigned line, unsigned column, const char *message)
{
    buffer_printf(context, "%u:%u: %s\n", line, column, message);
}

static struct outcome render_bytes(const char *html, size_t size)
{
    struct outcome outcome = {0};
    struct letter_request request = {
        .html = html,
        .html_size = size,
        .title = "Rechnung",
        .author = "Alpenrad Manufaktur GmbH",
        .language = "de",
        .created_us = INT64_C(1795000000000000),
        .find_file = find_file,
        .warn = warn,
        .context = &outcome.warnings,
        .pages = &outcome.pages,
    };
    outcome.result = api->render(engine, &request, &outcome.pdf, &outcome.error);
    return outcome;
}

static struct outcome render(const char *html)
{
    return render_bytes(html, strlen(html));
}

static void outcome_free(struct outcome *outcome)
{
    buffer_free(&outcome->pdf);
    buffer_free(&outcome->warnings);
}

#define OUTCOME_CLEAN __attribute__((cleanup(outcome_free)))

static bool has(const struct buffer *buffer, const char *text)
{
    return buffer->size && memmem(buffer->data, buffer->size, text, strlen(text));
}

static void assert_fails(const char *html, const char *message)
{
    OUTCOME_CLEAN struct outcome outcome = render(html);
    assert_int_equal(outcome.result, -1);
    assert_int_equal(outcome.error.code, ERROR_INPUT);
    if (!strstr(outcome.error.message, message))
        fail_msg("»%s« is not in »%s«", message, outcome.error.message);
    assert_int_equal(outcome.pdf.size, 0);
}

static void assert_warns(const char *html, const char *warning)
{
    OUTCOME_CLEAN struct outcome outcome = render(html);
    if (outcome.result)
        fail_msg("%s", outcome.error.message);
    if (!has(&outcome.warnings, warning))
        fail_msg("»%s« is not in »%s«", warning, buffer_string(&outcome.warnings));
}

static void assert_pages(const char *html, unsigned least, unsigned most)
{
    OUTCOME_CLEAN struct outcome outcome = render(html);
    if (outcome.result)
        fail_msg("%s", outcome.error.message);
    assert_in_range(outcome.pages, least, most);
}

/* `count` times `text` between `before` and `after`. */
static char *repeated(const char *before, const char *text, unsigned count, const char *after)
{
    struct buffer buffer = {0};
    buffer_text(&buffer, before);
    for (unsigned i = 0; i < count; i++)
        buffer_text(&buffer, text);
    buffer_text(&buffer, after);
    return buffer_steal(&buffer);
}

#define ADDRESS "<address class=window>Łucja Žák<br><br>Große Straße 1<br>87435 Kempten</address>"

/* ---- what is made ---- */

static void letter_is_a_pdf_with_title_language_and_embedded_fonts(void **state)
{
    (void)state;
    OUTCOME_CLEAN struct outcome outcome =
        render("<body class=din5008-b>" ADDRESS "<p>Sehr geehrte Frau Žák,</p>");
    assert_int_equal(outcome.result, 0);
    assert_int_equal(outcome.pages, 1);
    assert_int_equal(outcome.warnings.size, 0);
    assert_memory_equal(outcome.pdf.data, "%PDF-1.", 7);
    assert_true(has(&outcome.pdf, "/Lang (de)"));
    assert_true(has(&outcome.pdf, "(Rechnung)"));
    assert_true(has(&outcome.pdf, "+LiberationSans"));
    assert_true(has(&outcome.pdf, "/CreationDate (D:20261118110640"));
    assert_true(outcome.pdf.size < 40 * 1024);
}

static void table_of_offsets_is_where_the_file_says(void **state)
{
    (void)state;
    OUTCOME_CLEAN struct outcome outcome = render("<p>Text");
    assert_int_equal(outcome.result, 0);
    const char *start = memmem(outcome.pdf.data, outcome.pdf.size, "startxref\n", 10);
    assert_non_null(start);
    size_t offset = strtoul(start + 10, NULL, 10);
    assert_true(offset + 4 < outcome.pdf.size);
    assert_memory_equal(outcome.pdf.data + offset, "xref", 4);
}

static void same_request_gives_the_same_bytes(void **state)
{
    (void)state;
    static const char html[] =
        "<body class=din5008-a>" ADDRESS "<p>Text<table><tr><td>1<td>2</table>";
    OUTCOME_CLEAN struct outcome first = render(html);
    OUTCOME_CLEAN struct outcome other = render("<h1>Another letter between them</h1>");
    assert_int_equal(other.result, 0);
    OUTCOME_CLEAN struct outcome second = render(html);
    assert_int_equal(first.pdf.size, second.pdf.size);
    assert_memory_equal(first.pdf.data, second.pdf.data, first.pdf.size);
}

static void pdf_is_appended(void **state)
{
    (void)state;
    struct buffer pdf = {0};
    struct error error;
    struct letter_request request = {.html = "<p>Text", .html_size = 7};
    buffer_text(&pdf, "before");
    assert_int_equal(api->render(engine, &request, &pdf, &error), 0);
    assert_memory_equal(pdf.data, "before%PDF-", 11);
    buffer_free(&pdf);
}

static void long_text_flows_over_pages(void **state)
{
    (void)state;
    FREE_CLEAN char *html = repeated(
        "<body class=din5008-b>" ADDRESS,
        "<p>Ein Absatz, der lang genug ist, um mehr als eine Zeile der Seite zu füllen, und "
        "noch etwas länger.</p>",
        80, "<footer>Fuß</footer>");
    assert_pages(html, 4, 5);
}

static void long_table_flows_over_pages_with_its_heading(void **state)
{
    (void)state;
    FREE_CLEAN char *plain = repeated("<table>", "<tr><td>Zeile</td></tr>", 130, "</table>");
    FREE_CLEAN char *headed =
        repeated("<table><thead><tr><th style='padding: 40mm 0'>Kopf</th></tr></thead>",
                 "<tr><td>Zeile</td></tr>", 130, "</table>");
    assert_pages(plain, 4, 4);
    assert_pages(headed, 6, 7);
}

static void heading_stays_with_its_paragraph(void **state)
{
    (void)state;
    FREE_CLEAN char *alone =
        repeated("<div style='padding-top: 237mm'></div>", "<h2>Titel</h2>", 1, "");
    FREE_CLEAN char *followed = repeated("<div style='padding-top: 230mm'></div><p>Text</p>",
                                         "<h2>Titel</h2><p>Ein<br>Absatz", 1, "");
    assert_pages(alone, 1, 1);
    assert_pages(followed, 2, 2);
}

static void page_break_is_obeyed(void **state)
{
    (void)state;
    assert_pages(
        "<p>Eins<p style='page-break-before: always'>Zwei<p style='break-before: page'>Drei", 3, 3);
}

/* ---- pictures ---- */

static void use_demo_logo(void)
{
    static char bytes[65536];
    FILE *file = fopen("conf/demo/logo.png", "rb");
    assert_non_null(file);
    file_size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    file_data = bytes;
}

static void picture_is_drawn(void **state)
{
    (void)state;
    use_demo_logo();
    OUTCOME_CLEAN struct outcome outcome =
        render("<p><img src=logo.png width=50mm> <img src='logo.png' style='width: 10%'>");
    assert_int_equal(outcome.result, 0);
    assert_int_equal(outcome.warnings.size, 0);
    assert_true(has(&outcome.pdf, "/Subtype /Image"));
}

static void picture_that_is_missing_is_an_error(void **state)
{
    (void)state;
    assert_fails("<p>\n<img src='../etc/passwd'>", "line 2: there is no picture »../etc/passwd«");
    assert_fails("<img>", "no src");
}

static void picture_is_checked_before_it_is_decoded(void **state)
{
    (void)state;
    unsigned char bytes[64] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x70\0\0\0\x70\0\x08\x02";
    file_data = bytes;
    file_size = sizeof bytes;
    assert_fails("<img src=logo.png>", "28672 × 28672 pixels");
    bytes[18] = bytes[22] = 0;
    bytes[19] = bytes[23] = 9;
    assert_fails("<img src=logo.png>", "is damaged");
    memcpy(bytes, "GIF8", 4);
    assert_fails("<img src=logo.png>", "no PNG");
    file_size = LETTER_MAX_IMAGE + 1;
    assert_fails("<img src=logo.png>", "bytes");
}

/* ---- the window ---- */

static void address_must_fit_its_window(void **state)
{
    (void)state;
    assert_fails(
        "<body class=din5008-b>\n<address class=window>1<br>2<br>3<br>4<br>5<br>6<br>7</address>",
        "line 2: the address takes");
    assert_pages("<body class=din5008-b><address class=window>1<br>2<br>3<br>4<br>5<br>6</address>",
                 1, 1);
    assert_fails("<body class=din5008-b><address class=window> <br> </address>",
                 "address is empty");
    assert_warns(
        "<body class=din5008-b>\n<address class=window>Gesellschaft für außergewöhnlich lange "
        "Namen in schmalen Fenstern mbH</address>",
        "2:1: an address line is wider");
    assert_warns("<body class=din5008-b><p>Text", "no <address");
}

static void empty_address_lines_collapse(void **state)
{
    (void)state;
    assert_pages(
        "<body class=din5008-b><address class=window>1<br><br> <br>2<br><br>3<br>4<br>5<br>6<br>"
        "<br></address>",
        1, 1);
}

static void window_type_has_limits(void **state)
{
    (void)state;
    assert_warns("<body class=din5008-b><address class=window style='font-size: 14pt'>1</address>",
                 "9 to 11 pt");
    assert_warns("<body class=din5008-a>" ADDRESS
                 "<div class=return-line style='font-size: 12pt'>x</div>",
                 "6 to 8 pt");
}

static void letterhead_and_return_line_must_fit(void **state)
{
    (void)state;
    FREE_CLEAN char *line = repeated("<body class=din5008-b>" ADDRESS "<div class=return-line>",
                                     "Alpenrad Manufaktur ", 10, "</div>");
    assert_fails(line, "return line does not fit");
    assert_fails("<body class=din5008-a>" ADDRESS "<header style='padding-top: 20mm'>Kopf</header>",
                 "the letterhead reaches down");
}

/* ---- warnings ---- */

static void what_is_outside_the_subset_warns_with_line_and_column(void **state)
{
    (void)state;
    assert_warns("<p>\n  <marquee>Text</marquee>", "2:3: <marquee> is not known");
    assert_warns("<p>\n<p onclick='x'>Text", "2:4: the attribute »onclick«");
    assert_warns("<p>Text\n<p style='color: red; float: left'>Text",
                 "2:23: the CSS property »float«");
    assert_warns("<p style='font-size: huge'>Text", "1:11: »font-size: huge«");
    assert_warns("<style>\np { color: red }\n  a > b { color: red }</style><p>Text",
                 "3:3: the selector »a > b«");
    assert_warns("<style>\n@page { margin: 0 }</style><p>Text", "2:1: @ rules");
    assert_warns("<p>x<script>alert(1)</script>", "<script> is not possible");
    assert_warns("<p style='font-family: Comic Sans MS'>Text", "»font-family: Comic Sans MS«");
}

static void known_css_does_not_warn(void **state)
{
    (void)state;
    OUTCOME_CLEAN struct outcome outcome = render(
        "<style>/* c */ p, .a { font-family: 'Nowhere', Arial; font-size: 10.5pt; font-weight: "
        "bold }\n"
        "td.a { text-align: center; border: 0.5pt solid #ccc; padding: 1mm 2mm 0 }\n"
        ".x td { background-color: rgb(1, 2, 3); width: 20%; line-height: 1.2 }</style>"
        "<p style='margin: 1em 0; text-align: justify; font-style: italic; color: #123456'>Text "
        "<b>b</b> <i>i</i> <u>u</u><hr><ul><li>1<li>2</ul><ol start=3><li>3</ol>"
        "<table class=x><thead><tr><th>a<th>b</thead><tr><td colspan=2 class=a>1</table>");
    assert_int_equal(outcome.result, 0);
    assert_string_equal(buffer_string(&outcome.warnings), "");
}

/* ---- limits ---- */

static char *many_fonts(void)
{
    struct buffer html = {0};
    for (unsigned i = 0; i < 10000; i++)
        buffer_printf(&html, "<span style='font-size: 9.%04upt'>x</span>", i);
    return buffer_steal(&html);
}

static void limits_end_with_an_error(void **state)
{
    (void)state;
    FREE_CLEAN char *word = repeated("", "x", LETTER_MAX_WORD + 1, "");
    FREE_CLEAN char *fonts = many_fonts();
    FREE_CLEAN char *lines = repeated("", "<br>", 100000, "");
    FREE_CLEAN char *deep = repeated("", "<div>", 250, "Text");
    FREE_CLEAN char *cells = repeated("<table><tr>", "<td>1<td>2<tr>", 5001, "</table>");
    FREE_CLEAN char *columns = repeated("<table><tr>", "<td>1", 101, "</table>");
    FREE_CLEAN char *pages =
        repeated("", "<p style='page-break-before: always'>Text</p>", LETTER_MAX_PAGES + 1, "");
    FREE_CLEAN char *large = repeated("", "<p>Text</p>", LETTER_MAX_HTML / 11 + 1, "");
    FREE_CLEAN char *paragraph = repeated("", "Wort ", LETTER_MAX_PARAGRAPH / 5 + 2, "");
    FREE_CLEAN char *rules = repeated("<style>", "p{color:red}", 501, "</style>");
    FREE_CLEAN char *tables = repeated("", "<table><tr><td>", 5, "");
    FREE_CLEAN char *row = repeated("<table><tr><td>", "Zeile<br>", 100, "</table>");
    assert_fails(deep, "more than 200 elements");
    assert_fails(cells, "more than 10000 cells");
    assert_fails(columns, "more than 100 columns");
    assert_fails(pages, "more than 200 pages");
    assert_fails(large, "bytes");
    assert_fails(paragraph, "a paragraph has more");
    assert_fails(word, "a word has more");
    assert_fails(fonts, "more than 64 fonts");
    assert_fails(lines, "lines");
    assert_fails(rules, "more than 500 rules");
    assert_fails(tables, "more than 4 tables");
    assert_fails(row, "higher than a page");
}

static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Each paragraph takes up again all the elements left open before it: quadratic by HTML's rules. */
static char *open_formats(void)
{
    struct buffer html = {0};
    for (unsigned i = 0; i < 30000; i++)
        buffer_printf(&html, "<b id=%x><p>x", i);
    return buffer_steal(&html);
}

static void hostile_nesting_ends_soon(void **state)
{
    (void)state;
    FREE_CLEAN char *divs = repeated("", "<div>", 200000, "");
    FREE_CLEAN char *formats = open_formats();
    double start = thread_seconds();
    assert_fails(divs, "nested too deep");
    assert_fails(formats, "nested too deep");
    assert_true(thread_seconds() - start < 5);
}

static void odd_bytes_do_no_harm(void **state)
{
    (void)state;
    static const char bytes[] =
        "<p>\xff\xfe\xc3\0<b>\xed\xa0\x80</p><table><td><style>p{</table><img <<//>&#0;&#xd800;";
    OUTCOME_CLEAN struct outcome outcome = render_bytes(bytes, sizeof bytes - 1);
    assert_int_equal(outcome.result, 0);
    OUTCOME_CLEAN struct outcome empty = render("");
    assert_int_equal(empty.result, 0);
    assert_int_equal(empty.pages, 1);
    for (size_t size = 0; size < sizeof bytes - 1; size++) {
        OUTCOME_CLEAN struct outcome part = render_bytes(bytes, size);
        assert_true(part.result == 0 || part.error.code == ERROR_INPUT);
    }
}

static int open_engine(void **state)
{
    (void)state;
    const char *build = getenv("CAMPAIGND_BUILD");
    FREE_CLEAN char *path = memory_format("%s/letter.so", build ? build : "build");
    /* Never closed: GLib's types do not survive it. */
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return -1;
    }
    api = dlsym(library, LETTER_SYMBOL);
    if (!api || api->version != LETTER_API_VERSION)
        return -1;
    engine = api->engine_new();
    return 0;
}

static int close_engine(void **state)
{
    (void)state;
    api->engine_free(engine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letter_is_a_pdf_with_title_language_and_embedded_fonts),
        cmocka_unit_test(table_of_offsets_is_where_the_file_says),
        cmocka_unit_test(same_request_gives_the_same_bytes),
        cmocka_unit_test(pdf_is_appended),
        cmocka_unit_test(long_text_flows_over_pages),
        cmocka_unit_test(long_table_flows_over_pages_with_its_heading),
        cmocka_unit_test(heading_stays_with_its_paragraph),
        cmocka_unit_test(page_break_is_obeyed),
        cmocka_unit_test(picture_is_drawn),
        cmocka_unit_test(picture_that_is_missing_is_an_error),
        cmocka_unit_test(picture_is_checked_before_it_is_decoded),
        cmocka_unit_test(address_must_fit_its_window),
        cmocka_unit_test(empty_address_lines_collapse),
        cmocka_unit_test(window_type_has_limits),
        cmocka_unit_test(letterhead_and_return_line_must_fit),
        cmocka_unit_test(what_is_outside_the_subset_warns_with_line_and_column),
        cmocka_unit_test(known_css_does_not_warn),
        cmocka_unit_test(limits_end_with_an_error),
        cmocka_unit_test(hostile_nesting_ends_soon),
        cmocka_unit_test(odd_bytes_do_no_harm),
    };
    return cmocka_run_group_tests_name("letter", tests, open_engine, close_engine);
}
