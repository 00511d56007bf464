"""Answers that come with an uploaded list: one statement adds those of all of its people."""

from odoo.tools import SQL

from . import mailing_consent, measuring
from .sql import UNMATCHABLE


def import_measuring(env, upload, answer, proof):
    """Insert an answer about measuring for each person of an upload; apply it to earlier mails.

    Not for people whose latest answer is the same, nor "yes" for those who have refused.

    :param UploadedPeople upload: whose answers
    :param str answer: "yes" or "no"
    :param dict proof: {column of `directmail_consent`: value} of all answers
    :return: (number of answers inserted, number of people who have refused)
    :rtype: tuple[int, int]
    """
    [(before,)] = env.execute_query(SQL("SELECT COALESCE(max(id), 0) FROM directmail_consent"))
    latest = SQL(
        """(SELECT o.answer FROM directmail_consent o
             WHERE o.company_id = %s AND o.purpose = %s AND o.address_key = people.address_key
             ORDER BY o.recorded_at DESC, o.id DESC LIMIT 1)""",
        upload.company_id,
        measuring.PURPOSE,
    )
    added, refused = _insert(
        env,
        upload,
        {**proof, "purpose": measuring.PURPOSE, "answer": answer},
        latest,
        SQL("latest IS NULL OR latest = 'yes' AND %s = 'no'", answer),
        SQL("latest = 'no' AND %s = 'yes'", answer),
    )
    if added and answer == "no":
        keys = SQL(
            """(SELECT address_key FROM directmail_consent
                 WHERE id > %s AND company_id = %s AND purpose = %s AND answer = 'no')""",
            before,
            upload.company_id,
            measuring.PURPOSE,
        )
        measuring.record_withdrawal(env, upload.company_id, keys, answer)
    return added, refused


def import_agreements(env, upload, purpose_id, answer, proof):
    """Insert an agreement to a topic for each person of an upload.

    Not for people who have agreed as much already, nor for those who have refused the topic or have
    left all mail of the company: the list may be older than that.

    :param UploadedPeople upload: whose answers
    :param int purpose_id: id of the `directmail.purpose`
    :param str answer: "yes" or "confirmed"
    :param dict proof: {column of `directmail_consent`: value} of all answers
    :return: (number of answers inserted, number of people who have refused)
    :rtype: tuple[int, int]
    """
    company, key = SQL("%s", upload.company_id), SQL("people.address_key")
    latest = SQL(
        """(SELECT CASE WHEN EXISTS (
                        SELECT FROM directmail_optout o
                         WHERE o.company_id = %(company)s AND o.address_key = %(key)s
                           AND o.sender_id IS NULL)
                      OR %(whole)s IN %(refusals)s
                   THEN 'no' ELSE %(topic)s END)""",
        company=company,
        key=key,
        whole=mailing_consent.find_answer(company, SQL("0"), key),
        topic=mailing_consent.find_answer(company, SQL("%s", purpose_id), key),
        refusals=mailing_consent.REFUSALS,
    )
    return _insert(
        env,
        upload,
        {
            **proof,
            "purpose": mailing_consent.PURPOSE,
            "purpose_id": purpose_id,
            "answer": answer,
        },
        latest,
        SQL("latest IS NULL OR latest = 'yes' AND %s = 'confirmed'", answer),
        SQL("latest IN %s", mailing_consent.REFUSALS),
    )


class UploadedPeople:
    """The people of a matched upload for whom its uploader may record answers.

    :param int upload_id: id of the `directmail.upload`
    :param int company_id: of the upload
    :param SQL key: the address key of a contact `p`, from its address in clear
    :param SQL contacts: ids of the contacts for whom answers may be added
    """

    def __init__(self, upload_id, company_id, key, contacts):
        self.upload_id = upload_id
        self.company_id = company_id
        self._key = key
        self._contacts = contacts

    def select(self):
        """Return SQL that selects address_key, email, email_encrypted and partner_id, once a key.

        A contact with two addresses, in clear and encrypted, is two rows.
        """
        return SQL(
            """SELECT DISTINCT ON (address_key) * FROM (
                   WITH lines AS MATERIALIZED (
                       SELECT * FROM directmail_upload_line
                        WHERE upload_id = %(upload)s AND status IN ('matched', 'created', 'bare'))
                   SELECT address_key, email, email_encrypted, NULL::int AS partner_id
                     FROM lines WHERE status = 'bare'
                    UNION ALL
                   SELECT %(key)s, p.email_normalized, NULL, p.id
                     FROM lines JOIN res_partner p ON p.id = lines.partner_id
                    WHERE p.email_normalized IS NOT NULL AND p.id IN %(contacts)s
                    UNION ALL
                   SELECT p.email_encrypted_key, NULL, p.email_encrypted, p.id
                     FROM lines JOIN res_partner p ON p.id = lines.partner_id
                    WHERE p.email_encrypted_key IS NOT NULL AND p.id IN %(contacts)s) AS found
                WHERE left(address_key, 1) != %(unmatchable)s
                ORDER BY address_key, partner_id""",
            upload=self.upload_id,
            key=self._key,
            contacts=self._contacts,
            unmatchable=UNMATCHABLE,
        )


def _insert(env, upload, values, latest, is_new, is_refused):
    """Insert an answer for the people of an upload who meet `is_new`.

    :param dict values: {column of `directmail_consent`: value} of all answers
    :param SQL latest: the answer of a person `people` that counts now
    :param SQL is_new: condition on `latest`
    :param SQL is_refused: condition on `latest` of people who are counted as having refused
    :return: (number of answers inserted, number of people who have refused)
    """
    [row] = env.execute_query(
        SQL(
            """WITH people AS MATERIALIZED (%(people)s
               ), judged AS MATERIALIZED (
                   SELECT people.*, %(latest)s AS latest FROM people
               ), added AS (
                   INSERT INTO directmail_consent (company_id, origin, recorded_at,
                          address_key, email, email_encrypted, partner_id, %(columns)s)
                   SELECT %(company)s, 'import',
                          date_trunc('second', clock_timestamp() AT TIME ZONE 'UTC'),
                          address_key, email, email_encrypted, partner_id, %(values)s
                     FROM judged WHERE %(is_new)s
                RETURNING id
               )
               SELECT (SELECT count(*) FROM added),
                      (SELECT count(*) FROM judged WHERE %(is_refused)s)""",
            people=upload.select(),
            latest=latest,
            company=upload.company_id,
            columns=SQL(", ").join(map(SQL.identifier, values)),
            values=SQL(", ").join(SQL("%s", value) for value in values.values()),
            is_new=is_new,
            is_refused=is_refused,
        )
    )
    return row
