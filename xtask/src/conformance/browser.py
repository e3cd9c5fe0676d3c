"""Plays the person and the browser of an interactive login: opens the page, follows redirects, sends the form on it."""
import re
import ssl
import sys
import urllib.parse
import urllib.request
from html import unescape

anything = ssl._create_unverified_context()  # a test authority nobody knows
web = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=anything))
page = web.open(sys.argv[1], timeout=10).read().decode()
action = re.search(r'<form[^>]*\baction="([^"]*)"', page)
if action:
    inputs = re.findall(r'<input[^>]*\bname="([^"]*)"[^>]*\bvalue="([^"]*)"', page)
    data = urllib.parse.urlencode([(unescape(n), unescape(v)) for n, v in inputs]).encode()
    web.open(unescape(action.group(1)), data=data, timeout=10).read()
