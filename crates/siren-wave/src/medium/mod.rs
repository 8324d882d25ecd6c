//! Media: the squared slowness of the plane, from closed forms and files.
