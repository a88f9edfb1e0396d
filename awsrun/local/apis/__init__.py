"""REST APIs: moto keeps their definitions; here what is deployed answers over HTTP, and reaches functions."""
