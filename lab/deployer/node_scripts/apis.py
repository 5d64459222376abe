"""Runs on a node, by the system's Python: asks URLs at once and prints JSON, URL to HTTP status (0 for no answer).

Standard input: JSON, a list of URLs.
"""

import concurrent.futures
import json
import sys
import urllib.error
import urllib.request


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


urls = json.load(sys.stdin)
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps(dict(zip(urls, pool.map(status, urls), strict=True))))
