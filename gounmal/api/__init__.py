"""The surface as others describe it: one OpenAPI document, and the forms of clouds."""
