"""A user's package: a data set class and a hook, registered where mmpose's documentation says."""
