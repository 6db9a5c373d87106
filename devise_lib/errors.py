"""Errors that the user can correct; the command line prints them without a stack trace."""


class InputError(ValueError):
    """The user's input cannot be used; says what was expected, what was found, where, and what to
    do.
    """


class ConfigError(InputError):
    """The configuration cannot be used; the message lists all errors, one per line."""


class SchemaError(InputError):
    """A table lacks a column of its schema, or has it with another type."""


class DivergedError(InputError):
    """A training reached numbers that are not finite, because of its learning rate or its
    inputs.
    """
