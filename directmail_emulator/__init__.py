"""A local Alibaba Cloud DirectMail: the same API over HTTP, for development and tests."""

__version__ = "1.0.0"
