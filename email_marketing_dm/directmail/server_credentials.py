# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The server's own credentials at Alibaba Cloud. The only file that imports their library."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_credentials.provider import (
    DefaultCredentialsProvider,
    EcsRamRoleCredentialsProvider,
)

# The library has no types.
SdkCredential = Any
SdkProvider = Any


class NoCredentialError(Exception):
    """This server has no credentials of its own, or they can't be read at the moment."""


def _make_metadata_provider(role: str | None, host: str | None) -> SdkProvider:
    """Return the library's provider of the keys of the ECS instance's role.

    :param host: 'host:port' that replaces the metadata service (100.100.100.200)
    """
    # Without async_update the library starts no thread that refreshes the keys every minute.
    provider = EcsRamRoleCredentialsProvider(role_name=role, async_update_enabled=False)
    if host:
        # The library has no setting for the host.
        provider._EcsRamRoleCredentialsProvider__metadata_service_host = host
    return provider


class ServerCredential:
    """Gives the SDK its keys at each call. The library caches them until they expire."""

    def __init__(self, make_provider: Callable[[], SdkProvider]) -> None:
        self._make_provider = make_provider
        self._client: Any = None  # the library's client

    def get_credential(self) -> SdkCredential:
        """Return the library's `CredentialModel`.

        :raise NoCredentialError: there are none
        """
        try:
            if self._client is None:
                self._client = CredentialClient(provider=self._make_provider())
            return self._client.get_credential()
        except Exception as error:
            # The library's text may quote the file or answer with the keys.
            raise NoCredentialError(type(error).__name__) from None


@lru_cache(maxsize=32)
def get_server_credential(
    kind: str, role: str | None = None, host: str | None = None
) -> ServerCredential:
    """Return the server's own credential for a `DirectMailClient`.

    Cached for all clients of the process, so that they share the keys that were read.

    :param kind: 'ecs' (role of the instance) or 'chain' (the library's default chain: environment,
        OIDC, CLI profile, credentials file, ECS role, URI)
    :param role: name of the RAM role; None asks the instance for the name
    :param host: 'host:port' that replaces the metadata service
    """
    if kind == "chain":
        return ServerCredential(DefaultCredentialsProvider)
    return ServerCredential(lambda: _make_metadata_provider(role, host))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=get_server_credential.cache_clear)
