"""The engine: plain classes and functions around set-based SQL that handles many people at once.

The models call these functions and hold no such SQL themselves.
"""
