"""The same outputs sooner: inference forms, engines, measurement."""
