"""Networks, not tables: machine learning only, with no SQL, no HTTP and no Celery.

The tables of the ledger, a `Model` and its versions among them, are in `app/ledger/tables.py`.
"""
