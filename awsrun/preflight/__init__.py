"""What would go wrong later is said before: checks of this machine, of the credentials, and of what the account allows.

`check.py` runs checks side by side; each other file holds one group of them: `machine`, `identity`, `permissions`,
`quotas`, `offerings`, `account_plan`, `linked_roles`.  `need.py` is what a spec asks of an account.  Nothing here
changes anything.
"""
