from functools import partial

from odoo import models

from ...engine.content import MailBuilder, get_database_uuid
from ...engine.context import ClaimContext, MailContext, SenderContext
from ...engine.dispatcher import LEASE_SECONDS, Dispatcher
from ...engine.turn import read_capacity
from ..people_context import PEOPLE_CONTEXT


class DirectmailAccount(models.Model):
    """What an account hands to the engine, which calls no model itself."""

    _inherit = "directmail.account"

    def _get_capacity(self):
        """Return how many mails the account may send now, as `engine.turn.Capacity`."""
        self.ensure_one()
        self.flush_model(["state", "threads", "daily_quota", "quota_reserve"])
        return read_capacity(self.env, self._make_claim_context())

    def _make_dispatcher(self):
        """Return a run of this account's sender, as `engine.dispatcher.Dispatcher`."""
        self.ensure_one()
        # Read before the client is made, so that a key replaced in between counts as replaced.
        credentials = self._get_credentials_mark()

        def stop_account(env, answer):
            self.with_env(env)._on_refused(answer, credentials)

        def pause_task(env, task_id, answer):
            env["directmail.task"].browse(task_id)._on_refused(answer)

        def save_summary(env, summary):
            self.with_env(env)._read_summary(summary)

        return Dispatcher(
            SenderContext(
                claims=self._make_claim_context(),
                mails=self._make_mail_context(),
                client=self._get_client(),
                open_cursor=self.env.registry.cursor,
                threads=self.threads,
                lease=self._get_seconds("lease_seconds", LEASE_SECONDS),
                rate_limit=self.rate_limit,
                refusal_limit=self.refusal_limit,
                stop_account=stop_account,
                pause_task=pause_task,
                save_summary=save_summary,
                wake_events=_wake_events,
            )
        )

    def _make_mail_builder(self):
        """Return the maker of this account's mails, as `engine.content.MailBuilder`."""
        return MailBuilder(self._make_mail_context())

    def _make_claim_context(self):
        self.ensure_one()
        return ClaimContext(self.id, PEOPLE_CONTEXT, _find_fingerprint)

    def _make_mail_context(self):
        self.ensure_one()
        return MailContext(
            company_id=self.company_id.id,
            master_key=self.env["directmail.keyring"]._get_master_key(),
            database_id=get_database_uuid(self.env),
            public_url=(self.public_url or "").rstrip("/"),
            content_mode=self.content_mode,
            # Read once per run: behaviors that First contact finds out later apply to the next run.
            behaviors=self._get_behaviors(),
            unsubscribe=self._get_unsubscribe_options(),
            read_content=_read_content,
            read_values=_read_values,
            make_reader=partial(_make_reader, self.company_id.id),
        )

    def _get_unsubscribe_options(self):
        """Return the fields of a `directmail.records.Mail` for DirectMail's own unsubscribe link.

        :rtype: dict
        """
        self.ensure_one()
        return {
            "unsubscribe_link": "" if self.unsubscribe_link == "auto" else self.unsubscribe_link,
            "unsubscribe_filter": self.unsubscribe_filter,
        }


def _find_fingerprint(env):
    host = env["directmail.keyring"]._find_host_key()
    return host and host.fingerprint


def _wake_events(env):
    env["directmail.event"]._wake_cron(soon=True)


def _read_content(env, task_id, letter):
    return env["directmail.task"].browse(task_id)._get_mail_content(letter)


def _read_values(env, task_id, letter, people):
    return env["directmail.task"].browse(task_id)._get_mail_values(letter, people)


def _make_reader(company_id, env):
    return env["directmail.aes.key"]._get_reader(env["res.company"].browse(company_id))
