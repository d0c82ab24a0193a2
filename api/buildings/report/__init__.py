"""The monthly report on a municipality's buildings, for its council: HTML and PDF of one content, in four languages.

content  what is told, as text in the reader's language
words    the texts and the ways to write numbers
charts   drawings as SVG
page     HTML; pdf (report.typ) the same on paper
"""
