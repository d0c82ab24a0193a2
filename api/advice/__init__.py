"""The public page and the poster of the advice to citizens: plain HTML from the server, no script, sums of a community only.

texts   every word in French, Dutch, German and English
marks   the lights as shapes: colour is never the only sign
page    the page for a phone and the poster for a hall
"""
