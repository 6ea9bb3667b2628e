"""Words that all rooms speak: errors, value types, calendars, settings, files."""
