"""`make sabotage`: takes each control out, one at a time, and sees that a test turns red (QUALITY T43).

A control that nobody would miss is not tested. Each is taken out in a scratch copy of the project, never in
place; see `controls.py` for the list. What the catalogue names and does not exist yet is not in it: the check
of a webhook's secret comes with the webhook door.
"""
