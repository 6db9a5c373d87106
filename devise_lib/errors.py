"""Errors that the user can act on; the command line prints them without a stack trace."""


class InputError(ValueError):
    """What the user gave cannot be used: says what was expected, what came, where, what to do."""


class ConfigError(InputError):
    """The configuration cannot be used; the message lists every fault, one a line."""


class SchemaError(InputError):
    """A table lacks a column that its schema promises, or has it with another type."""


class DivergedError(InputError):
    """A training came to numbers that are not finite: its learning rate is too high, or its inputs
    are at fault.
    """
