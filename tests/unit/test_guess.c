/* What a column means, by its name and its type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/format.h"
#include "source/guess.h"

static const struct {
    const char *name;
    enum source_type type;
    const char *role, *format, *label_de, *label_en;
} expected[] = {
    /* a German clerk's database */
    {"kundennr", SOURCE_INTEGER, "key", "", "Kundennummer", "Customer number"},
    {"Mitgliedsnummer", SOURCE_TEXT, "key", "", "Mitgliedsnummer", "Member number"},
    {"anrede", SOURCE_TEXT, "salutation", "", "Anrede", "Salutation"},
    {"titel", SOURCE_TEXT, "title", "", "Titel", "Title"},
    {"vorname", SOURCE_TEXT, "first_name", "", "Vorname", "First name"},
    {"nachname", SOURCE_TEXT, "last_name", "", "Nachname", "Last name"},
    {"name", SOURCE_TEXT, "", "", "Name", "Name"},
    {"Firma", SOURCE_TEXT, "company", "", "Firma", "Company"},
    {"strasse", SOURCE_TEXT, "street", "", "Straße", "Street"},
    {"Straße", SOURCE_TEXT, "street", "", "Straße", "Street"},
    {"plz", SOURCE_TEXT, "postcode", "", "PLZ", "Postcode"},
    {"PLZ", SOURCE_INTEGER, "postcode", "", "PLZ", "Postcode"},
    {"ort", SOURCE_TEXT, "city", "", "Ort", "City"},
    {"land", SOURCE_TEXT, "country", "", "Land", "Country"},
    {"geburtsdatum", SOURCE_DATE, "birthday", "date", "Geburtsdatum", "Date of birth"},
    {"geburtsdatum", SOURCE_TEXT, "birthday", "date", "Geburtsdatum", "Date of birth"},
    {"email", SOURCE_TEXT, "email", "", "E-Mail", "E-mail"},
    {"E-Mail-Adresse", SOURCE_TEXT, "email", "", "E-Mail", "E-mail"},
    {"mobil", SOURCE_TEXT, "mobile", "telephone", "Mobiltelefon", "Mobile"},
    {"telefon", SOURCE_TEXT, "phone", "telephone", "Telefon", "Telephone"},
    {"Telefon_Nr.", SOURCE_UNKNOWN, "phone", "telephone", "Telefon", "Telephone"},
    {"fax", SOURCE_TEXT, "", "telephone", "Fax", "Fax"},
    {"betrag", SOURCE_DECIMAL, "", "number 2", "Betrag", "Amount"},
    {"umsatz", SOURCE_REAL, "", "number 2", "Umsatz", "Revenue"},
    {"iban", SOURCE_TEXT, "", "", "IBAN", "IBAN"},
    {"einwilligung", SOURCE_BOOLEAN, "", "yes/no", "Einwilligung", "Consent"},
    {"einwilligung_email", SOURCE_BOOLEAN, "consent_email", "yes/no", "Einwilligung E-Mail",
     "Consent to e-mail"},
    {"Einwilligung vom", SOURCE_DATE, "consent_date", "date", "Einwilligung vom",
     "Consent given on"},
    {"aktiv", SOURCE_INTEGER, "", "yes/no", "aktiv", "Active"},
    {"gesperrt", SOURCE_INTEGER, "blocked", "yes/no", "gesperrt", "Blocked"},
    {"verstorben", SOURCE_DATE, "deceased", "date", "verstorben", "Deceased"},
    {"Haushalt", SOURCE_INTEGER, "household", "", "Haushalt", "Household"},
    /* an English one */
    {"CustomerID", SOURCE_TEXT, "key", "", "Kundennummer", "Customer number"},
    {"first_name", SOURCE_TEXT, "first_name", "", "Vorname", "First name"},
    {"LastName", SOURCE_TEXT, "last_name", "", "Nachname", "Last name"},
    {"CompanyName", SOURCE_TEXT, "company", "", "Firma", "Company"},
    {"PostalCode", SOURCE_TEXT, "postcode", "", "PLZ", "Postcode"},
    {"date of birth", SOURCE_DATE, "birthday", "date", "Geburtsdatum", "Date of birth"},
    {"newsletter", SOURCE_BOOLEAN, "consent_email", "yes/no", "Einwilligung E-Mail",
     "Consent to e-mail"},
    /* names that nobody knows: how they read, and what their type says */
    {"order_date", SOURCE_DATE, "", "date", "Order date", "Order date"},
    {"ShippedDate", SOURCE_TIMESTAMP, "", "date", "Shipped Date", "Shipped Date"},
    {"änderung", SOURCE_TEXT, "", "", "Änderung", "Änderung"},
    {"ÖFFNUNG", SOURCE_TEXT, "", "", "ÖFFNUNG", "ÖFFNUNG"},
    {"paid", SOURCE_BOOLEAN, "", "yes/no", "Paid", "Paid"},
    {"latitude", SOURCE_REAL, "", "number", "Latitude", "Latitude"},
    {"discount", SOURCE_DECIMAL, "", "number", "Discount", "Discount"},
    {"photo", SOURCE_BINARY, "", "", "Photo", "Photo"},
    {"", SOURCE_TEXT, "", "", "", ""},
    {"rechnung_nr", SOURCE_DECIMAL, "", "", "Rechnung nr", "Rechnung nr"},
    {"kundennummer", SOURCE_DECIMAL, "key", "", "Kundennummer", "Customer number"},
    {"telefon", SOURCE_DECIMAL, "phone", "telephone", "Telefon", "Telephone"},
    /* money says which */
    {"betrag_eur", SOURCE_DECIMAL, "", "money EUR", "Betrag eur", "Betrag eur"},
    {"preisCHF", SOURCE_INTEGER, "", "money CHF", "Preis CHF", "Preis CHF"},
    {"Summe EURO", SOURCE_REAL, "", "money EUR", "Summe EURO", "Summe EURO"},
    {"Friseur", SOURCE_INTEGER, "", "", "Friseur", "Friseur"},
    {"FRISEUR", SOURCE_DECIMAL, "", "number", "FRISEUR", "FRISEUR"},
    {"eur", SOURCE_DECIMAL, "", "number", "Eur", "Eur"},
    {"preis_eur", SOURCE_TEXT, "", "", "Preis eur", "Preis eur"},
    /* rather nothing than something wrong */
    {"email_count", SOURCE_INTEGER, "", "", "Email count", "Email count"},
    {"email", SOURCE_INTEGER, "", "", "E-Mail", "E-mail"},
    {"email", SOURCE_BOOLEAN, "", "yes/no", "E-Mail", "E-mail"},
    {"land", SOURCE_INTEGER, "", "", "Land", "Country"},
    {"mobile", SOURCE_BOOLEAN, "", "yes/no", "Mobiltelefon", "Mobile"},
    {"title", SOURCE_TEXT, "", "", "Title", "Title"},
    {"werbesperre", SOURCE_BOOLEAN, "", "yes/no", "Werbesperre", "No advertising"},
    {"newsletter", SOURCE_TEXT, "consent_email", "", "Einwilligung E-Mail", "Consent to e-mail"},
    {"newsletter", SOURCE_DATE, "consent_email", "date", "Einwilligung E-Mail",
     "Consent to e-mail"},
};

static void names_and_types_tell(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct guessed guessed;
        guess_field(expected[i].name, expected[i].type, &guessed);
        if (!text_equal(guessed.role, expected[i].role) ||
            !text_equal(guessed.format, expected[i].format) ||
            !text_equal(guessed.label_de, expected[i].label_de) ||
            !text_equal(guessed.label_en, expected[i].label_en))
            fail_msg("%s (%s): role »%s«, format »%s«, »%s«, »%s«", expected[i].name,
                     source_type_name(expected[i].type), guessed.role, guessed.format,
                     guessed.label_de, guessed.label_en);
    }
}

/* Else a field that somebody keeps would fail its campaign's check. */
static void formats_that_are_guessed_exist(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct error error;
        const char *format = expected[i].format;
        if (*format && !format_parse(arena, format, strlen(format), &error))
            fail_msg("%s: %s", format, error.message);
    }
    arena_free(arena);
}

static void long_and_hostile_names_are_cut_at_a_character(void **state)
{
    (void)state;
    char name[4 * GUESS_LABEL + 1];
    struct guessed guessed;
    for (size_t i = 0; i < sizeof name - 1; i += 2)
        memcpy(name + i, "ä", 2);
    name[sizeof name - 1] = '\0';
    guess_field(name, SOURCE_TEXT, &guessed);
    assert_true(text_is_utf8(guessed.label_de, strlen(guessed.label_de)));
    assert_true(text_starts(guessed.label_de, "Ää"));
    for (size_t i = 0; i < sizeof name - 1; i++)
        name[i] = i % 2 ? 'A' : 'a';
    guess_field(name, SOURCE_DECIMAL, &guessed);
    assert_int_equal(strlen(guessed.label_en), GUESS_LABEL - 1);
    guess_field("\"; DROP TABLE x; --\n{{name}}", SOURCE_TEXT, &guessed);
    assert_string_equal(guessed.label_en, "\"; DROP TABLE x; --\n{{name}}");
    assert_string_equal(guessed.role, "");
}

static void json_has_all_four(void **state)
{
    (void)state;
    json_t *guessed = guess_json("plz", SOURCE_TEXT);
    assert_string_equal(json_string_value(json_object_get(guessed, "role")), "postcode");
    assert_string_equal(json_string_value(json_object_get(guessed, "format")), "");
    assert_string_equal(json_string_value(json_object_get(guessed, "label_de")), "PLZ");
    assert_string_equal(json_string_value(json_object_get(guessed, "label_en")), "Postcode");
    json_decref(guessed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_types_tell),
        cmocka_unit_test(formats_that_are_guessed_exist),
        cmocka_unit_test(long_and_hostile_names_are_cut_at_a_character),
        cmocka_unit_test(json_has_all_four),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
