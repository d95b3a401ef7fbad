"""Countries as people write them, by the codes of ISO 3166-1."""

from typing import Final

from contracts.taxonomy import key

_TABLE = """
    AD Andorra; AE United Arab Emirates/UAE/Emirates; AF Afghanistan; AG Antigua and Barbuda; AI Anguilla; AL Albania;
    AM Armenia; AO Angola; AQ Antarctica; AR Argentina; AS American Samoa; AT Austria/Österreich; AU Australia;
    AW Aruba; AX Åland Islands; AZ Azerbaijan; BA Bosnia and Herzegovina; BB Barbados; BD Bangladesh;
    BE Belgium/België/Belgique/Belgien; BF Burkina Faso; BG Bulgaria; BH Bahrain; BI Burundi; BJ Benin;
    BL Saint Barthélemy; BM Bermuda; BN Brunei; BO Bolivia; BQ Caribbean Netherlands/Bonaire; BR Brazil/Brasil;
    BS Bahamas/The Bahamas; BT Bhutan; BV Bouvet Island; BW Botswana; BY Belarus; BZ Belize; CA Canada;
    CC Cocos Islands/Keeling Islands; CD Democratic Republic of the Congo/DR Congo; CF Central African Republic;
    CG Congo/Republic of the Congo; CH Switzerland/Schweiz/Suisse/Svizzera; CI Côte d'Ivoire/Ivory Coast;
    CK Cook Islands; CL Chile; CM Cameroon; CN China/PRC; CO Colombia; CR Costa Rica; CU Cuba;
    CV Cape Verde/Cabo Verde; CW Curaçao; CX Christmas Island; CY Cyprus;
    CZ Czechia/Czech Republic/Česko/Česká republika; DE Germany/Deutschland; DJ Djibouti; DK Denmark/Danmark;
    DM Dominica; DO Dominican Republic; DZ Algeria; EC Ecuador; EE Estonia; EG Egypt; EH Western Sahara; ER Eritrea;
    ES Spain/España; ET Ethiopia; FI Finland/Suomi; FJ Fiji; FK Falkland Islands; FM Micronesia; FO Faroe Islands;
    FR France; GA Gabon; GB United Kingdom/UK/Great Britain/Britain/England/Scotland/Wales/Northern Ireland;
    GD Grenada; GE Georgia; GF French Guiana; GG Guernsey; GH Ghana; GI Gibraltar; GL Greenland; GM Gambia/The Gambia;
    GN Guinea; GP Guadeloupe; GQ Equatorial Guinea; GR Greece/Hellas; GS South Georgia; GT Guatemala; GU Guam;
    GW Guinea-Bissau; GY Guyana; HK Hong Kong; HM Heard Island and McDonald Islands; HN Honduras; HR Croatia/Hrvatska;
    HT Haiti; HU Hungary/Magyarország; ID Indonesia; IE Ireland/Republic of Ireland/Éire; IL Israel; IM Isle of Man;
    IN India; IO British Indian Ocean Territory; IQ Iraq; IR Iran; IS Iceland; IT Italy/Italia; JE Jersey; JM Jamaica;
    JO Jordan; JP Japan; KE Kenya; KG Kyrgyzstan; KH Cambodia; KI Kiribati; KM Comoros; KN Saint Kitts and Nevis;
    KP North Korea; KR South Korea/Korea/Republic of Korea; KW Kuwait; KY Cayman Islands; KZ Kazakhstan; LA Laos;
    LB Lebanon; LC Saint Lucia; LI Liechtenstein; LK Sri Lanka; LR Liberia; LS Lesotho; LT Lithuania;
    LU Luxembourg/Luxemburg; LV Latvia; LY Libya; MA Morocco; MC Monaco; MD Moldova; ME Montenegro; MF Saint Martin;
    MG Madagascar; MH Marshall Islands; MK North Macedonia/Macedonia; ML Mali; MM Myanmar/Burma; MN Mongolia;
    MO Macao/Macau; MP Northern Mariana Islands; MQ Martinique; MR Mauritania; MS Montserrat; MT Malta; MU Mauritius;
    MV Maldives; MW Malawi; MX Mexico; MY Malaysia; MZ Mozambique; NA Namibia; NC New Caledonia; NE Niger;
    NF Norfolk Island; NG Nigeria; NI Nicaragua; NL Netherlands/Nederland/Holland/The Netherlands; NO Norway/Norge;
    NP Nepal; NR Nauru; NU Niue; NZ New Zealand; OM Oman; PA Panama; PE Peru; PF French Polynesia;
    PG Papua New Guinea; PH Philippines/The Philippines; PK Pakistan; PL Poland/Polska; PM Saint Pierre and Miquelon;
    PN Pitcairn; PR Puerto Rico; PS Palestine; PT Portugal; PW Palau; PY Paraguay; QA Qatar; RE Réunion/La Réunion;
    RO Romania/România; RS Serbia/Srbija; RU Russia/Russian Federation; RW Rwanda; SA Saudi Arabia;
    SB Solomon Islands; SC Seychelles; SD Sudan; SE Sweden/Sverige; SG Singapore; SH Saint Helena;
    SI Slovenia/Slovenija; SJ Svalbard and Jan Mayen; SK Slovakia/Slovensko; SL Sierra Leone; SM San Marino;
    SN Senegal; SO Somalia; SR Suriname; SS South Sudan; ST Sao Tome and Principe; SV El Salvador; SX Sint Maarten;
    SY Syria; SZ Eswatini/Swaziland; TC Turks and Caicos Islands; TD Chad; TF French Southern Territories; TG Togo;
    TH Thailand; TJ Tajikistan; TK Tokelau; TL Timor-Leste/East Timor; TM Turkmenistan; TN Tunisia; TO Tonga;
    TR Turkey/Türkiye; TT Trinidad and Tobago; TV Tuvalu; TW Taiwan; TZ Tanzania; UA Ukraine; UG Uganda;
    UM United States Minor Outlying Islands; US United States/USA/US/United States of America/Estados Unidos;
    UY Uruguay; UZ Uzbekistan; VA Vatican/Vatican City/Holy See; VC Saint Vincent and the Grenadines; VE Venezuela;
    VG British Virgin Islands; VI U.S. Virgin Islands/US Virgin Islands; VN Vietnam/Viet Nam; VU Vanuatu;
    WF Wallis and Futuna; WS Samoa; YE Yemen; YT Mayotte; ZA South Africa; ZM Zambia; ZW Zimbabwe
"""
"""Each country's alpha-2 code and its names; the first one makes its key. English names are those of the Unicode CLDR."""


def _word(text: str) -> str:
    return key(text.replace(".", ""))


_ENTRIES = [entry.strip().partition(" ") for entry in _TABLE.split(";")]
KEY_OF: Final = {code: _word(names.split("/")[0]) for code, _, names in _ENTRIES}
"""The grouping key of each country, by its code: ``US`` → ``united_states``."""
BY_NAME: Final = {_word(name): code for code, _, names in _ENTRIES for name in names.split("/")}
"""The code of each country by the keys of its names: ``usa``, ``deutschland``."""
_BY_WORD: Final = BY_NAME | {code.lower(): code for code in KEY_OF}


def read_country(text: str) -> str | None:
    """The ISO 3166-1 alpha-2 code of a country, from that code or from a name; None where the text is neither.

    Names are known in English and, of some countries, in their own language; case, accents and dots do not matter.

    >>> read_country("de"), read_country("U.S.A."), read_country("España"), read_country("Utopia")
    ('DE', 'US', 'ES', None)
    """
    return _BY_WORD.get(_word(text))
