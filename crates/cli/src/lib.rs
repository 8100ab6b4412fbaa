//! farm: the command line of artists and operators.
