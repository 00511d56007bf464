"""Convert addresses with an internationalized domain to ASCII, in SQL.

DirectMail accepts ASCII only, but Odoo stores a domain as it was typed. So addresses are compared,
keyed and mailed in their ASCII form, and one person is recognized however the domain is written.
`privacy.address.normalise` does the same in Python.
"""

from odoo.tools import SQL

from ..directmail.const import ADDRESS_MAX
from ..privacy.address import ADDRESS_PATTERN, IDN_IGNORED, IDN_REFUSED

# Body of `directmail_ascii_address`: Punycode (RFC 3492, 6.3) of each label, after a short form of
# the mapping of Unicode TS #46 (remove ignored characters, lower-case, NFKC). COLLATION_ is the ICU
# collation where PostgreSQL has it, because lower() in the C locale changes ASCII letters only.
_BODY = """
DECLARE
    local_part text := lower(split_part(address, '@', 1));
    domain text := substr(address, strpos(address, '@') + 1);
    label text;
    coded text;
    result text;
    digits constant text := 'abcdefghijklmnopqrstuvwxyz0123456789';
    points int[];
    n int; delta int; bias int; h int; b int; m int; q int; k int; t int; d int; p int;
BEGIN
    IF strpos(address, '@') < 2 OR octet_length(local_part) <> length(local_part)
       OR length(domain) > LIMIT_ THEN
        RETURN NULL;
    END IF;
    domain := regexp_replace(domain, $re$IGNORED_$re$, '', 'g');
    domain := normalize(lower(domain COLLATION_), NFKC);
    domain := replace(normalize(lower(domain COLLATION_), NFKC), chr(12290), '.');
    IF domain ~ $re$REFUSED_$re$ THEN
        RETURN NULL;
    END IF;
    FOREACH label IN ARRAY string_to_array(domain, '.') LOOP
        coded := label;
        IF octet_length(label) <> length(label) THEN
            points := ARRAY(SELECT ascii(c) FROM unnest(string_to_array(label, NULL))
                            WITH ORDINALITY AS u (c, o) ORDER BY o);
            coded := regexp_replace(label, $re$[^\\u0001-\\u007F]$re$, '', 'g');
            b := length(coded); h := b; n := 128; delta := 0; bias := 72;
            coded := 'xn--' || CASE WHEN b > 0 THEN coded || '-' ELSE '' END;
            WHILE h < cardinality(points) LOOP
                SELECT min(c) INTO m FROM unnest(points) AS u (c) WHERE c >= n;
                delta := delta + (m - n) * (h + 1);
                n := m;
                FOREACH p IN ARRAY points LOOP
                    IF p < n THEN
                        delta := delta + 1;
                    ELSIF p = n THEN
                        q := delta; k := 36;
                        LOOP
                            t := LEAST(26, GREATEST(1, k - bias));
                            EXIT WHEN q < t;
                            d := t + (q - t) % (36 - t);
                            coded := coded || substr(digits, d + 1, 1);
                            q := (q - t) / (36 - t);
                            k := k + 36;
                        END LOOP;
                        coded := coded || substr(digits, q + 1, 1);
                        delta := CASE WHEN h = b THEN delta / 700 ELSE delta / 2 END;
                        delta := delta + delta / (h + 1);
                        k := 0;
                        WHILE delta > 455 LOOP
                            delta := delta / 35;
                            k := k + 36;
                        END LOOP;
                        bias := k + 36 * delta / (delta + 38);
                        delta := 0;
                        h := h + 1;
                    END IF;
                END LOOP;
                delta := delta + 1;
                n := n + 1;
            END LOOP;
        END IF;
        IF length(coded) > 63 THEN
            RETURN NULL;
        END IF;
        result := concat_ws('.', result, coded);
    END LOOP;
    result := local_part || '@' || result;
    IF length(local_part) > 64 OR length(result) > LIMIT_ OR result !~ $re$PATTERN_$re$ THEN
        RETURN NULL;
    END IF;
    RETURN result;
END
"""


def create_function(cr):
    """Create or replace the SQL function `directmail_ascii_address(text)`.

    The function returns the normalised address in ASCII, or null if DirectMail can't mail it. Its
    result depends on its argument only. No index uses it, so that restoring a backup does not need
    the function to exist before the tables.
    """
    cr.execute("SELECT 1 FROM pg_collation WHERE collname = 'und-x-icu'")
    body = (
        _BODY.replace("COLLATION_", 'COLLATE "und-x-icu"' if cr.fetchone() else "")
        .replace("LIMIT_", str(ADDRESS_MAX))
        .replace("IGNORED_", IDN_IGNORED)
        .replace("REFUSED_", IDN_REFUSED)
        .replace("PATTERN_", ADDRESS_PATTERN)
    )
    cr.execute(
        SQL(
            """CREATE OR REPLACE FUNCTION directmail_ascii_address(address text) RETURNS text
               LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS %s""",
            body,
        )
    )


def is_international(address):
    """Return SQL that tells whether an address has non-ASCII characters.

    :param SQL address: an expression of type text
    """
    return SQL("octet_length(%(a)s) <> length(%(a)s)", a=address)


def in_ascii(address):
    """Return SQL of an address in ASCII; null if it has no valid ASCII form.

    An ASCII address is returned unchanged, and costs only the comparison of two lengths.

    :param SQL address: an expression of type text: a normalised address
    :rtype: SQL
    """
    return SQL(
        "CASE WHEN octet_length(%(a)s) = length(%(a)s) THEN %(a)s"
        " ELSE directmail_ascii_address(%(a)s) END",
        a=address,
    )


def may_be_written_otherwise(address):
    """Return SQL that tells whether an ASCII address has a Punycode label ("xn--")."""
    return SQL("strpos(%s, 'xn--') > 0", address)


def other_spelling(column, address):
    """Return SQL that tells whether a column holds the non-ASCII spelling of an ASCII address.

    For an address without "xn--" it is false without a look-up. The column needs the index
    `international_index(column)`.

    :param SQL column: of type text
    :param SQL address: the address in ASCII
    """
    return SQL(
        "%(may)s AND %(other)s AND split_part(%(column)s, '@', 1) = split_part(%(address)s, '@', 1)"
        " AND directmail_ascii_address(%(column)s) = %(address)s",
        may=may_be_written_otherwise(address),
        other=is_international(column),
        column=column,
        address=address,
    )


def international_index(column):
    """Return the definition of a partial index of a column's non-ASCII addresses, by local part."""
    return f"(split_part({column}, '@', 1)) WHERE octet_length({column}) <> length({column})"
