"""What members, their accountants and banks get: one content, in the forms each of them reads.

words    what stands on paper, in four languages, with their ways to write numbers and days
pdf      tagged PDF for people
ubl      Peppol BIS Billing 3 for their programs
tables   CSV, as programs and as Belgian spreadsheets read it
payments what is to be collected and paid out
sepa     the same as files for a bank
"""
