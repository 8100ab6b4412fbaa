//! The HTTP client of the farm's interface, for programs and people.
