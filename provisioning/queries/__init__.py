"""Commands that only read: one module each, arguments → a report or a refusal."""
