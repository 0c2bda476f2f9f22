#include "source/guess.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* ---- what is known ---- */

/* Which types a name's role and format are believed for: a number called »email« is no address. */
#define BIT(type) (1u << (type))
#define UNTYPED (BIT(SOURCE_TEXT) | BIT(SOURCE_UNKNOWN))
#define COUNTED (UNTYPED | BIT(SOURCE_INTEGER) | BIT(SOURCE_DECIMAL))
#define DATED (UNTYPED | BIT(SOURCE_DATE) | BIT(SOURCE_TIMESTAMP))
#define CHECKED (BIT(SOURCE_BOOLEAN) | BIT(SOURCE_INTEGER))
#define AMOUNTS (BIT(SOURCE_DECIMAL) | BIT(SOURCE_REAL))
#define ANY (~0u)

/* Names as people give them to columns, without capitals and marks between words; what they tell,
 * and how people call it. */
struct known {
    const char *names; /* separated by blanks */
    const char *role;
    unsigned role_types;
    const char *format;
    unsigned format_types;
    const char *label_de, *label_en;
};

static const struct known all_known[] = {
    {"kundennummer kundennr kdnr kundenid kundeid customerid customernumber customerno", "key",
     COUNTED, "", 0, "Kundennummer", "Customer number"},
    {"mitgliedsnummer mitgliedsnr mitgliednr mitgliedid memberid membernumber", "key", COUNTED, "",
     0, "Mitgliedsnummer", "Member number"},
    {"haushalt haushaltsnr haushaltsnummer household householdid", "household", COUNTED, "", 0,
     "Haushalt", "Household"},

    {"anrede salutation titleofcourtesy", "salutation", UNTYPED, "", 0, "Anrede", "Salutation"},
    {"briefanrede", "", 0, "", 0, "Briefanrede", "Letter salutation"},
    {"titel namenstitel akademischertitel", "title", UNTYPED, "", 0, "Titel", "Title"},
    {"vorname firstname givenname forename", "first_name", UNTYPED, "", 0, "Vorname", "First name"},
    {"nachname familienname zuname lastname surname familyname", "last_name", UNTYPED, "", 0,
     "Nachname", "Last name"},
    {"name fullname", "", 0, "", 0, "Name", "Name"},
    {"ansprechpartner ansprechpartnerin kontaktperson contactname", "", 0, "", 0, "Ansprechpartner",
     "Contact"},
    {"geschlecht gender", "", 0, "", 0, "Geschlecht", "Gender"},
    {"firma firmenname unternehmen organisation company companyname organization", "company",
     UNTYPED, "", 0, "Firma", "Company"},

    {"email emailadresse emailaddress mail mailadresse mailaddress", "email", UNTYPED, "", 0,
     "E-Mail", "E-mail"},
    {"telefon telefonnummer telefonnr tel telnr festnetz rufnummer phone phonenumber telephone",
     "phone", COUNTED, "telephone", COUNTED, "Telefon", "Telephone"},
    {"mobil mobilnummer mobilnr mobiltelefon handy handynummer handynr mobile mobilephone "
     "cellphone",
     "mobile", COUNTED, "telephone", COUNTED, "Mobiltelefon", "Mobile"},
    {"fax faxnummer telefax faxnumber", "", 0, "telephone", UNTYPED, "Fax", "Fax"},

    {"strasse straße adresse anschrift street streetaddress address", "street", UNTYPED, "", 0,
     "Straße", "Street"},
    {"hausnummer hausnr housenumber", "", 0, "", 0, "Hausnummer", "House number"},
    {"plz postleitzahl zip zipcode postcode postalcode", "postcode", COUNTED, "", 0, "PLZ",
     "Postcode"},
    {"ort wohnort stadt city town", "city", UNTYPED, "", 0, "Ort", "City"},
    {"land staat country countrycode", "country", UNTYPED, "", 0, "Land", "Country"},
    {"bundesland", "", 0, "", 0, "Bundesland", "Federal state"},
    {"sprache language lang locale", "language", UNTYPED, "", 0, "Sprache", "Language"},
    {"geburtsdatum geburtstag gebdatum gebdat birthday birthdate dateofbirth", "birthday", DATED,
     "date", DATED, "Geburtsdatum", "Date of birth"},

    {"einwilligungemail emaileinwilligung mailerlaubnis newsletter optin emailoptin consentemail "
     "emailconsent",
     "consent_email", ANY, "yes/no", CHECKED, "Einwilligung E-Mail", "Consent to e-mail"},
    {"einwilligungsms smseinwilligung consentsms smsconsent", "consent_sms", ANY, "yes/no", CHECKED,
     "Einwilligung SMS", "Consent to SMS"},
    {"einwilligungam einwilligungsdatum einwilligungvom consentdate", "consent_date", DATED, "date",
     DATED, "Einwilligung vom", "Consent given on"},
    /* to what is not said */
    {"einwilligung consent", "", 0, "yes/no", CHECKED, "Einwilligung", "Consent"},
    /* an objection to advertising alone: who is »blocked« gets nothing at all */
    {"werbesperre werbeverbot", "", 0, "yes/no", CHECKED, "Werbesperre", "No advertising"},
    {"gesperrt sperre blocked", "blocked", ANY, "yes/no", CHECKED, "gesperrt", "Blocked"},
    {"verstorben todesdatum sterbedatum deceased dateofdeath", "deceased", ANY, "yes/no", CHECKED,
     "verstorben", "Deceased"},
    {"aktiv active", "", 0, "yes/no", CHECKED, "aktiv", "Active"},

    {"betrag summe gesamtbetrag rechnungsbetrag amount", "", 0, "number 2", AMOUNTS, "Betrag",
     "Amount"},
    {"umsatz jahresumsatz revenue sales turnover", "", 0, "number 2", AMOUNTS, "Umsatz", "Revenue"},
    {"preis einzelpreis price unitprice", "", 0, "number 2", AMOUNTS, "Preis", "Price"},
    {"beitrag mitgliedsbeitrag jahresbeitrag", "", 0, "number 2", AMOUNTS, "Beitrag",
     "Membership fee"},
    {"saldo kontostand balance", "", 0, "number 2", AMOUNTS, "Saldo", "Balance"},
    {"menge anzahl quantity", "", 0, "", 0, "Menge", "Quantity"},
    {"iban", "", 0, "", 0, "IBAN", "IBAN"},
    {"bic swift", "", 0, "", 0, "BIC", "BIC"},
    {"kontoinhaber accountholder", "", 0, "", 0, "Kontoinhaber", "Account holder"},
    {"datum date", "", 0, "", 0, "Datum", "Date"},
    {"bemerkung bemerkungen notiz notizen note notes remarks", "", 0, "", 0, "Bemerkung", "Note"},
};

/* ---- names ---- */

static bool is_mark(char c)
{
    return c && strchr("_- .", c);
}

/* Ä to ä, of the letters that German has beyond ASCII in two bytes; both begin with 0xc3. */
static char lowered(const char *name, size_t at)
{
    unsigned char c = (unsigned char)name[at];
    bool second = at && (unsigned char)name[at - 1] == 0xc3;
    return (char)(second && c >= 0x80 && c <= 0x9e ? c + 0x20 : tolower(c));
}

/* "E-Mail_Adresse" → "emailadresse" */
static void squeeze(const char *name, char target[GUESS_LABEL])
{
    size_t length = 0;
    for (size_t i = 0; name[i] && length + 1 < GUESS_LABEL; i++)
        if (!is_mark(name[i]))
            target[length++] = lowered(name, i);
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

/* Between »order« and »Date« of »orderDate«. */
static bool begins_word(const char *name, size_t at)
{
    return at && islower((unsigned char)name[at - 1]) && isupper((unsigned char)name[at]);
}

/* "order_date" → "Order date", "OrderDate" → "Order Date" */
static void make_readable(const char *name, char label[GUESS_LABEL])
{
    char words[2 * GUESS_LABEL];
    size_t length = 0;
    for (size_t i = 0; name[i] && length + 2 < sizeof words; i++) {
        if (begins_word(name, i))
            words[length++] = ' ';
        words[length++] = name[i] == '_' ? ' ' : name[i];
    }
    words[length] = '\0';
    if (words[0] == '\xc3' && (unsigned char)words[1] >= 0xa0 && (unsigned char)words[1] <= 0xbe)
        words[1] = (char)(words[1] - 0x20);
    else
        words[0] = (char)toupper((unsigned char)words[0]);
    text_copy(label, GUESS_LABEL, words);
}

/* ---- formats ---- */

/* A word of its own at the name's end: »preis_eur«, »preisEUR«, but neither »Friseur« nor »eur«. */
static const char *money_of(const char *name)
{
    static const char *const currencies[][2] = {
        {"eur", "money EUR"}, {"euro", "money EUR"}, {"chf", "money CHF"}, {"usd", "money USD"},
        {"gbp", "money GBP"}, {"czk", "money CZK"},  {"pln", "money PLN"}, {"huf", "money HUF"},
        {"sek", "money SEK"}, {"nok", "money NOK"},  {"dkk", "money DKK"}};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof currencies / sizeof *currencies; i++) {
        size_t size = strlen(currencies[i][0]);
        if (length <= size || strcasecmp(name + length - size, currencies[i][0]) != 0)
            continue;
        if (is_mark(name[length - size - 1]) || begins_word(name, length - size))
            return currencies[i][1];
    }
    return NULL;
}

/* Whose digits count nothing, so that no marks belong between its thousands. */
static bool is_identifier(const char *squeezed)
{
    static const char *const ends[] = {"nr",     "nummer", "id",   "no",
                                       "number", "code",   "jahr", "year"};
    size_t length = strlen(squeezed);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t size = strlen(ends[i]);
        if (length >= size && strcmp(squeezed + length - size, ends[i]) == 0)
            return true;
    }
    return false;
}

static const char *format_of(enum source_type type, bool is_amount)
{
    switch (type) {
    case SOURCE_DATE:
    case SOURCE_TIMESTAMP:
        return "date";
    case SOURCE_BOOLEAN:
        return "yes/no";
    case SOURCE_DECIMAL:
    case SOURCE_REAL:
        /* with as many decimals as it has: it may be a share, or a place's degrees */
        return is_amount ? "number" : "";
    default:
        return "";
    }
}

void guess_field(const char *name, enum source_type type, struct guessed *guessed)
{
    char squeezed[GUESS_LABEL];
    squeeze(name, squeezed);
    const struct known *known = find_known(squeezed);
    const char *money = BIT(type) & (AMOUNTS | BIT(SOURCE_INTEGER)) ? money_of(name) : NULL;
    bool is_amount = !is_identifier(squeezed) && !(known && *known->role);
    *guessed = (struct guessed){.role = "", .format = money ? money : format_of(type, is_amount)};
    make_readable(name, guessed->label_de);
    make_readable(name, guessed->label_en);
    if (!known)
        return;
    if (known->role_types & BIT(type))
        guessed->role = known->role;
    if (known->format_types & BIT(type))
        guessed->format = known->format;
    text_copy(guessed->label_de, GUESS_LABEL, known->label_de);
    text_copy(guessed->label_en, GUESS_LABEL, known->label_en);
}

json_t *guess_json(const char *name, enum source_type type)
{
    struct guessed guessed;
    guess_field(name, type, &guessed);
    return json_pack("{s:s, s:s, s:s, s:s}", "role", guessed.role, "format", guessed.format,
                     "label_de", guessed.label_de, "label_en", guessed.label_en);
}
