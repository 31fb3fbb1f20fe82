"""What compare.py, faults.py and parity.py share."""
