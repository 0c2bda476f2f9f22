-- The demo's definitions, as a site would insert its own. From the project's folder:
--     sqlite3 STATE_DIR/definitions/definitions.db < conf/demo/definitions.sql
-- (readfile() counts from the folder that sqlite3 was started in.) Run again, it makes them anew.
.bail on
PRAGMA foreign_keys = ON;
.timeout 5000
BEGIN IMMEDIATE;

DELETE FROM campaign WHERE name = 'Informationskampagne';
DELETE FROM report WHERE name IN ('Infoschreiben', 'Begleitmail');
DELETE FROM query WHERE name = 'Interessenten mit E-Mail';

INSERT INTO query (name, source, description)
VALUES ('Interessenten mit E-Mail', 'kunden',
        'Potentielle Kunden aus dem Adressbestand, die eine E-Mail-Adresse haben');

-- The salutation line is made here, once, so that letter and mail say the same.
INSERT INTO query_group (query, name, key_column, sql)
SELECT id, 'Kunden', 'kundennummer',
'SELECT kundennummer,
       CASE
           WHEN coalesce(nachname, '''') = '''' THEN ''Sehr geehrte Damen und Herren,''
           WHEN anrede = ''Frau''
               THEN ''Sehr geehrte Frau '' || coalesce(nullif(titel, '''') || '' '', '''') || nachname || '',''
           WHEN anrede = ''Herr''
               THEN ''Sehr geehrter Herr '' || coalesce(nullif(titel, '''') || '' '', '''') || nachname || '',''
           WHEN coalesce(vorname, '''') = '''' THEN ''Sehr geehrte Damen und Herren,''
           ELSE ''Guten Tag '' || coalesce(nullif(titel, '''') || '' '', '''') || vorname || '' '' || nachname || '',''
       END AS anrede,
       firma, titel, vorname, nachname, strasse, plz, ort, land, email,
       widerspruch, einwilligung_email
FROM kunde
WHERE potentiell = 1
    AND email LIKE ''%_@_%''
ORDER BY kundennummer'
FROM query
WHERE name = 'Interessenten mit E-Mail';

INSERT INTO field (query_group, name, position, label_de, label_en, role)
SELECT g.id, f.column1, f.column2, f.column3, f.column4, f.column5
FROM (VALUES
    ('kundennummer', 1, 'Kundennummer', 'Customer number', 'key'),
    ('anrede', 2, 'Anrede', 'Salutation', 'salutation'),
    ('firma', 3, 'Firma', 'Company', 'company'),
    ('titel', 4, 'Titel', 'Title', NULL),
    ('vorname', 5, 'Vorname', 'First name', NULL),
    ('nachname', 6, 'Nachname', 'Last name', NULL),
    ('strasse', 7, 'Straße', 'Street', 'street'),
    ('plz', 8, 'PLZ', 'Postcode', 'postcode'),
    ('ort', 9, 'Ort', 'City', 'city'),
    ('land', 10, 'Land', 'Country', 'country'),
    ('email', 11, 'E-Mail', 'E-mail', 'email'),
    ('widerspruch', 12, 'Widerspruch', 'Objection', 'blocked'),
    ('einwilligung_email', 13, 'Einwilligung E-Mail', 'Consent to e-mail', 'consent_email')) AS f
JOIN query_group AS g
JOIN query AS q ON q.id = g.query
WHERE q.name = 'Interessenten mit E-Mail'
    AND g.name = 'Kunden';

INSERT INTO report (name, kind, title, description)
VALUES ('Infoschreiben', 'letter', 'Neues von der Alpenrad Manufaktur',
        'Der Brief über die neuen Räder'),
       ('Begleitmail', 'email', 'Mail zum Infoschreiben',
        'Die Mail, an der das Infoschreiben hängt');

INSERT INTO report_variant (report, language, html)
SELECT id, 'de', CAST(readfile('conf/demo/infoschreiben.html') AS TEXT)
FROM report
WHERE name = 'Infoschreiben';

INSERT INTO report_variant (report, language, html)
SELECT id, 'de', CAST(readfile('conf/demo/begleitmail.html') AS TEXT)
FROM report
WHERE name = 'Begleitmail';

INSERT INTO report_file (report, name, mime_type, content)
SELECT id, 'logo.png', 'image/png', readfile('conf/demo/logo.png')
FROM report
WHERE name = 'Infoschreiben';

INSERT INTO campaign (name, description, purpose, language, query, group_name)
SELECT 'Informationskampagne',
       'Alle potentiellen Kunden mit einer E-Mail-Adresse über die neuen Räder informieren',
       'advertising', 'de', id, 'Kunden'
FROM query
WHERE name = 'Interessenten mit E-Mail';

INSERT INTO step (campaign, position, name, action, parameters)
SELECT id, 1, 'letter', 'briefe', '{"report": "Infoschreiben"}'
FROM campaign
WHERE name = 'Informationskampagne';

INSERT INTO step (campaign, position, name, action, after_step, parameters)
SELECT id, 2, 'mail', 'post', 1,
       '{"report": "Begleitmail",
         "subject": "Neues von der Alpenrad Manufaktur{{#vorname}}, {{vorname}}{{/vorname}}",
         "attach": "documents"}'
FROM campaign
WHERE name = 'Informationskampagne';

COMMIT;
