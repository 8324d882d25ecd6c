//! Reference solutions: closed forms and finite differences, without a field.
