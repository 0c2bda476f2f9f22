#include "source/guess.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Names as people give them to columns, without case and marks between words; the role that they
 * tell, and how people call it. */
struct known {
    const char *names; /* separated by blanks */
    const char *role;
    const char *format;
    const char *label_de, *label_en;
};

static const struct known all_known[] = {
    {"kundennummer kundennr customerid customernumber customerno mitgliedsnummer mitgliedsnr "
     "memberid membernumber",
     "key", "", "Kundennummer", "Customer number"},
    {"household householdid haushalt haushaltsnr haushaltsnummer", "household", "", "Haushalt",
     "Household"},
    {"anrede salutation", "salutation", "", "Anrede", "Salutation"},
    {"titel title namenstitel", "", "", "Titel", "Title"},
    {"vorname firstname givenname", "", "", "Vorname", "First name"},
    {"nachname lastname surname familyname", "", "", "Nachname", "Last name"},
    {"name fullname contactname ansprechpartner", "", "", "Name", "Name"},
    {"email emailadresse emailaddress mail mailadresse mailaddress", "email", "", "E-Mail",
     "E-mail"},
    {"telefon telefonnummer phone phonenumber tel telnr festnetz", "phone", "telephone", "Telefon",
     "Telephone"},
    {"mobil mobiltelefon mobile mobilephone handy handynummer cellphone", "mobile", "telephone",
     "Mobiltelefon", "Mobile"},
    {"firma company companyname firmenname unternehmen organisation organization", "company", "",
     "Firma", "Company"},
    {"strasse straße street address adresse anschrift streetaddress", "street", "", "Straße",
     "Street"},
    {"plz postleitzahl zip zipcode postcode postalcode", "postcode", "", "PLZ", "Postcode"},
    {"ort stadt city town wohnort", "city", "", "Ort", "City"},
    {"land country staat countrycode", "country", "", "Land", "Country"},
    {"sprache language lang locale", "language", "", "Sprache", "Language"},
    {"geburtsdatum geburtstag birthday birthdate dateofbirth", "birthday", "date", "Geburtsdatum",
     "Date of birth"},
    {"consentemail emailconsent einwilligungemail mailerlaubnis newsletter optin emailoptin",
     "consent_email", "yes/no", "Einwilligung E-Mail", "Consent to e-mail"},
    {"consentsms smsconsent einwilligungsms", "consent_sms", "yes/no", "Einwilligung SMS",
     "Consent to SMS"},
    {"consentdate einwilligungam einwilligungsdatum einwilligungvom", "consent_date", "date",
     "Einwilligung vom", "Consent given on"},
    {"gesperrt blocked sperre werbesperre", "blocked", "yes/no", "gesperrt", "Blocked"},
    {"verstorben deceased", "deceased", "yes/no", "verstorben", "Deceased"},
    {"betrag amount summe", "", "", "Betrag", "Amount"},
    {"umsatz revenue sales turnover", "", "", "Umsatz", "Revenue"},
    {"datum date", "", "", "Datum", "Date"},
};

/* "E-Mail_Adresse" → "emailadresse" */
static void squeeze(const char *name, char target[GUESS_LABEL])
{
    size_t length = 0;
    for (; *name && length + 1 < GUESS_LABEL; name++)
        if (!strchr("_- .", *name))
            target[length++] = (char)tolower((unsigned char)*name);
    target[length] = '\0';
}

static const struct known *find_known(const char *squeezed)
{
    size_t size = strlen(squeezed);
    for (size_t i = 0; size && i < sizeof all_known / sizeof *all_known; i++)
        for (const char *at = all_known[i].names; *at; at += strcspn(at, " "), at += *at == ' ')
            if (strcspn(at, " ") == size && !memcmp(at, squeezed, size))
                return &all_known[i];
    return NULL;
}

/* "order_date" → "Order date" */
static void make_readable(const char *name, char label[GUESS_LABEL])
{
    text_copy(label, GUESS_LABEL, name);
    for (char *c = label; *c; c++)
        if (*c == '_')
            *c = ' ';
    *label = (char)toupper((unsigned char)*label);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length > tail && !strcmp(text + length - tail, end);
}

static const char *money_of(const char *squeezed)
{
    static const struct {
        const char *end, *format;
    } currencies[] = {{"eur", "money EUR"},
                      {"euro", "money EUR"},
                      {"usd", "money USD"},
                      {"chf", "money CHF"},
                      {"gbp", "money GBP"}};
    for (size_t i = 0; i < sizeof currencies / sizeof *currencies; i++)
        if (ends_with(squeezed, currencies[i].end))
            return currencies[i].format;
    return NULL;
}

static const char *format_of(const char *squeezed, enum source_type type)
{
    const char *money = money_of(squeezed);
    switch (type) {
    case SOURCE_DATE:
    case SOURCE_TIMESTAMP:
        return "date";
    case SOURCE_BOOLEAN:
        return "yes/no";
    case SOURCE_DECIMAL:
    case SOURCE_REAL:
        return money ? money : "number 2";
    case SOURCE_INTEGER:
        return money ? money : "";
    default:
        return "";
    }
}

void guess_field(const char *name, enum source_type type, struct guessed *guessed)
{
    char squeezed[GUESS_LABEL];
    squeeze(name, squeezed);
    const struct known *known = find_known(squeezed);
    *guessed = (struct guessed){.role = known ? known->role : "",
                                .format = known && *known->format ? known->format
                                                                  : format_of(squeezed, type)};
    make_readable(name, guessed->label_de);
    make_readable(name, guessed->label_en);
    if (known) {
        text_copy(guessed->label_de, GUESS_LABEL, known->label_de);
        text_copy(guessed->label_en, GUESS_LABEL, known->label_en);
    }
}

json_t *guess_json(const char *name, enum source_type type)
{
    struct guessed guessed;
    guess_field(name, type, &guessed);
    return json_pack("{s:s, s:s, s:s, s:s}", "role", guessed.role, "format", guessed.format,
                     "label_de", guessed.label_de, "label_en", guessed.label_en);
}
