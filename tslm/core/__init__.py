"""Vocabulary of all folders: errors, value types, calendars, settings, files."""
