"""What AWS asks for: list prices, shipped as a dated table and refreshed from AWS's Price List.

`price.py` is what a kind says of one resource, `table.py` what it asks for figures, `machines.py` what a pool of
vCPUs comes to, `refresh.py` fetches today's figures and keeps them for a week.
"""
