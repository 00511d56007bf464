"""The sending engine: what runs over many people at once.

Plain classes and functions around set-based SQL; the models call them and stay thin.
"""
